"""The directories, links and files of a place in a store of files; file.py has the picture."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from remediation.domain.store_place import is_version_name
from remediation.executors.errors import NotApplied
from remediation.executors.secret import SecretValue

CURRENT, STAGED, PREVIOUS, VERSIONS = "current", "staged", "previous", "versions"
FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
MAX_VALUE = 256 * 1024


def target_of(link: Path) -> str:
    """Return the name of the directory that a link names; "" if there is no link."""
    try:
        return Path(os.readlink(link)).name
    except FileNotFoundError:
        return ""


def version_of(directory: str) -> str:
    """Return the version in a directory's name: without the random part, if it is ours."""
    version, _, _ = directory.partition(".")
    return version if is_version_name(version) else directory


def version_at(link: Path) -> str:
    return version_of(target_of(link))


def link_of(place: Path, version: str) -> Path | None:
    links = (place / name for name in (CURRENT, STAGED, PREVIOUS))
    return next((link for link in links if version_at(link) == version), None)


def note_of(link: Path, name: str) -> str:
    try:
        return (link / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def read_value(link: Path) -> SecretValue:
    """Return the value that a link names; one without fields if there is none."""
    if not link.is_dir():
        return SecretValue({})
    return SecretValue(
        {each.name: read_quietly(each) for each in link.iterdir() if FIELD.match(each.name)}
    )


def read_quietly(path: Path) -> str:
    """Read a file without moving its time of access, which tells whether a consumer read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME)
    except PermissionError:  # not the owner of the file
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="utf-8", newline="") as file:
        text = file.read(MAX_VALUE + 1)
    if len(text) > MAX_VALUE:
        raise NotApplied(f"{path.name} is too large for a credential")
    return text


def fetched_at(place: Path) -> datetime | None:
    """Return when a file of the promoted version was last read after it was promoted.

    None also where the file system keeps no times of access (noatime); `relatime` keeps the first.
    """
    with contextlib.suppress(FileNotFoundError):
        promoted = (place / CURRENT).lstat().st_mtime
        directory = place / CURRENT
        times = [each.stat().st_atime for each in directory.iterdir() if FIELD.match(each.name)]
        last = max(times, default=0.0)
        return datetime.fromtimestamp(last, UTC) if last > promoted else None
    return None


def write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), stat.S_IMODE(mode))
        os.fsync(file.fileno())


def point(link: Path, version: str) -> None:
    """Let a link name another version, in one step."""
    draft = link.with_name(f".{link.name}.{uuid4().hex}")
    draft.symlink_to(Path(VERSIONS) / version)
    draft.replace(link)


def sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
