"""Copy a project for one run, and make the digest of exactly what was copied.

The run reads the copy, so nobody changes a file between the digest and the run. What would lead out
of the directory, or would change something in check mode, is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from remediation.executors.libraries import ANSIBLE

MOST_FILES, MOST_BYTES, MOST_DEPTH = 2_000, 16 * 1024 * 1024, 20
# PyYAML needs many seconds for a megabyte, and no deadline holds while a project is copied.
MOST_YAML = 512 * 1024
PREFIX, LEFT_OVER_AFTER_S = "hitlportal-ansible-", 3600
# Not read by a run, and not copied.
LEFT_OUT = frozenset({".git", "__pycache__"})
YAML = frozenset({".yml", ".yaml", ".json"})
VAULT = b"$ANSIBLE_VAULT;"
# Vaulted files are variables: a vaulted file of tasks could not be looked through.
VARIABLES = frozenset({"group_vars", "host_vars", "vars", "defaults"})
_SAID = re.compile(rb"(?<![A-Za-z0-9_])check_mode[\"']?\s*[:=]")


class ProjectRefused(Exception):
    """The project cannot be used. The message has nothing of a file's content."""


def copy(directory: Path, to: Path) -> str:
    """Copy the project into an empty directory, and return its digest. Raises ProjectRefused."""
    try:
        released = version("ansible-core")
    except PackageNotFoundError:
        raise ProjectRefused(ANSIBLE.missing) from None
    whole = hashlib.sha256(f"ansible-core {released}\0".encode())
    files = size = parsed = 0
    try:
        for path, raw, mode in _files(directory, ""):
            files, size = files + 1, size + len(raw)
            if files > MOST_FILES or size > MOST_BYTES:
                raise ProjectRefused("the project is too large")
            parsed += len(raw) if _needs_a_look(path, raw) else 0
            if parsed > MOST_YAML:
                raise ProjectRefused(f"{path[:200]}: too much YAML to look through for check_mode")
            _refuse_unchecked(path, raw)
            # Each part has a fixed length or an end, so that no two projects are written alike.
            whole.update(f"{path}\0{mode:o}\0".encode() + hashlib.sha256(raw).digest())
            place = to / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(raw)
            place.chmod(0o700 if mode else 0o600)
    except (OSError, UnicodeError) as error:
        raise ProjectRefused(f"the project cannot be read: {type(error).__name__}") from error
    return whole.hexdigest()


def _files(directory: Path, below: str, depth: int = 0) -> Iterator[tuple[str, bytes, int]]:
    """Yield path, content and whether it may be executed, in order of the names."""
    if depth > MOST_DEPTH:
        raise ProjectRefused("the project's directories are too deep")
    with os.scandir(directory) as entries:
        found = sorted(one.name for one in entries if one.name not in LEFT_OUT)
    for name in found:
        path, shown = directory / name, f"{below}{name}"
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            yield from _files(path, f"{shown}/", depth + 1)
        elif stat.S_ISREG(mode):
            yield shown, _read(path, shown), int(bool(mode & 0o100))
        else:
            raise ProjectRefused(f"{shown[:200]} is a link or no regular file")


def _read(path: Path, shown: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ProjectRefused(f"{shown[:200]} is no regular file")
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ProjectRefused("the project is too large")
    return raw


def _refuse_unchecked(path: str, raw: bytes) -> None:
    """Refuse what says check_mode: such a task can write while it is only tried."""
    if raw.startswith(VAULT):
        if not VARIABLES & {*Path(path).parts[:-1]}:
            raise ProjectRefused(f"{path[:200]} is vaulted and not in a directory of variables")
        return
    said = bool(_SAID.search(raw))
    if _needs_a_look(path, raw) and not said:
        try:
            said = any(_says(node) for node in yaml.compose_all(raw, yaml.SafeLoader))
        except (yaml.YAMLError, RecursionError, UnicodeError):
            raise ProjectRefused(f"{path[:200]} is not YAML that can be looked through") from None
    if said:
        raise ProjectRefused(
            f"{path[:200]} sets check_mode: such a task can change something while it is only tried"
        )


def _needs_a_look(path: str, raw: bytes) -> bool:
    """Return whether YAML could have the key: it needs the word, or an escape that hides it."""
    return Path(path).suffix in YAML and (b"\\" in raw or b"check_mode" in raw)


def _says(node: yaml.Node | None) -> bool:
    """Return whether a mapping has the key; an alias is a node that was looked at already."""
    seen, left = set[int](), [node]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.MappingNode):
            for key, value in one.value:
                if getattr(key, "value", None) == "check_mode":
                    return True
                left += [key, value]
        elif isinstance(one, yaml.SequenceNode):
            left += one.value
    return False


def remove_left_over() -> None:
    """Remove copies and logins of a worker that was killed. No run takes so long."""
    until = time.time() - LEFT_OVER_AFTER_S
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            if own and found.st_mtime < until:
                shutil.rmtree(path, ignore_errors=True)
