"""Write the demo's mail into files that only their owner reads: invitations hold one-time codes."""

from __future__ import annotations

from pathlib import Path

from django.core.mail.backends import filebased


class EmailBackend(filebased.EmailBackend):
    """Django's backend of files, each with mode 0600 from its first byte."""

    def open(self) -> bool:
        """Return whether a file was opened."""
        file = Path(self._get_filename())  # type: ignore[attr-defined]
        if not file.exists():
            file.touch(mode=0o600)
        return bool(super().open())
