"""Read the files that an operator names: regular files of limited size, no links or devices."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from remediation.domain.errors import BadValue, TooLarge
from remediation.domain.intake.documents import MAX_FILE
from remediation.domain.intake.reading import MAX_FILES, MAX_TOTAL, File


def collect(paths: Sequence[str], suffixes: tuple[str, ...]) -> list[File]:
    """Read the files at these paths; in a directory all files with one of the suffixes, sorted.

    Links are not followed. Raises BadValue or TooLarge.
    """
    files, total = [], 0
    for path in _expanded(paths, suffixes):
        content = _read(path)
        total += len(content)
        files.append(File(str(path), content))
        if len(files) > MAX_FILES:
            raise BadValue(f"more than {MAX_FILES:,} files")
        if total > MAX_TOTAL:
            raise TooLarge(f"more than {MAX_TOTAL // 2**20} MiB together")
    return files


def _expanded(paths: Sequence[str], suffixes: tuple[str, ...]) -> Iterator[Path]:
    for given in paths:
        path = Path(given)
        if path.is_symlink() or not path.is_dir():
            yield path
            continue
        for directory, folders, names in os.walk(path, followlinks=False):
            folders.sort()
            yield from (
                Path(directory, name)
                for name in sorted(names)
                if name.endswith(suffixes) and not Path(directory, name).is_symlink()
            )


def _read(path: Path) -> bytes:
    try:
        # NONBLOCK: opening a pipe without a writer would wait for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        link = " (links are not followed)" if path.is_symlink() else ""
        raise BadValue(f"{path}: {reason}{link}") from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadValue(f"{path}: not a regular file")
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise TooLarge(f"{path}: more than {MAX_FILE // 2**20} MiB")
    return content
