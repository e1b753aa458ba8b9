"""The kinds of thing that people are told, and the words for each.

To add a kind: one member here and its entry in `KINDS`; then call `services/outbox/tell.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MAX_TEXT = 4000
MAX_ONCE = 200


class Kind(StrEnum):
    """What a message is about; the value is recorded."""

    ROUND_OPENED = "round_opened"
    TIME_PASSES = "time_passes"
    OVERDUE = "overdue"
    RESULT = "result"
    STILL_OPEN = "still_open"
    NOT_STARTED = "not_started"
    RUN_ASKS = "run_asks"
    WAIT_OVERDUE = "wait_overdue"
    WAIT_UNPLANNED = "wait_unplanned"
    LATE_RESULT = "late_result"
    HALT_REFUSED = "halt_refused"
    UNKNOWN_KEY = "unknown_key"
    NOBODY_CAN_DECIDE = "nobody_can_decide"
    INCIDENT_REOPENED = "incident_reopened"
    INCIDENT_UNREAD = "incident_unread"
    NEEDS_A_PLAN = "needs_a_plan"
    QUESTION = "question"
    ANSWER = "answer"
    ASSIGNMENT = "assignment"
    UNASSIGNED = "unassigned"
    PLAN_OVERDUE = "plan_overdue"
    HOW_IT_WENT = "how_it_went"
    SECRET_IN_FORCE = "secret_in_force"  # noqa: S105  a kind
    CHANNEL_FAILING = "channel_failing"


@dataclass(frozen=True)
class About:
    """The words of a kind, and the page that its message leads to."""

    # On the settings page: "Tell me when …".
    choice: str
    # In the subject, after risk, time and target.
    subject: str
    # The first sentence; a telling's own text stands below it, or alone where this is empty.
    text: str = ""
    page: str = "review"
    # Only while people can still decide: a message that comes too late is not sent.
    to_decide: bool = False
    # Nobody can switch it off: silence here would hide an exposure or an attack.
    always: bool = False
    # A telling of the web process is believed; what the worker alone can know is not.
    by_web: bool = False


KINDS: Mapping[Kind, About] = MappingProxyType(
    {
        Kind.ROUND_OPENED: About(
            "a proposal waits for your decision",
            "waits for your decision",
            "A proposal is waiting for your decision.",
            to_decide=True,
        ),
        Kind.TIME_PASSES: About(
            "half, and four fifths, of the time to decide have passed",
            "still waits for your decision",
            to_decide=True,
        ),
        Kind.OVERDUE: About(
            "a proposal expired without a decision",
            "expired without a decision",
            "Nobody decided in time, so the proposal expired. Nothing was executed, and the"
            " incident is still open.",
            page="incident",
            always=True,
        ),
        Kind.RESULT: About(
            "a proposal that you decided, or could have decided, has a result",
            "",
            page="result",
        ),
        Kind.STILL_OPEN: About(
            "a stopped or unknown run still waits for people, once a day", "", page="result"
        ),
        Kind.NOT_STARTED: About(
            "an approved proposal does not start",
            "approved, and does not start",
            page="run",
            always=True,
        ),
        Kind.RUN_ASKS: About(
            "a run waits for a person's verdict",
            "waits for your answer",
            "A run waits between two steps until a person lets it go on.",
            page="result",
        ),
        Kind.WAIT_OVERDUE: About(
            "the time of a run that waits has passed",
            "has waited too long",
            page="result",
            always=True,
        ),
        Kind.WAIT_UNPLANNED: About(
            "a run that waits sees something that nobody planned",
            "waits, and something unplanned was seen",
            page="result",
            always=True,
        ),
        Kind.LATE_RESULT: About(
            "a worker reported a result too late", "a result came too late", page="result"
        ),
        Kind.HALT_REFUSED: About(
            "a halt or a settlement of a run was refused",
            "a signature about the run was refused",
            page="result",
            always=True,
        ),
        Kind.UNKNOWN_KEY: About(
            "an approval was signed by a key that may not approve",
            "an approval does not count",
            page="proposal_history",
            always=True,
        ),
        Kind.NOBODY_CAN_DECIDE: About(
            "nobody who could decide a proposal is left",
            "nobody can decide this",
            to_decide=True,
            always=True,
        ),
        Kind.INCIDENT_REOPENED: About(
            "a contained incident is open again",
            "open again: access was found",
            "This incident was contained and is open again: its identity has access.",
            page="incident",
            always=True,
        ),
        Kind.INCIDENT_UNREAD: About(
            "the worker cannot see whether an incident is still contained",
            "cannot be looked at",
            page="incident",
            always=True,
        ),
        Kind.NEEDS_A_PLAN: About(
            "an incident needs a plan",
            "needs a plan",
            "Nobody has proposed what to do about this incident.",
            page="incident",
            by_web=True,
        ),
        Kind.SECRET_IN_FORCE: About(
            "a leaked secret of an incident is still in force",
            "the leaked secret is still in force",
            "The worker compared a secret in the evidence of this incident with the one in force on"
            " its identity: they are the same. Whoever has read it can use it now.",
            page="incident",
            always=True,
        ),
        Kind.QUESTION: About(
            "somebody asks or mentions you",
            "a question for you",
            page="about",
            by_web=True,
        ),
        Kind.ANSWER: About(
            "somebody whom you asked has written",
            "somebody whom you asked has written",
            page="about",
            by_web=True,
        ),
        Kind.UNASSIGNED: About(
            "an incident that you had is not yours any more",
            "is not yours any more",
            page="about",
            by_web=True,
        ),
        Kind.PLAN_OVERDUE: About(
            "an incident has no plan after its time for one",
            "still needs a plan",
            "The time to propose what to do about this incident has passed, and it is open.",
            page="incident",
            always=True,
        ),
        Kind.ASSIGNMENT: About(
            "an incident is assigned to you",
            "is assigned to you",
            "This incident is assigned to you.",
            page="about",
            by_web=True,
        ),
        Kind.HOW_IT_WENT: About(
            "an incident that you decided about has ended: how did it turn out?",
            "how did it turn out?",
            page="about",
            by_web=True,
        ),
        Kind.CHANNEL_FAILING: About(
            "a channel for notifications fails",
            "a channel for notifications fails",
            page="settings",
        ),
    }
)
