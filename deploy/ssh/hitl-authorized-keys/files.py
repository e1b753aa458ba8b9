"""Read and replace one file of keys, and keep what was taken out of it.

The directories belong to the account that the keys are for, so nothing here follows a link, and
each step works in a directory that is open already.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lines import Taken, digest

MOST_BYTES = 1_048_576
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# Rights of a program, and signatures of the old bytes.
_NO_LABELS = {"security.capability", "security.ima", "security.evm"}


class Refused(Exception):
    """A word for why it does not go on, and the file that it is about."""

    def __init__(self, why: str, file: str = "") -> None:
        super().__init__(why)
        self.why, self.file = why, file


class KeyFile:
    """A file of keys as it was read; `exists` is false, and `raw` empty, without one."""

    def __init__(self, path: str, uid: int) -> None:
        self.path, self.uid, self.name = path, uid, os.path.basename(path)
        self.directory: int | None = None
        self.directory = self._enter(os.path.dirname(path))
        self.raw, self._seen = self._read() if self.directory is not None else (b"", None)

    def __del__(self) -> None:
        if self.directory is not None:
            os.close(self.directory)

    @property
    def exists(self) -> bool:
        return self._seen is not None

    def replace(self, raw: bytes) -> None:
        """Put these bytes in the place of those that were read, with owner, mode and labels.

        At once: sshd reads the old file or the new one. A crash before that leaves a file
        NAME.hitl-…, which sshd does not read. Raises Refused; then nothing was changed.
        """
        new = f"{self.name}.hitl-{os.urandom(8).hex()}"
        with self._writing(new) as fd:
            with open(fd, "wb", closefd=False) as file:
                file.write(raw)
            self._dress(fd)
            os.fsync(fd)
            now, seen = self._read()
            if now != self.raw or _identity(seen) != _identity(self._seen):
                raise Refused("changed_meanwhile", self.path)
            os.rename(new, self.name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        if self.directory is not None:
            os.fsync(self.directory)  # a host that loses power must not have the old file again

    @contextlib.contextmanager
    def _writing(self, new: str) -> Iterator[int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            fd = os.open(new, flags, 0o600, dir_fd=self.directory)
        except OSError:
            raise Refused("cannot_write", self.path) from None
        try:
            yield fd
        except OSError:
            raise Refused("cannot_write", self.path) from None
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):  # it has its name now
                os.unlink(new, dir_fd=self.directory)

    def _dress(self, fd: int) -> None:
        """Give the new file the owner, mode, lists of rights and labels of the old one.

        The account may put another object at the name meanwhile: a pipe, on which root would wait,
        or a program of root with its rights. So only the file that was read gives anything, and no
        right to run as its owner.
        """
        old = os.open(self.name, _READ, dir_fd=self.directory)
        try:
            seen = os.fstat(old)
            if _identity(seen) != _identity(self._seen):
                raise Refused("changed_meanwhile", self.path)
            os.fchown(fd, seen.st_uid, seen.st_gid)
            os.fchmod(fd, seen.st_mode & 0o777)
            for name in os.listxattr(old):
                if name not in _NO_LABELS:
                    os.setxattr(fd, name, os.getxattr(old, name))
        finally:
            os.close(old)

    def _enter(self, directory: str) -> int | None:
        """Return the open directory; None if it is not there."""
        at = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in directory.split("/")[1:]:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = inner
                self._refuse_shared(os.fstat(at))
        except FileNotFoundError:
            os.close(at)
            return None
        except OSError:
            os.close(at)
            raise Refused("link_or_unreadable", self.path) from None
        return at

    def _read(self) -> tuple[bytes, os.stat_result | None]:
        try:
            fd = os.open(self.name, _READ, dir_fd=self.directory)
        except FileNotFoundError:
            return b"", None
        except OSError:
            raise Refused("link_or_unreadable", self.path) from None
        try:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
                raise Refused("not_one_regular_file", self.path)
            self._refuse_shared(seen)
            with open(fd, "rb", closefd=False) as file:
                raw = file.read(MOST_BYTES + 1)
        finally:
            os.close(fd)
        if len(raw) > MOST_BYTES:
            raise Refused("too_large", self.path)
        return raw, seen

    def _refuse_shared(self, seen: os.stat_result) -> None:
        """Refuse what others can write; in root's sticky directories they cannot rename ours."""
        sticky = stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX and seen.st_uid == 0
        if seen.st_uid not in (0, self.uid) or (seen.st_mode & 0o022 and not sticky):
            raise Refused("others_can_write", self.path)


def _identity(seen: os.stat_result | None) -> tuple[int, ...] | None:
    """Return what makes a file the same one with the same rights; None without one."""
    return seen and (seen.st_dev, seen.st_ino, seen.st_mode, seen.st_uid, seen.st_gid)


class Held:
    """The lines that were taken out of one file, so that they can come back. No secret."""

    def __init__(self, state: Path, account: str, path: str, fingerprint: str) -> None:
        name = digest(f"{account}\0{path}\0{fingerprint}".encode())
        self._file = state / f"{name}.json"
        self._about = {"account": account, "file": path, "fingerprint": fingerprint}

    def read(self) -> tuple[list[Taken], str]:
        """Return the lines, and the digest of the file as their removal left it."""
        try:
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return [], ""
        lines = [
            Taken(base64.b64decode(one["raw"]), one["at"], one["after"]) for one in found["lines"]
        ]
        return lines, found["left"]

    def write(self, lines: list[Taken], left: str) -> None:
        """Keep the lines on disk, before they are taken out."""
        kept = [
            {"raw": base64.b64encode(one.raw).decode(), "at": one.at, "after": one.after}
            for one in lines
        ]
        new = self._file.with_suffix(".new")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(json.dumps({**self._about, "lines": kept, "left": left}).encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
            _sync(self._file.parent)
        except OSError:
            raise Refused("state_directory") from None

    def forget(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._file.unlink()


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
