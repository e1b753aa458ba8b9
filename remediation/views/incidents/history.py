"""List everything on record about an incident and its visible proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.utils.translation import gettext, ngettext

from remediation.models import (
    Diagnosis,
    Evidence,
    Incident,
    IncidentEntry,
    User,
)
from remediation.services.access import authorize, visibility
from remediation.views.cards import comments, proposal_history
from remediation.views.cards.containment import look_rows
from remediation.views.cards.fields import Field
from remediation.views.cards.history import HistoryRow, in_order
from remediation.views.incidents import presenter
from remediation.views.incidents.page import IncidentHistoryPage
from remediation.views.names import Names, describe_agent


def history_page(person: User, entry: IncidentEntry) -> IncidentHistoryPage:
    """Return reports, evidence, diagnoses, and the proposals that this person may see."""
    found = entry.incident
    proposals = list(
        visibility.visible_proposals(person).filter(incident=found).select_related("agent")
    )
    return IncidentHistoryPage(
        incident_id=found.pk,
        title_untrusted=found.title,
        state=presenter.rows([entry])[0].state,
        rows=tuple(
            in_order(
                [
                    *rows(found),
                    *comments.comment_rows(person, found),
                    *comments.assignment_rows(found),
                    *comments.notice_rows(found),
                    *proposal_history.rows(*proposals),
                ]
            )
        ),
        may_audit=authorize.may_audit(person),
        several=len(proposals) > 1,
        others=found.proposals.count() - len(proposals),
    )


def rows(found: Incident) -> Iterator[HistoryRow]:
    """Yield what is on record about the incident itself."""
    yield from presenter.moves(found)
    yield from look_rows(found)
    artefacts = Counter(
        Evidence.objects.filter(incident=found).order_by().values_list("entry", flat=True)
    )
    reports = list(found.reports.select_related("agent"))
    for report in reports:
        count = artefacts[report.entry]
        yield HistoryRow(
            at=report.recorded_at,
            kind="note",
            word="submitted",
            title=ngettext(
                "Reported, with %(count)d new artefact",
                "Reported, with %(count)d new artefacts",
                count,
            )
            % {"count": count},
            actor=describe_agent(report.agent.name),
            entry=report.entry,
        )
    diagnoses = list(Diagnosis.objects.filter(incident=found).select_related("agent"))
    names = Names([one.editor for one in diagnoses if one.editor])
    for diagnosis in diagnoses:
        editor = names.person(diagnosis.editor) if diagnosis.editor else ""
        yield HistoryRow(
            at=diagnosis.recorded_at,
            kind="note",
            word="in_review",
            title=(
                gettext("Diagnosis, version %(version)d, corrected")
                if editor
                else gettext("Diagnosis, version %(version)d")
            )
            % {"version": diagnosis.version},
            actor=editor or describe_agent(diagnosis.agent.name),
            entry=diagnosis.entry,
            fields=(Field("diagnosis digest", diagnosis.digest),),
            whole=bytes(diagnosis.body).decode(errors="backslashreplace"),
        )
