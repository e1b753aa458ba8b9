"""Record in the caller's transaction that people are to be told something; the worker delivers it.

The row is committed with the fact that it is about, so no crash loses it. `deliver` sends it by
each person's channels; a message to the broker only makes that quicker.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from uuid import UUID

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from remediation.domain.telling import MAX_ONCE, MAX_TEXT, Kind
from remediation.models import Incident, Proposal, Telling

logger = logging.getLogger(__name__)

TASK = "remediation.tell"


def tell(
    kind: Kind,
    *,
    people: Collection[UUID],
    once: str,
    text: str = "",
    proposal: Proposal | UUID | None = None,
    incident: Incident | UUID | None = None,
) -> None:
    """Have these people told, each of them once for this ``once`` key.

    Call it with the web's or the worker's login, in the transaction of the fact. ``text`` is short
    and in the portal's words; what it quotes from people or agents is made inert on its way out.
    """
    if len(once) > MAX_ONCE:
        raise ValueError(f"the key is longer than {MAX_ONCE} characters: {once[:40]}…")
    rows = [
        Telling(
            kind=Kind(kind).value,
            once=once,
            person=person,
            proposal_id=_key(proposal),
            incident_id=_key(incident),
            text=text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 2] + " …",
        )
        for person in sorted(set(people))
    ]
    if rows:
        # Whoever was told already keeps the first row; two callers at once do not fail.
        Telling.objects.bulk_create(rows, ignore_conflicts=True)
        transaction.on_commit(wake, robust=True)


def wake() -> bool:
    """Ask for a delivery now; without a broker the sweep by beat comes some seconds later."""
    try:
        current_app.send_task(TASK, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("broker did not take a message to deliver: %s", error)
        return False
    return True


def _key(row: Proposal | Incident | UUID | None) -> UUID | None:
    return row if row is None or isinstance(row, UUID) else row.pk
