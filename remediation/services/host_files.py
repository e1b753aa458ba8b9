"""Read the worker's host files: the targets file and the approvers file.

Each call looks at the file again, so that a change needs no restart; it parses the file again
unless the file certainly did not change (`_Kept`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from django.conf import settings
from django.db import connection

from remediation.domain.errors import PolicyUnavailable, Refused, TargetUnobservable
from remediation.domain.gate.approvers import Approvers
from remediation.domain.plan import Plan
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from remediation.services import approvers_file

# The clock of a file system ticks every few milliseconds, on some only every two seconds: two
# changes within a tick look like one. So a parsed file is kept only if its last change was longer
# ago than that when it was opened.
AT_REST_S = 3.0

Parsed = TypeVar("Parsed")


class _Kept(Generic[Parsed]):
    """A cache of one parsed file, valid while the file is the same.

    The same means: path, device, inode, size, mtime and ctime (which nobody can set back). When
    `parse` raises, nothing is kept.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], Parsed] | None = None

    def get(self, path: Path, parse: Callable[[], Parsed], *settings_: object) -> Parsed:
        """Return the parsed file. Raises OSError, and what `parse` raises."""
        found = path.stat()
        stamp = (
            *(path, settings_, found.st_dev, found.st_ino, found.st_size),
            *(found.st_mtime_ns, found.st_ctime_ns),
        )
        kept = self._kept
        if kept is not None and kept[0] == stamp:
            return kept[1]
        self._kept = None
        rests = time.time() - max(found.st_mtime, found.st_ctime) > AT_REST_S
        parsed = parse()  # if the file changed since the stamp, the next stamp differs
        if rests:
            self._kept = (stamp, parsed)
        return parsed


_targets: _Kept[Targets] = _Kept()
_approvers: _Kept[Approvers] = _Kept()


@cache
def portal_system_identifier() -> int:
    """Return the system identifier of the portal's own cluster: no target may lie in it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        return int(cursor.fetchone()[0])


def targets() -> Targets:
    """Return the present targets file. It holds no credentials, it names the files that do.

    Raises TargetUnobservable when it cannot be read.
    """
    if not settings.TARGETS_FILE:
        raise TargetUnobservable("this worker has no targets file (HITL_TARGETS_FILE)")
    path, protected = Path(settings.TARGETS_FILE), settings.PROTECTED_CLUSTERS

    def parse() -> Targets:
        return Targets.load(
            path,
            portal_system_identifier=portal_system_identifier(),
            protected_clusters=protected,
        )

    try:
        return _targets.get(path, parse, protected)
    except OSError as error:
        raise TargetUnobservable(f"targets file: {error.strerror}") from error
    except TargetsFileInvalid as error:
        raise TargetUnobservable(str(error)) from error


def environments(plan: Plan) -> tuple[str, ...]:
    """Return the environments that the targets file gives the plan's targets.

    They are a lower bound for the inventory, which the web process can write. Empty when the file
    names none or cannot be read; without the file nothing is observed and nothing runs.
    """
    try:
        file = targets()
    except TargetUnobservable:
        return ()
    found = (file.environment(target) for target in plan.targets)
    return tuple(sorted({environment for environment in found if environment}))


def approvers() -> Approvers:
    """Return the present approvers file. Raises PolicyUnavailable when it is missing or invalid."""
    if not settings.APPROVERS_FILE:
        raise PolicyUnavailable("this worker has no approvers file (HITL_APPROVERS_FILE)")
    path = Path(settings.APPROVERS_FILE)
    try:
        return _approvers.get(path, lambda: approvers_file.load(path))
    except OSError as error:
        raise PolicyUnavailable(f"approvers file: {error.strerror}") from error
    except Refused as error:
        raise PolicyUnavailable(f"approvers file: {error}") from error
