"""Everything on record about an incident and those of its proposals that one may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, ngettext

from remediation.models import Diagnosis, Evidence, Incident
from remediation.services.access import authorize, visibility
from remediation.views import decorators
from remediation.views.history import views as history
from remediation.views.incidents import views as incidents
from remediation.views.names import Names, agent_said
from remediation.views.pages import Field, HistoryRow


@decorators.page
def show(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """The incident's whole life: reports, evidence, diagnoses, and those of its proposals that
    this person may see."""
    person = decorators.person(request)
    entry = incidents.visible(person, incident_id)
    found = entry.incident
    proposals = list(
        visibility.visible_proposals(person).filter(incident=found).select_related("agent")
    )
    context = {
        "incident": found,
        "state": incidents.rows([entry])[0].state,
        "rows": history.in_order([*rows(found), *history.rows(*proposals)]),
        "may_audit": authorize.may_audit(person),
        "several": len(proposals) > 1,
        "others": found.proposals.count() - len(proposals),
    }
    return render(request, "remediation/incident_history.html", context)


def rows(found: Incident) -> Iterator[HistoryRow]:
    """What is on record about the incident itself."""
    yield from incidents.moves(found)
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
            actor=agent_said(report.agent.name),
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
            actor=editor or agent_said(diagnosis.agent.name),
            entry=diagnosis.entry,
            fields=(Field("diagnosis digest", diagnosis.digest),),
            whole=bytes(diagnosis.body).decode(errors="backslashreplace"),
        )
