"""Take due work from the outbox. A message of the broker only says that there may be some.

A proposal's state decides what is due, and the service that works on it compares and sets that
state. So two workers that take the same row do its work once. The mark in the cache only keeps them
apart, for as long as the work runs, so that the second one goes on with the next row. Without the
cache both try, and one of them finds that the proposal has moved.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from django.conf import settings

from remediation.domain.errors import Refused
from remediation.services.outbox import dispatch
from remediation.services.outbox.mark import Mark

logger = logging.getLogger(__name__)

# After so long a message begins nothing more: the task has a time limit. What is left has a message
# of its own, or gets one.
TURN_S = 2.0


def take(*kinds: str, work: Callable[[UUID], object]) -> int:
    """Work on what is due of these kinds, the oldest first; return how many rows were tried.

    What fails stays due, and does not keep the others from their turn.
    """
    end, tried = time.monotonic() + TURN_S, 0
    for row in dispatch.due(kinds, 0.0, settings.ENVIRONMENTS):
        mark = Mark(f"swept:took:{row.kind}:{row.newest}")
        if not mark.take():
            continue
        tried += 1
        with mark.renewed():
            _try(row, work)
        # A second less than the sweeper's pause, so that its next message finds the row free.
        mark.write(row.pause - 1)
        if time.monotonic() > end:
            break
    return tried


def _try(row: dispatch.Due, work: Callable[[UUID], object]) -> None:
    try:
        work(row.proposal_id)
    except Refused as error:
        logger.info("%s %s stays as it is: %s", row.kind, row.proposal_id, error)
    except Exception:
        logger.exception("%s %s failed, and is tried again", row.kind, row.proposal_id)
