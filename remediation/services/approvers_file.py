"""The approvers file on disk: read whole or not at all, replaced by a rename.

A reader finds the old file or the new one, never half of either.
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

# Anybody who writes this file approves: not even the group may.
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def load(path: Path) -> Approvers:
    """Read the file. Raises PolicyUnavailable when it is missing, open to others or in doubt."""
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
    """The file's content, while no other operator changes it. A missing file is an empty one."""
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
    """A new file in the same directory, on disk before it is renamed; 0600, or what an operator
    chose for the one before (such as: readable for the worker's group)."""
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
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
