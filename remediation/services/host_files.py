"""What only the worker's host has: the targets file, the approvers file, the portal's identity.

Both files are looked at anew each time, so that a change needs no restart; they are parsed anew
unless they are certainly the same as the last time (`_Kept`).
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

# A file system stamps changes by a clock that ticks every few milliseconds (on some every two
# seconds): two changes within a tick look like one. What was parsed is kept only if the file had
# been at rest for longer than that when it was opened.
AT_REST_S = 3.0

Parsed = TypeVar("Parsed")


class _Kept(Generic[Parsed]):
    """What the last reading of a file gave, for as long as the file is the same.

    The same: path, device, inode, size, and the times of the last change of its bytes and of its
    entry (nobody sets that one back). `parse` raises for what it cannot read; that is not kept.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], Parsed] | None = None

    def get(self, path: Path, parse: Callable[[], Parsed], *settings_: object) -> Parsed:
        """The parsed file. Raises OSError when it is not there, and what `parse` raises."""
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
        parsed = parse()  # of a file changed since the stamp: another stamp next time
        if rests:
            self._kept = (stamp, parsed)
        return parsed


_targets: _Kept[Targets] = _Kept()
_approvers: _Kept[Approvers] = _Kept()


@cache
def portal_system_identifier() -> int:
    """Which cluster the portal's own database lies in: no target may lie there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        return int(cursor.fetchone()[0])


def targets() -> Targets:
    """The targets file as it is now; credentials are not in it, but in files that it names.

    Raises TargetUnobservable when it cannot be read: without it nothing can be observed.
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
    """What the targets file says the plan's targets are: a floor under the inventory, which the
    web process writes. Empty when the file says nothing or cannot be read; then nothing is
    observed either, and nothing runs."""
    try:
        file = targets()
    except TargetUnobservable:
        return ()
    found = (file.environment(target) for target in plan.targets)
    return tuple(sorted({environment for environment in found if environment}))


def approvers() -> Approvers:
    """The approvers file as it is now. Raises PolicyUnavailable when it is missing or in doubt."""
    if not settings.APPROVERS_FILE:
        raise PolicyUnavailable("this worker has no approvers file (HITL_APPROVERS_FILE)")
    path = Path(settings.APPROVERS_FILE)
    try:
        return _approvers.get(path, lambda: approvers_file.load(path))
    except OSError as error:
        raise PolicyUnavailable(f"approvers file: {error.strerror}") from error
    except Refused as error:
        raise PolicyUnavailable(f"approvers file: {error}") from error
