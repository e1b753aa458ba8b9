"""The last head that somebody accepted, kept in a file outside the database.

The whole signed note is kept, not only size and root: with it a fork can be proved to others.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.tlog.errors import Malformed
from audit.tlog.note import MAX_NOTE, from_bytes


class HeadFile:
    """One remembered head. `OSError` comes through: what cannot be read is not forgotten."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> str | None:
        """The note, or None when none was ever kept. Raises Malformed when the file is empty,
        too long or no text: a damaged memory is not the same as none."""
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            return None
        if not raw or len(raw) > MAX_NOTE:
            raise Malformed(f"{self.path} does not hold a head")
        return from_bytes(raw)

    def write(self, note: str) -> None:
        """Keep this head: whole on the disk before the name changes.

        A crash before the rename leaves the old head and a draft; after it the new one.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(note.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process of this host at a time, from reading the head to keeping the next one."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
