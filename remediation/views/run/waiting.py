"""Build what the page of a run says while it waits: for whom or what, what was seen, until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.conditions import Consumer, ConsumerSeen, Name, Sighting, Use
from remediation.domain.errors import GATE_REASONS
from remediation.domain.gate.waited import consumers_of
from remediation.domain.plan import Plan
from remediation.domain.scope import ScopeConsumer
from remediation.domain.states import ProposalState
from remediation.domain.waits import Condition
from remediation.models import Proposal, User, Wait, WaitLook
from remediation.services.access import authorize, visibility
from remediation.services.execution import waits
from remediation.views.cards.plan_waits import every, known_consumers, listed, strictest
from remediation.views.run.unmet import is_too_short, unmet_words, utc


@dataclass(frozen=True)
class ConsumerRow:
    """One consumer, and how far it was seen to come."""

    service: str
    takes_by: str
    period_s: int
    use: Use
    last_old: datetime | None
    last_new: datetime | None
    mixed: bool  # it used the old one again after the new one
    nameless: bool  # the inventory does not say how records show it
    detail_untrusted: str

    @property
    def every(self) -> str:
        return every(self.period_s)

    @property
    def moved(self) -> bool:
        return self.use is Use.MOVED and not self.mixed


@dataclass(frozen=True)
class WaitCard:
    """The wait in which a run is, as people see it."""

    number: int  # of the step before the wait
    total: int
    done: str  # what that step did
    following: str  # what the next step does; empty after the last one
    since: datetime
    deadline: datetime
    overdue: bool
    stops_at: datetime  # nobody answered until then: it stops and keeps
    person: bool
    asks: bool  # it waits for a person's answer now
    stopped_at: datetime | None  # it waits no more; the card has what was seen until then
    too_short: bool  # its conditions cannot be met before the deadline
    title: str
    unmet: tuple[str, ...]  # in words
    why: tuple[str, ...]  # of these, what the title does not say
    unmet_names: tuple[str, ...]  # what a person who goes on signs
    consumers: tuple[ConsumerRow, ...] = ()
    others_untrusted: tuple[str, ...] = ()
    looked_at: datetime | None = None
    looks: bool = False  # it waits for conditions, so the worker looks
    step: int = 0
    seen: str = ""  # the digest of what is shown, for an answer
    may_answer: bool = False
    may_go_on: bool = False

    @property
    def met(self) -> bool:
        return not self.unmet_names


# The times by which a person can make a wait longer.
LONGER = (30 * 60, 2 * 3600, 8 * 3600, 24 * 3600, 7 * 24 * 3600)


def wait_card(user: User, proposal: Proposal, plan: Plan | None) -> WaitCard | None:
    """Return the wait of a run that waits, or that stopped while it waited; None for others.

    Reads only.
    """
    stopped_at = _stopped_at(proposal)
    if plan is None or (proposal.state != ProposalState.WAITING and stopped_at is None):
        return None
    wait = waits.newest(proposal)
    if wait is None or wait.step >= len(plan.steps):
        return None
    page, look = waits.shown(wait), wait.looks.order_by("-id").first()
    titled = [str(one["name"]) == "not_moved" for one in look.unmet] if look else []
    known = known_consumers(plan, authorize.newest(proposal))
    conditions = tuple(Condition.from_json(one) for one in wait.conditions)
    rows = _consumers(plan, conditions, known, page.sightings)
    deadline = waits.deadline_of(wait)
    overdue = wait.overdue.filter(deadline=deadline).first()
    unmet = tuple(_unmet_words(look, conditions, plan, known, page.sightings))
    following = plan.steps[wait.step + 1 : wait.step + 2]
    may = visibility.may_halt(user, proposal)
    asks = overdue is not None or (wait.person and not page.unmet)
    return WaitCard(
        number=wait.step + 1,
        total=len(plan.steps),
        done=plan.steps[wait.step].sentence,
        following=following[0].sentence if following else "",
        since=wait.recorded_at,
        deadline=deadline,
        overdue=overdue is not None,
        stops_at=(overdue.recorded_at if overdue else deadline) + waits.grace(wait.within_s),
        person=wait.person,
        asks=asks and stopped_at is None,
        stopped_at=stopped_at,
        too_short=is_too_short(plan, known, page.sightings, deadline),
        title=_title(wait, page.unmet, rows),
        unmet=unmet,
        why=(
            *(text for text, said in zip_longest(unmet, titled) if text and not said),
            *_refused(proposal, wait),
        ),
        unmet_names=page.unmet,
        consumers=rows,
        others_untrusted=tuple(dict.fromkeys(one for s in page.sightings for one in s.others)),
        looked_at=max((one.at for one in page.sightings), default=None),
        looks=bool(conditions),
        step=wait.step,
        seen=page.digest,
        may_answer=may and stopped_at is None,
        may_go_on=may and _may_go_on(user, proposal),
    )


def _stopped_at(proposal: Proposal) -> datetime | None:
    """Return when the run stopped, if it waited then."""
    if proposal.state != ProposalState.STOPPED:
        return None
    move = proposal.transitions.order_by("-id").first()
    waited = move is not None and move.from_state == ProposalState.WAITING
    return move.recorded_at if move is not None and waited else None


def _may_go_on(user: User, proposal: Proposal) -> bool:
    """Return whether the person could fill a slot of this ruling, as the gate asks of `go_on`."""
    assessment = authorize.newest(proposal)
    return assessment is not None and bool(authorize.slots_of(user, assessment))


def _refused(proposal: Proposal, wait: Wait) -> Iterable[str]:
    """Say why the gate did not let it go on, as the worker recorded it last."""
    rows = proposal.refusals.filter(actor__startswith="worker:", recorded_at__gte=wait.recorded_at)
    newest = rows.order_by("id").last()
    if newest is not None and newest.reason in GATE_REASONS:
        yield gettext("The gate did not let it go on at %(at)s: %(why)s") % {
            "at": utc(newest.recorded_at),
            "why": vocabulary.message(GATE_REASONS[newest.reason]),
        }


# ---- consumers -----------------------------------------------------------------------------------


def _consumers(
    plan: Plan,
    conditions: Iterable[Condition],
    known: Sequence[ScopeConsumer],
    sightings: Sequence[Sighting],
) -> tuple[ConsumerRow, ...]:
    about = strictest(
        one for condition in conditions for one in consumers_of(condition, plan.steps, known)
    )
    seen = {one.service: one for sighting in _movers_last(sightings) for one in sighting.consumers}
    rows = [_row(one, seen.get(one.service)) for one in about]
    # Who is missing stands first.
    return tuple(sorted(rows, key=lambda row: (row.moved, row.service)))


def _movers_last(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Order the sightings, so that the one about moving decides what is shown of a consumer."""
    return sorted(sightings, key=lambda one: one.condition == Name.CONSUMERS_MOVED)


def _row(consumer: Consumer, seen: ConsumerSeen | None) -> ConsumerRow:
    last_old, last_new = (seen.last_old, seen.last_new) if seen else (None, None)
    return ConsumerRow(
        service=consumer.service,
        takes_by=consumer.takes_by,
        period_s=consumer.period_s,
        use=seen.use if seen else Use.NOT_SEEN,
        last_old=last_old,
        last_new=last_new,
        mixed=bool(last_old and last_new and last_old > last_new),
        nameless=not consumer.seen_as,
        detail_untrusted=seen.detail if seen else "",
    )


# ---- words ---------------------------------------------------------------------------------------


def _title(wait: Wait, unmet: Sequence[str], rows: Sequence[ConsumerRow]) -> str:
    if not unmet:
        if wait.person:
            return gettext("Waiting for a person to let it go on")
        return gettext("Nothing is missing: it goes on when the gate has checked everything again")
    late = [row.service for row in rows if not row.moved]
    if Name.CONSUMERS_MOVED in unmet and late:
        return gettext("Waiting for %(names)s to use the new credential") % {"names": listed(late)}
    if Name.CONSUMERS_MOVED in unmet:
        return gettext("Waiting for consumers to use the new credential")
    if Name.OLD_QUIET in unmet:
        return gettext("Waiting until nobody uses the old credential")
    return gettext("Waiting for a condition at the target")


def _unmet_words(
    look: WaitLook | None,
    conditions: Sequence[Condition],
    plan: Plan,
    known: Sequence[ScopeConsumer],
    sightings: Sequence[Sighting],
) -> Iterable[str]:
    """Say why each condition is not met, as the newest look found it."""
    if look is None:
        if conditions:
            yield gettext("The worker has not looked yet.")
        return
    for one in look.unmet:
        condition = Condition(str(one["condition"]), int(one["step"]))
        sighting = next(
            (s for s in sightings if (s.condition, s.step) == (condition.name, condition.step)),
            None,
        )
        about = consumers_of(condition, plan.steps, known)
        yield unmet_words(str(one["name"]), str(one["detail"]), sighting, about)
