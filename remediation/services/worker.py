"""What only the worker's host has: the targets file, the approvers file, the portal's identity."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from remediation.domain.approvers import Approvers
from remediation.domain.errors import PolicyUnavailable, Refused, TargetUnobservable
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets


@cache
def portal_system_identifier() -> int:
    """Which cluster the portal's own database lies in: no target may lie there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        return int(cursor.fetchone()[0])


def targets() -> Targets:
    """The targets file, read anew each time, so that a change needs no restart.

    Raises TargetUnobservable when it cannot be read: without it nothing can be observed.
    """
    if not settings.TARGETS_FILE:
        raise TargetUnobservable("this worker has no targets file (HITL_TARGETS_FILE)")
    try:
        return Targets.load(
            Path(settings.TARGETS_FILE),
            portal_system_identifier=portal_system_identifier(),
            protected_clusters=settings.PROTECTED_CLUSTERS,
        )
    except TargetsFileInvalid as error:
        raise TargetUnobservable(str(error)) from error


def approvers() -> Approvers:
    """The approvers file. Raises PolicyUnavailable when it is missing or in doubt."""
    if not settings.APPROVERS_FILE:
        raise PolicyUnavailable("this worker has no approvers file (HITL_APPROVERS_FILE)")
    try:
        return Approvers.parse(Path(settings.APPROVERS_FILE).read_bytes())
    except OSError as error:
        raise PolicyUnavailable(f"approvers file: {error.strerror}") from error
    except Refused as error:
        raise PolicyUnavailable(f"approvers file: {error}") from error
