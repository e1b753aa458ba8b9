"""Keep the last accepted head in a file outside the database.

The whole signed note is kept, not only size and root, because it proves a fork to others.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.tlog.errors import Malformed
from audit.tlog.note import MAX_NOTE, from_bytes

# Pause between two attempts to get the lock; it is usually held for a few milliseconds.
_LOOK_S = 0.001


class HeadFile:
    """One remembered head. `OSError` is passed on: an unreadable file is not an empty memory."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> str | None:
        """Return the note, or None if there is no file.

        Raises Malformed when the file is empty, too long or no text: damage must not count as an
        empty memory.
        """
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            return None
        if not raw or len(raw) > MAX_NOTE:
            raise Malformed(f"{self.path} does not hold a head")
        return from_bytes(raw)

    def write(self, note: str) -> None:
        """Write this head: a draft is synced to disk, then renamed.

        A crash before the rename leaves the old head and a draft; a crash after it the new head.
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
    def locked(self, wait_s: float | None = None) -> Iterator[None]:
        """Lock the head against other processes of this host, from reading it to writing the next.

        Raises TimeoutError when another process holds the lock for longer than ``wait_s`` (None:
        no limit).
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if wait_s is None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            else:
                self._lock_within(descriptor, wait_s)
            yield
        finally:
            os.close(descriptor)

    def _lock_within(self, descriptor: int, wait_s: float) -> None:
        give_up = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    why = f"another process has held it for {wait_s:g} s"
                    raise TimeoutError(errno.ETIMEDOUT, why, str(self.path)) from None
                time.sleep(_LOOK_S)
