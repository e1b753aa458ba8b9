"""Read and replace a file in a directory that somebody else may own, and never wait for it.

Only a regular file of a limited size is read: a pipe would block, a device would have no end. A
file that is replaced is reached without a link, so that nobody directs the worker's rights to
another file; its directory is opened once, and everything happens there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

MOST_BYTES = 1024 * 1024
LOCK_SECONDS = 2.0
_PAUSE_SECONDS = 0.05
_READ = os.O_RDONLY | os.O_NONBLOCK


class Unusable(ValueError):
    """The file cannot be used. The message has nothing of its content."""


class Changed(Exception):
    """Somebody else wrote the file meanwhile, or put another one in its place."""


@dataclass(frozen=True)
class Identity:
    """Which file it is, and who may use it, as the open file had it."""

    device: int
    inode: int
    owner: int
    group: int
    mode: int


def content(path: Path) -> bytes:
    """Read a file, also by a link. Raises OSError or Unusable."""
    return _read(os.open(path, _READ))[0]


def content_of_own(path: Path) -> tuple[bytes, Identity]:
    """Read a file that may be replaced. Raises OSError or Unusable."""
    with _directory(path) as directory:
        return _read_in(directory, path.name)


def replace(path: Path, identity: Identity, old: bytes, new: bytes) -> None:
    """Replace the file, with its owner and mode. Raises Changed, OSError or Unusable.

    A crash before leaves a file `.<name>.<random>` beside it, which nobody reads.
    """
    with _directory(path) as place:
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        try:  # closing it ends the lock
            _lock(directory)
            _refuse_changed(directory, path.name, identity, old)
            _replace_in(directory, path.name, identity, old, new)
            os.fsync(directory)
        finally:
            os.close(directory)


def _replace_in(directory: int, name: str, identity: Identity, old: bytes, new: bytes) -> None:
    draft = f".{name}.{uuid4().hex}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(draft, flags, 0o600, dir_fd=directory)
    try:
        try:
            _fill(descriptor, identity, new)
        finally:
            os.close(descriptor)
        _refuse_changed(directory, name, identity, old)
        os.replace(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=directory)
        raise


def _fill(descriptor: int, identity: Identity, new: bytes) -> None:
    if (identity.owner, identity.group) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, identity.owner, identity.group)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(new)
    os.fchmod(descriptor, identity.mode)
    os.fsync(descriptor)


def _refuse_changed(directory: int, name: str, identity: Identity, old: bytes) -> None:
    try:
        found = _read_in(directory, name)
    except (OSError, Unusable) as error:
        raise Changed from error
    if found != (old, identity):
        raise Changed


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    """Open the directory of a file. No directory of the path may be a link."""
    at = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        for part in path.absolute().parent.parts[1:]:
            try:
                deeper = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise Unusable(f"{part} in its path is a link or no directory") from error
                raise
            os.close(at)
            at = deeper
        yield at
    finally:
        os.close(at)


def _read_in(directory: int, name: str) -> tuple[bytes, Identity]:
    try:
        descriptor = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unusable("it is a link: name the file itself") from error
        raise
    raw, found = _read(descriptor)
    around = os.fstat(directory)
    if around.st_uid not in (found.st_uid, 0, os.geteuid()) or around.st_mode & 0o022:
        raise Unusable("others than its owner can write in its directory")
    return raw, Identity(
        found.st_dev, found.st_ino, found.st_uid, found.st_gid, found.st_mode & 0o777
    )


def _read(descriptor: int) -> tuple[bytes, os.stat_result]:
    """Read an open file, and close it."""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unusable("it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > MOST_BYTES:
        raise Unusable("it is too large")
    return raw, found


def _lock(directory: int) -> None:
    """Keep other workers out. Everybody who can read the directory can hold it: wait little."""
    ends = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= ends:
                raise Unusable("another process has locked its directory") from error
        time.sleep(_PAUSE_SECONDS)
