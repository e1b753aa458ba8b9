"""End the alternatives of a choice that can no longer be approved, as the worker.

One was approved, or people returned one because none of them fits: one signature speaks for all of
the choice, and the worker verified it. To end the others takes no effect and gives no access. They
are superseded by rule, and the record names the proposal that decided.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from remediation.domain.errors import WrongState
from remediation.domain.events import Event
from remediation.domain.statement import NONE_OF_THEM
from remediation.domain.states import ProposalState
from remediation.services import transition
from remediation.services.actors import Actor

logger = logging.getLogger(__name__)

# Why an alternative ends: the reasons of its transition.
TAKEN, DECLINED = "alternative_approved", NONE_OF_THEM

# What is open beside a decided alternative. An approved one is never ended: its quorum was complete
# before anybody could decline.
_OPEN = """
SELECT p.id, p.state, remediation.taken_v1(p.choice_id, p.alternative),
       (SELECT o.id FROM public.remediation_proposal o
          JOIN public.remediation_transition t ON t.proposal_id = o.id
         WHERE o.choice_id = p.choice_id AND o.alternative <> p.alternative
           AND (t.to_state = 'approved' OR (t.to_state = 'returned' AND t.reason = 'none_of_them'))
         ORDER BY t.to_state = 'approved' DESC, t.id LIMIT 1)
  FROM public.remediation_proposal p
 WHERE p.choice_id IS NOT NULL AND p.state IN ('submitted', 'in_review')
   AND (remediation.taken_v1(p.choice_id, p.alternative)
        OR remediation.declined_v1(p.choice_id, p.alternative))
 LIMIT 1000
"""


def end_alternatives(*, actor: Actor) -> int:
    """Supersede what is open in decided choices; return how many.

    Each in a transaction of its own. A crash leaves the rest open; the next call finds it. Until
    then the guard refuses their approval.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OPEN)
        rows = cursor.fetchall()
    return sum(_end(pk, state, taken, by, actor) for pk, state, taken, by in rows)


def _end(proposal_id: UUID, state: str, taken: bool, by: UUID, actor: Actor) -> bool:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1s'")
            transition.move(
                actor=actor,
                event=Event.WORKER_PROPOSAL_SUPERSEDED,
                proposal_id=proposal_id,
                source=ProposalState(state),
                target=ProposalState.SUPERSEDED,
                reason=TAKEN if taken else DECLINED,
                data={"by": str(by)},
            )
    except (WrongState, DatabaseError) as error:
        logger.info("%s was not superseded: %s", proposal_id, error)
        return False
    return True
