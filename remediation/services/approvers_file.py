"""Read and replace the approvers file on disk.

It is replaced by a rename, so that a reader finds the old or the new file, never a partial one.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remediation.domain.errors import BadInput, PolicyUnavailable
from remediation.domain.gate.approvers import Approvers

# Write access to this file is the power to approve, so not even the group may have it.
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def load(path: Path) -> Approvers:
    """Read the file. Raises PolicyUnavailable when it is missing, writable by others or invalid."""
    try:
        if path.stat().st_mode & _WRITABLE_BY_OTHERS:
            raise PolicyUnavailable(f"{path} can be written by group or others")
        return Approvers.parse(path.read_bytes())
    except OSError as error:
        raise PolicyUnavailable(f"{path}: {error.strerror}") from error
    except BadInput as error:
        raise PolicyUnavailable(f"{path}: {error}") from error


@contextmanager
def changing(path: Path) -> Iterator[Approvers]:
    """Give the file's content and keep other operators out until the block ends.

    A missing file counts as empty. Raises PolicyUnavailable.
    """
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield load(path) if path.exists() else Approvers(())
        finally:
            os.close(directory)
    except OSError as error:
        raise PolicyUnavailable(f"{path}: {error.strerror}") from error


def write_beside(path: Path, content: bytes) -> Path:
    """Write a new file in the same directory and flush it to disk; the caller renames it.

    Its mode is 0600, or owner, group and mode of the present file (an operator may have made that
    readable for the worker's group).
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if path.exists():
                before = path.stat()
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & 0o640)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    return written


def flush_directory(directory: Path) -> None:
    """Flush the directory to disk, so that a rename in it survives a crash of the machine."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
