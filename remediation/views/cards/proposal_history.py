"""List everything on record about one or several proposals, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.utils.text import capfirst
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.models import (
    Proposal,
    Refusal,
    Transition,
)
from remediation.views.cards import changed_since
from remediation.views.cards.fields import Field
from remediation.views.cards.history import HistoryRow, in_order
from remediation.views.cards.history_review import (
    assessment_rows,
    request_rows,
    review_history,
    seen_again_rows,
)
from remediation.views.cards.history_run import halt_rows, notice_rows, step_rows, wait_rows
from remediation.views.names import Names


def rows(*proposals: Proposal) -> list[HistoryRow]:
    """Return transitions, assessments, reviews, requests, refusals, steps, waits, halts, notices.

    The number of queries is the same for any number of proposals, but for those that a person
    edited: what each changed takes a few more.
    """
    keys = [proposal.pk for proposal in proposals]
    transitions = list(Transition.objects.filter(proposal__in=keys))
    refusals = list(Refusal.objects.filter(proposal__in=keys))
    names = Names.of_actors(
        [
            *(proposal.agent.actor for proposal in proposals),
            *(f"person:{proposal.editor}" for proposal in proposals if proposal.editor),
            *(row.actor for row in transitions),
            *(row.actor for row in refusals),
        ]
    )
    return in_order(
        [
            *(_submitted(proposal, names) for proposal in proposals),
            *_edit_rows(proposals, names),
            *(_transition(row, names) for row in transitions),
            *(_refusal(row, names) for row in refusals),
            *assessment_rows(keys),
            *review_history({proposal.pk: proposal.round for proposal in proposals}),
            *request_rows(keys),
            *seen_again_rows(keys),
            *step_rows(keys),
            *wait_rows(keys),
            *halt_rows(keys),
            *notice_rows(keys),
        ]
    )


def _edit_rows(proposals: Iterable[Proposal], names: Names) -> Iterator[HistoryRow]:
    """Yield what a person changed in making a version, with the reason."""
    for proposal in proposals:
        if proposal.editor and proposal.supersedes_id:
            for change in changed_since.versions(proposal):
                yield HistoryRow(
                    at=change.at,
                    kind="note",
                    word="submitted",
                    title=change.title,
                    actor=names.actor(f"person:{proposal.editor}"),
                    entry=proposal.entry,
                    reason=change.why_untrusted,
                    language="",
                    whole="\n".join(f"{one.sign} {one.text_untrusted}" for one in change.lines),
                    proposal=proposal.pk,
                )


def _submitted(proposal: Proposal, names: Names) -> HistoryRow:
    by = f"person:{proposal.editor}" if proposal.editor else proposal.agent.actor
    return HistoryRow(
        at=proposal.recorded_at,
        kind="transition",
        word="submitted",
        title=gettext("Planned by a person") if proposal.planner else gettext("Submitted"),
        actor=names.actor(by),
        entry=proposal.entry,
        fields=(Field("plan digest", proposal.plan_digest),),
        whole=bytes(proposal.plan).decode(errors="backslashreplace"),
        proposal=proposal.pk,
    )


def _transition(row: Transition, names: Names) -> HistoryRow:
    return HistoryRow(
        at=row.recorded_at,
        kind="transition",
        word=row.to_state,
        title=_moved(row),
        actor=names.actor(row.actor),
        entry=row.entry,
        reason=row.reason.replace("_", " "),
        proposal=row.proposal_id,
    )


def _moved(row: Transition) -> str:
    if row.to_state == "in_review":
        return gettext("In review, round %(round)d") % {"round": row.round}
    return capfirst(vocabulary.word(row.to_state))


def _refusal(row: Refusal, names: Names) -> HistoryRow:
    return HistoryRow(
        at=row.recorded_at,
        kind="refusal",
        word="refused",
        title=gettext("Refused: %(name)s") % {"name": vocabulary.word(row.reason)},
        actor=names.actor(row.actor),
        entry=row.entry,
        reason=row.detail,
        proposal=row.proposal_id,
    )
