"""The states of a proposal and of an incident, and every allowed move between them.

The SQL guards read the edges from a table that `migrate` fills from here (declarations.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Login(StrEnum):
    """The database logins that may move a state."""

    WEB = "hitl_web"
    WORKER = "hitl_worker"


class ProposalState(StrEnum):
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    EXECUTING = "executing"
    WAITING = "waiting"  # between two steps, for a person or a condition; holds its targets
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # nothing was changed
    STOPPED = "stopped"  # part of the plan is applied, confirmed or not, and stays
    ROLLED_BACK = "rolled_back"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    REFUSED = "refused"


class IncidentState(StrEnum):
    OPEN = "open"
    CONTAINED = "contained"
    CLOSED = "closed"


class CloseReason(StrEnum):
    """Why a person closed an incident."""

    CONTAINED = "contained"
    FALSE_POSITIVE = "false_positive"
    ACCEPTED = "accepted"
    HANDLED_OUTSIDE = "handled_outside"


_S = ProposalState
_WEB = frozenset({Login.WEB})
_WORKER = frozenset({Login.WORKER})
_BOTH = _WEB | _WORKER

EDGES: Mapping[tuple[ProposalState, ProposalState], frozenset[Login]] = MappingProxyType(
    {
        # Only the worker assesses, and each assessment opens a round.
        (_S.SUBMITTED, _S.IN_REVIEW): _WORKER,
        (_S.IN_REVIEW, _S.IN_REVIEW): _WORKER,
        # The guard lets this through only when the round's reviews fill the ruling's slots.
        (_S.IN_REVIEW, _S.APPROVED): _WEB,
        # A dissent counts only after the worker verified its signature.
        (_S.IN_REVIEW, _S.REJECTED): _WORKER,
        (_S.IN_REVIEW, _S.RETURNED): _WORKER,
        # Ending a proposal early changes no target, so the web process may do it, too.
        (_S.SUBMITTED, _S.WITHDRAWN): _WEB,
        (_S.IN_REVIEW, _S.WITHDRAWN): _WEB,
        (_S.APPROVED, _S.WITHDRAWN): _WEB,
        (_S.SUBMITTED, _S.SUPERSEDED): _BOTH,
        (_S.IN_REVIEW, _S.SUPERSEDED): _BOTH,
        (_S.APPROVED, _S.SUPERSEDED): _WEB,
        (_S.SUBMITTED, _S.EXPIRED): _WORKER,
        (_S.IN_REVIEW, _S.EXPIRED): _WORKER,
        (_S.APPROVED, _S.EXPIRED): _WORKER,
        # The gate's outcomes.
        (_S.APPROVED, _S.EXECUTING): _WORKER,
        (_S.APPROVED, _S.IN_REVIEW): _WORKER,
        (_S.APPROVED, _S.REFUSED): _WORKER,
        (_S.EXECUTING, _S.SUCCEEDED): _WORKER,
        (_S.EXECUTING, _S.FAILED): _WORKER,
        (_S.EXECUTING, _S.STOPPED): _WORKER,
        (_S.EXECUTING, _S.UNKNOWN): _WORKER,
        # Between two steps, or after the last one.
        (_S.EXECUTING, _S.WAITING): _WORKER,
        (_S.WAITING, _S.EXECUTING): _WORKER,
        (_S.WAITING, _S.SUCCEEDED): _WORKER,
        (_S.WAITING, _S.STOPPED): _WORKER,
        # Settled by reading the target, never by trying again.
        (_S.UNKNOWN, _S.SUCCEEDED): _WORKER,
        (_S.UNKNOWN, _S.FAILED): _WORKER,
        (_S.UNKNOWN, _S.STOPPED): _WORKER,
        # Only as a person's verified signature asks; the guard looks for it.
        (_S.EXECUTING, _S.ROLLED_BACK): _WORKER,
        (_S.WAITING, _S.ROLLED_BACK): _WORKER,
        (_S.UNKNOWN, _S.ROLLED_BACK): _WORKER,
        (_S.STOPPED, _S.ROLLED_BACK): _WORKER,
    }
)

_I = IncidentState

INCIDENT_EDGES: Mapping[tuple[IncidentState, IncidentState], frozenset[Login]] = MappingProxyType(
    {
        # By the worker after a run, or by a person who confirms a look of the worker. The guard
        # asks for the run or the look.
        (_I.OPEN, _I.CONTAINED): _BOTH,
        # A look found access again, or a run gave it back.
        (_I.CONTAINED, _I.OPEN): _WORKER,
        # Closing is a person's decision, with a reason.
        (_I.OPEN, _I.CLOSED): _WEB,
        (_I.CONTAINED, _I.CLOSED): _WEB,
    }
)

FINAL: frozenset[ProposalState] = frozenset(ProposalState) - {old for old, _ in EDGES}
INCIDENT_FINAL: frozenset[IncidentState] = frozenset(IncidentState) - {
    old for old, _ in INCIDENT_EDGES
}


def may_move(old: ProposalState, new: ProposalState, login: Login) -> bool:
    """Say whether this login may make this move."""
    return login in EDGES.get((old, new), frozenset())


def may_move_incident(old: IncidentState, new: IncidentState, login: Login) -> bool:
    """Say whether this login may make this move of an incident."""
    return login in INCIDENT_EDGES.get((old, new), frozenset())
