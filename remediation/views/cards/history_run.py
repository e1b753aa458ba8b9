"""History of a run: its steps, its halts, and the mails about its proposal."""

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
)
from remediation.views.cards.containment import place_fields
from remediation.views.cards.fields import Field, format_recorded
from remediation.views.cards.history import HistoryRow
from remediation.views.names import Names


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


def halt_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each signed halt, with the worker's verdict on it."""
    found = list(Halt.objects.filter(proposal__in=keys))
    verdicts = {row.halt_id: row for row in HaltVerdict.objects.filter(halt__in=found)}
    names = Names([row.person for row in found])
    for row in found:
        yield HistoryRow(
            at=row.recorded_at,
            kind="refusal",
            word="halted",
            title=_halt_title(row.decision, verdicts.get(row.pk)),
            actor=names.person(row.person),
            entry=row.entry,
            reason=row.reason,
            language="",
            proposal=row.proposal_id,
        )


def _halt_title(decision: str, verdict: HaltVerdict | None) -> str:
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
