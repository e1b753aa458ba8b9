"""The file store of the demo: where the ledger's programs read their logins.

The layout is that of remediation/executors/stores/file.py; the first version of a place is put
there by hand, as it was before the portal rotated anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hitlportal.demo.servers import private

CURRENT, VERSIONS, BY_HAND = "current", "versions", "by-hand"
USERNAME, PASSWORD = "username", "password"


@dataclass(frozen=True)
class FileStore:
    """The directory of a store; only this account may enter it."""

    directory: Path

    def place(self, path: str) -> Path:
        return self.directory / path

    def put_first(self, path: str, username: str, password: str) -> None:
        """Put a login at a place that has none yet."""
        place = self.place(path)
        if (place / CURRENT).is_symlink():
            return
        self.directory.mkdir(mode=0o700, exist_ok=True)
        private.write(place / VERSIONS / BY_HAND / USERNAME, username)
        private.write(place / VERSIONS / BY_HAND / PASSWORD, password)
        (place / CURRENT).symlink_to(Path(VERSIONS) / BY_HAND)

    def version(self, path: str) -> str:
        """Return the name of the version that programs read."""
        return (self.place(path) / CURRENT).readlink().name

    def password(self, path: str) -> str:
        """Return the password that programs read."""
        return (self.place(path) / CURRENT / PASSWORD).read_text(encoding="utf-8")
