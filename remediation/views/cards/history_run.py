"""History of a run: its steps, its waits, its halts, and the mails about its proposal."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.containment import OF_PLACES
from remediation.models import (
    Halt,
    HaltVerdict,
    Notice,
    StepRecord,
    Wait,
    WaitLook,
    WaitOverdue,
)
from remediation.views.cards.containment import place_fields
from remediation.views.cards.fields import Field, format_recorded
from remediation.views.cards.history import HistoryRow
from remediation.views.names import Names

# What a person says while a run waits, beside a halt.
_ANSWERS = ("go_on", "longer")


def step_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each phase of each step."""
    found = StepRecord.objects.filter(execution__proposal__in=keys)
    for row in found.annotate(of=F("execution__proposal_id")):
        yield HistoryRow(
            at=row.recorded_at,
            kind="step",
            word=row.phase,
            title=gettext("Step %(number)d: %(phase)s")
            % {"number": row.step + 1, "phase": vocabulary.word(row.phase)},
            actor=gettext("the worker"),
            entry=row.entry,
            fields=(
                *(
                    Field(key, format_recorded(value))
                    for key, value in row.data.items()
                    if key not in OF_PLACES
                ),
                *place_fields(row.data),
            ),
            proposal=row.of,
        )


def wait_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each wait, the looks that found something else than the look before, and its deadline.

    A wait of weeks has a look every ten minutes that found the same; the audit log has them all.
    """
    for row in Wait.objects.filter(execution__proposal__in=keys).annotate(
        of=F("execution__proposal_id")
    ):
        asked = [vocabulary.word(one["condition"]) for one in row.conditions]
        if row.person:
            asked.append(gettext("a person's answer"))
        yield _wait_row(
            row,
            row.of,
            gettext("Waits after step %(number)d for: %(what)s")
            % {"number": row.step + 1, "what": ", ".join(asked)},
        )
    about = {"wait__execution__proposal__in": keys}
    looks = WaitLook.objects.filter(**about).annotate(of=F("wait__execution__proposal_id"))
    before: dict[int, list[list[str]]] = {}
    for look in looks.order_by("pk"):
        found = sorted([str(one["condition"]), str(one["detail"])] for one in look.unmet)
        if before.get(look.wait_id) != found:
            before[look.wait_id] = found
            yield _look_row(look, look.of)
    for late in WaitOverdue.objects.filter(**about).annotate(of=F("wait__execution__proposal_id")):
        title = gettext("The time to wait was over; people were notified")
        yield _wait_row(late, late.of, title, reason=late.detail)


def _look_row(look: WaitLook, proposal: UUID) -> HistoryRow:
    if look.met:
        return _wait_row(
            look, proposal, gettext("Read the target: all conditions of the wait are met")
        )
    names = ", ".join(vocabulary.word(one["condition"]) for one in look.unmet)
    title = gettext("Read the target, not met yet: %(what)s") % {"what": names}
    return _wait_row(
        look,
        proposal,
        title,
        reason="; ".join(str(one["detail"]) for one in look.unmet if one["detail"]),
    )


def _wait_row(
    row: Wait | WaitLook | WaitOverdue, proposal: UUID, title: str, reason: str = ""
) -> HistoryRow:
    return HistoryRow(
        at=row.recorded_at,
        kind="step",
        word="waiting",
        title=title,
        actor=gettext("the worker"),
        entry=row.entry,
        reason=reason,
        language="",
        proposal=proposal,
    )


def halt_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each signed halt, with the worker's verdict on it."""
    found = list(Halt.objects.filter(proposal__in=keys))
    verdicts = {row.halt_id: row for row in HaltVerdict.objects.filter(halt__in=found)}
    names = Names([row.person for row in found])
    for row in found:
        yield HistoryRow(
            at=row.recorded_at,
            kind="note" if row.decision in _ANSWERS else "refusal",
            word=row.decision if row.decision in _ANSWERS else "halted",
            title=_halt_title(row.decision, verdicts.get(row.pk)),
            actor=names.person(row.person),
            entry=row.entry,
            reason=row.reason,
            language="",
            proposal=row.proposal_id,
        )


def _halt_title(decision: str, verdict: HaltVerdict | None) -> str:
    if decision in _ANSWERS:
        return _answer_title(decision, verdict)
    if decision == "settle":
        if verdict is None:
            return gettext("Settlement signed; the worker has not verified it yet")
        if verdict.holds:
            return gettext("Settled by hand")
        return gettext("Settlement refused by the worker")
    if verdict is None:
        return gettext("Halt signed; the worker has not verified it yet")
    if verdict.holds:
        return {
            "keep": gettext("Halted between two steps: stop and keep"),
            "undo": gettext("Halted: stop and undo"),
        }.get(decision, gettext("Halted between two steps"))
    return gettext("Halt refused by the worker")


def _answer_title(decision: str, verdict: HaltVerdict | None) -> str:
    values = {"answer": vocabulary.word(decision)}
    if verdict is None:
        return gettext("Answer signed: %(answer)s; the worker has not verified it yet") % values
    if verdict.holds:
        return gettext("Answered: %(answer)s") % values
    return gettext("Answer refused by the worker: %(answer)s") % values


def notice_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each mail that was sent about the proposal."""
    for row in Notice.objects.filter(proposal__in=keys):
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="submitted",
            title=notice_title(row.kind),
            actor=gettext("the worker"),
            entry=row.entry,
            proposal=row.proposal_id,
        )


def notice_title(kind: str) -> str:
    """Describe what the mail was about."""
    if kind.isdigit():
        return gettext("Notified: %(share)s %% of the time to decide has passed") % {"share": kind}
    if kind.startswith("open:"):
        return gettext("Notified again: nobody has settled it yet")
    values = {"state": vocabulary.word(kind.removeprefix("told:"))}
    return gettext("Notified of the result: %(state)s") % values
