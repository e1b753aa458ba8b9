"""Incidents: open ones by age, closing with a reason, and the auditor's whole list."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest

from audit.models import Entry
from remediation import models as m
from remediation.services.people import stepup as stepups
from tests import factories, stepup
from tests.flows.world import World
from tests.stepup import Unsigned
from tests.views.conftest import BrowserOf, text_of

REASON = "The address belongs to the new build host."


def incident_of(proposal_id: UUID) -> m.Incident:
    return m.Proposal.objects.get(pk=proposal_id).incident


def listed(page: str) -> list[str]:
    return re.findall(r'href="/incidents/([0-9a-f-]{36})/"', page)


def test_open_incidents_are_listed_oldest_first(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    agent = m.Agent.objects.get()
    newer = factories.incident(agent, "test.target:t9", title="Newer")
    page = text_of(browser_of(factories.person(roles=["lead"])).get("incidents"))
    assert listed(page) == [str(incident_of(proposal_id).pk), str(newer.pk)]
    assert "needs a plan" in page


def test_an_incident_shows_its_owner_and_its_clock(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("incidents"))
    assert 'data-clock="until"' in page
    assert '<span class="inert" lang="">team</span>' in page


def test_an_incident_without_an_owner_says_so(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    identity = m.Identity.objects.get()
    factories.identity_version(identity, owner_team="")
    page = text_of(browser_of(world.people["alice"]).get("incidents"))
    assert "unknown</span>" in page


def test_a_person_closes_an_incident_with_a_reason(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    incident, alice = incident_of(proposal_id), browser_of(world.people["alice"])
    answer = alice.act("incident_close", incident.pk, outcome="false_positive", reason=REASON)
    assert answer.status_code == 302
    page = text_of(alice.get("incident", incident.pk))
    assert "Closed: False positive: nothing happened" in page
    assert "The incident is closed, so it does not run any more." in page
    assert REASON in page
    assert listed(text_of(alice.get("incidents"))) == []


def test_a76_a_cookie_alone_closes_nothing_and_loses_nothing_that_was_typed(
    world: World,
    proposal_id: UUID,
    browser_of: BrowserOf,
) -> None:
    incident, alice = incident_of(proposal_id), browser_of(world.people["alice"])
    sent = {"outcome": "false_positive", "reason": REASON}
    asked = json.loads(alice.begin("incident_close", incident.pk, **sent).content)
    assert REASON in asked["words"]
    signed = stepup.fields(world.people["alice"], asked)
    other = {**sent, "outcome": "accepted", **signed}
    for attempt, status in ((sent, 422), (other, 409)):
        answer = alice.post("incident_close", incident.pk, **attempt)
        assert answer.status_code == status
        assert REASON in text_of(answer) and 'id="close"' in text_of(answer)
        assert not m.IncidentTransition.objects.exists()
    assert alice.post("incident_close", incident.pk, **sent, **signed).status_code == 302
    entry = Entry.objects.get(pk=m.IncidentTransition.objects.get().entry)
    assert entry.data["data"]["step_up"]["statement"]["act"] == "close_incident"


def test_a76_without_the_check_a_cookie_closes(
    world: World, proposal_id: UUID, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepups, "check", lambda **_: Unsigned())
    incident, alice = incident_of(proposal_id), browser_of(world.people["alice"])
    alice.post("incident_close", incident.pk, outcome="false_positive", reason=REASON)
    assert m.IncidentTransition.objects.get().to_state == "closed"


@pytest.mark.parametrize(
    "sent",
    [
        {"outcome": "", "reason": REASON},
        {"outcome": "false_positive", "reason": "too short"},
        {"outcome": "bored", "reason": REASON},
    ],
)
def test_without_outcome_and_reason_nothing_is_closed_and_nothing_typed_is_lost(
    world: World, proposal_id: UUID, browser_of: BrowserOf, sent: dict[str, str]
) -> None:
    incident = incident_of(proposal_id)
    answer = browser_of(world.people["alice"]).post("incident_close", incident.pk, **sent)
    assert answer.status_code == 422
    assert sent["reason"] in text_of(answer)
    assert not m.IncidentTransition.objects.exists()


def test_the_owner_of_the_reporting_agent_cannot_close_its_incident(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    incident, dave = incident_of(proposal_id), browser_of(world.people["dave"])
    answer = dave.post("incident_close", incident.pk, outcome="false_positive", reason=REASON)
    assert answer.status_code == 403
    assert REASON in text_of(answer), "what was typed is still there to be copied"
    assert not m.IncidentTransition.objects.exists()
    refused = [
        e.data for e in Entry.objects.order_by("id") if e.data["action"] == "person:request:refused"
    ]
    assert refused[0]["data"]["refusal"] == "not_entitled"
    assert "Close the incident" not in text_of(dave.get("incident", incident.pk))


def test_somebody_without_a_right_sees_no_incident(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    stranger = browser_of(factories.person())
    assert listed(text_of(stranger.get("incidents"))) == []
    assert stranger.get("incident", incident_of(proposal_id).pk).status_code == 404


def test_the_evidence_is_shown_whole_with_its_digest_checked(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    row = m.Evidence.objects.get()
    page = text_of(browser_of(world.people["alice"]).get("evidence", proposal_id, row.sha256))
    assert "SHA-256 matches" in page
    assert "attacker could have forged this source" in page
    assert "{&quot;seen&quot;:&quot;misuse&quot;,&quot;target&quot;:&quot;t1&quot;}" in page


def test_the_evidence_of_another_incident_is_not_reachable(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    foreign = factories.evidence(
        factories.incident(m.Agent.objects.get(), "test.target:t9"), b'{"other": 1}'
    )
    answer = browser_of(world.people["alice"]).get("evidence", proposal_id, foreign.sha256)
    assert answer.status_code == 404
