"""The part of a server's log that a test needs: that of a whole run is long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LogPart:
    """What a log holds from a place on; `to` is the file that gets a copy."""

    log: Path
    begins: int
    to: Path

    @classmethod
    def from_now(cls, log: Path, to: Path) -> LogPart:
        return cls(log, log.stat().st_size, to)

    def copy(self) -> Path:
        """Copy what is there by now; return the copy."""
        with self.log.open("rb") as log:
            log.seek(self.begins)
            self.to.write_bytes(log.read())
        return self.to
