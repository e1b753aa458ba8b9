"""Build the page of one incident."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from remediation import vocabulary
from remediation.domain.catalogue import REPORT_ONLY, is_report_only
from remediation.domain.errors import BadInput
from remediation.domain.plan import Target, target_at
from remediation.domain.scope import Scope, ScopeTarget
from remediation.domain.states import FINAL, IncidentState
from remediation.models import Diagnosis, Incident, IncidentEntry, User
from remediation.services.access import slots, visibility
from remediation.services.assessment import scope as scopes
from remediation.services.reporting import make_plan
from remediation.views.cards import proposal_rows
from remediation.views.cards.comments import comments_card
from remediation.views.cards.containment import containment
from remediation.views.cards.diagnosis import DiagnosisCard, incident_diagnosis
from remediation.views.cards.live import live_card
from remediation.views.cards.outcomes import outcomes_card
from remediation.views.cards.proposal_rows import ProposalRow
from remediation.views.cards.scope import scope_card
from remediation.views.forms import CloseForm, CommentForm
from remediation.views.incidents import presenter
from remediation.views.incidents.aside import aside
from remediation.views.incidents.page import Ahead, IncidentPage
from remediation.views.incidents.timeline import timeline

_ENDED = [state.value for state in FINAL]
NEXT = {
    "submitted": gettext_lazy("The worker reads the target; then people can decide."),
    "in_review": gettext_lazy("People decide."),
    "approved": gettext_lazy("The worker runs it within its time."),
    "executing": gettext_lazy("It runs now."),
    "waiting": gettext_lazy("It waits between two steps. Its page shows for whom or what."),
    "unknown": gettext_lazy("The worker reads the target to settle what happened."),
    "stopped": gettext_lazy("Part of it is done and stays. Propose the rest, or undo it."),
    "failed": gettext_lazy("Nothing was changed. It needs another plan."),
    "rolled_back": gettext_lazy("It was undone. It needs another plan."),
    "rejected": gettext_lazy("People said no. It needs another plan, or none."),
    "returned": gettext_lazy("People asked for a better one."),
    "expired": gettext_lazy("Nobody decided in time. It needs a plan again."),
    "refused": gettext_lazy("The gate refused it for good. It needs another plan."),
    "succeeded": gettext_lazy("It was carried out."),
    "withdrawn": gettext_lazy("It was taken back."),
    "superseded": gettext_lazy("A newer proposal took its place."),
}
NOT_ANY_MORE = gettext_lazy("The incident is closed, so it does not run any more.")
_NOT_BEGUN = frozenset({"submitted", "in_review", "approved"})
_SEEN_IN_ITS_RUN = frozenset(
    {"executing", "waiting", "unknown", "stopped", "failed", "rolled_back", "succeeded"}
)


def incident_page(
    person: User,
    entry: IncidentEntry,
    form: CloseForm | None = None,
    comment: CommentForm | None = None,
) -> IncidentPage:
    """Return the page for this person; the forms have what was typed. Reads only."""
    incident, row = entry.incident, presenter.rows([entry])[0]
    closed = row.state == IncidentState.CLOSED
    may_close = not closed and visibility.may_close_incidents(person, incident)
    proposals = _proposals(person, incident)
    visible = visibility.visible_proposals(person).filter(incident=incident)
    reached = scope_of(incident)
    items, more = timeline(
        person,
        incident,
        list(visible.select_related("agent")),
        {one.proposal_id: one.sentence for one in proposals},
    )
    return IncidentPage(
        incident=row,
        proposals=tuple(_ahead(one, closed=closed) for one in proposals),
        aside=aside(person, incident, row.state, reached.services, row.decide_by),
        timeline=items,
        earlier_items=more,
        comments=comments_card(person, incident, form=comment),
        diagnosis=_diagnosis(incident),
        scope=scope_card(reached),
        first_proposal=proposals[0].proposal_id if proposals else None,
        reports=incident.reports.count(),
        earlier=incident.earlier_id,
        report_only=vocabulary.saying(REPORT_ONLY) if is_report_only(incident.locator) else "",
        form=(form or CloseForm()) if may_close else None,
        containment=containment(person, incident, row.state),
        live=live_card(person, incident),
        outcomes=outcomes_card(person, incident),
        alive=tuple(one for one in proposals if one.state not in _ENDED),
        may_plan=make_plan.may_plan(person, incident),
    )


def scope_of(incident: Incident) -> Scope:
    """Return what the incident's identity reaches by the present inventory."""
    target = _target(incident.locator)
    if target is not None:
        return scopes.reached_by((target,))
    return Scope(
        targets=(ScopeTarget(incident.locator, False, "", "", ""),),
        services=(),
        unknown=(f"{incident.locator} is not of a kind that the catalogue has",),
    )


def _target(locator: str) -> Target | None:
    try:
        return target_at(locator, allow_test=True)
    except BadInput:
        return None


def _proposals(person: User, incident: Incident) -> tuple[ProposalRow, ...]:
    seen = visibility.visible_queue(slots.rights_of(person)).filter(incident=incident)
    return proposal_rows.rows(proposal_rows.readable(seen).order_by("-proposal__recorded_at", "pk"))


def _ahead(row: ProposalRow, *, closed: bool) -> Ahead:
    # A78: what was proposed before the closure does not run any more.
    over = closed and row.state in _NOT_BEGUN
    next_step = NOT_ANY_MORE if over else NEXT.get(row.state, "")
    return Ahead(row, str(next_step), row.state in _SEEN_IN_ITS_RUN)


def _diagnosis(incident: Incident) -> DiagnosisCard | None:
    """Return the newest diagnosis; None where there is none that this catalogue can read."""
    newest = Diagnosis.objects.filter(incident=incident).order_by("-version").first()
    if newest is None:
        return None
    try:
        return incident_diagnosis(newest)
    except BadInput:
        return None
