"""An incident without a plan is never silent: at once, at its deadline, daily, once each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError

from audit import log
from remediation import models as m
from remediation.domain.telling import Kind
from remediation.services.actors import worker
from remediation.services.reporting import escalate as service
from tests import factories
from tests.factories import WORKER, Person, acting

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(db: None) -> tuple[Person, Person]:
    """An approver and a lead."""
    return factories.person(roles=["security"]), factories.person(roles=["lead"])


def old(*, minutes: float) -> m.Incident:
    made = factories.incident(factories.agent(factories.person()), "test.target:t1")
    factories.backdate(made, minutes=minutes)
    factories.backdate(made, "detected_at", minutes=minutes)
    made.refresh_from_db()
    return made


def escalated() -> int:
    with acting(WORKER):
        return service.escalate(actor=worker())


def told(kind: Kind) -> list[object]:
    return list(m.Telling.objects.filter(kind=kind).values_list("person", flat=True))


def test_approvers_are_told_at_once_and_once(people: tuple[Person, Person]) -> None:
    ann, _ = people
    incident = old(minutes=1)
    assert (escalated(), escalated()) == (1, 0)
    assert told(Kind.NEEDS_A_PLAN) == [ann.id]
    assert told(Kind.PLAN_OVERDUE) == []
    telling = m.Telling.objects.get()
    assert telling.incident_id == incident.pk
    assert "A plan is due by" in telling.text
    assert "does not say what this identity reaches" in telling.text
    assert incident.notices.get().kind == service.NEW


def test_an_agent_that_sends_its_plan_at_once_alarms_nobody(people: object) -> None:
    old(minutes=0)
    assert escalated() == 0


def test_the_lead_at_the_deadline_and_daily(people: tuple[Person, Person]) -> None:
    ann, lead = people
    incident = old(minutes=31)
    assert (escalated(), escalated()) == (1, 0)
    assert told(Kind.PLAN_OVERDUE) == [lead.id]
    factories.backdate(incident, days=1)
    factories.backdate(incident, "detected_at", days=1)
    assert (escalated(), escalated()) == (1, 0)
    assert told(Kind.PLAN_OVERDUE) == [lead.id, lead.id]
    factories.assignment(incident, ann.id, ann)
    factories.backdate(incident, days=1)
    factories.backdate(incident, "detected_at", days=1)
    assert escalated() == 1
    assert set(told(Kind.PLAN_OVERDUE)) == {lead.id, ann.id}


def test_where_no_approver_sees_it_the_lead_is_told_at_once() -> None:
    lead = factories.person(roles=["lead"])
    old(minutes=1)
    assert escalated() == 1
    assert told(Kind.NEEDS_A_PLAN) == [lead.id]


def test_again_when_its_proposals_have_ended(people: tuple[Person, Person]) -> None:
    assert factories.proposal_at("in_review", in_inventory=False)
    assert escalated() == 0
    proposal = factories.proposal_at("returned", in_inventory=False)
    factories.backdate(proposal.transitions.order_by("-pk")[0], minutes=1)
    assert (escalated(), escalated()) == (1, 0)
    assert all("All its proposals have ended" in one.text for one in m.Telling.objects.all())


def test_nobody_is_told_of_what_is_closed_or_contained(people: tuple[Person, Person]) -> None:
    ann, _ = people
    factories.incident_move(
        old(minutes=40), "closed", login="hitl_web", actor=ann.actor,
        outcome="accepted", reason="It is accepted.",
    )  # fmt: skip
    assert escalated() == 0


def test_a_crash_before_the_commit_leaves_nothing_and_is_repeated(
    people: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(minutes=1)

    def crash(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(service, "tell", crash)
        with pytest.raises(RuntimeError):
            escalated()
    assert not m.IncidentNotice.objects.exists()
    assert escalated() == 1


def test_one_that_fails_does_not_keep_the_others_silent(
    people: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = old(minutes=2), old(minutes=1)
    real = log.append

    def failing(**said: object) -> object:
        if said["object"] == f"incident:{first.pk}":
            raise DatabaseError
        return real(**said)  # type: ignore[arg-type]

    monkeypatch.setattr(service.log, "append", failing)
    assert escalated() == 1
    assert m.IncidentNotice.objects.get().incident_id == second.pk
    assert timedelta(0) < second.recorded_at - first.recorded_at
