"""What the worker last saw of a round: at its assessment, or at an equal look that kept it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from remediation.models import Assessment, Proposal, SeenAgain


def is_asked(proposal: Proposal) -> bool:
    """Return whether a person asked for another look in this round, and nothing answered yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.look_asked_v1(%s, %s)", [proposal.pk, proposal.round])
        return bool(cursor.fetchone()[0])


def newest(assessment: Assessment) -> SeenAgain | None:
    """Return the newest equal look of the assessment's round; asks only if there can be one."""
    if assessment.look == 0:
        return None
    rows = SeenAgain.objects.filter(proposal=assessment.proposal_id, round=assessment.round)
    return rows.order_by("-pk").first()


def mark(assessment: Assessment) -> int:
    """Return by what a page knows that its shown fields are those of the newest look."""
    if assessment.look is not None:
        return assessment.look
    again = newest(assessment)
    return again.pk if again else 0


def seen_at(assessment: Assessment) -> datetime:
    """Return when the worker last saw what is under review. The same rule as `seen_at_v1`."""
    again = newest(assessment)
    return max(assessment.recorded_at, again.recorded_at) if again else assessment.recorded_at


def is_fresh(assessment: Assessment, now: datetime, life: timedelta) -> bool:
    """Return whether what is under review was seen so recently; asks only if it must."""
    return now < assessment.recorded_at + life or now < seen_at(assessment) + life


def observation(assessment: Assessment) -> bytes:
    """Return what it then saw: pinned fields are equal, fields that are only shown may differ."""
    again = newest(assessment)
    return bytes(again.observation if again else assessment.observation)
