"""Taking an incident, giving it away, taking it over: compare and set, on record."""

from __future__ import annotations

import json

import pytest

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.services.reporting.assign import assign, assignees
from tests import factories
from tests.factories import WEB, Person, acting

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(db: None) -> m.Incident:
    return factories.incident(factories.agent(factories.person()), "test.target:t1")


def given(
    by: Person, incident: m.Incident, to: Person | None, seen: Person | None = None
) -> m.IncidentAssignment:
    with acting(WEB):
        return assign(
            actor=by.user,
            incident_id=incident.pk,
            person=to.id if to else None,
            seen=seen.id if seen else None,
        )


def test_taken_given_taken_over_and_given_up(incident: m.Incident) -> None:
    ann, ben = factories.person(roles=["security"]), factories.person(roles=["lead"])
    given(ann, incident, ann)
    assert assignees([incident.pk]) == {incident.pk: ann.id}
    given(ann, incident, ben, seen=ann)
    given(ann, incident, ann, seen=ben)
    given(ben, incident, None, seen=ann)
    assert assignees([incident.pk]) == {}
    actions = [json.loads(bytes(entry.body))["action"] for entry in Entry.objects.order_by("pk")][
        -4:
    ]
    assert actions == 3 * ["person:incident:assigned"] + ["person:incident:unassigned"]


def test_of_two_who_take_it_the_second_is_refused(incident: m.Incident) -> None:
    ann, ben = (factories.person(roles=["security"]) for _ in range(2))
    given(ann, incident, ann)
    with pytest.raises(errors.WrongState, match="meanwhile"):
        given(ben, incident, ben)
    given(ben, incident, ben, seen=ann)


def test_who_may_not_see_it_neither_takes_nor_gets_it() -> None:
    """A12: nobody gives an incident to somebody who may not see it."""
    proposal = factories.proposal_at("in_review")
    ann, outsider = factories.person(roles=["lead"]), factories.person(roles=["security"])
    with pytest.raises(errors.NoSuchObject):
        given(outsider, proposal.incident, outsider)
    with pytest.raises(errors.NotEntitled):
        given(ann, proposal.incident, outsider)


def test_an_auditor_sees_it_and_cannot_have_it(incident: m.Incident) -> None:
    carol, ann = factories.person(roles=["auditor"]), factories.person(roles=["security"])
    with pytest.raises(errors.NotEntitled):
        given(carol, incident, carol)
    with pytest.raises(errors.NotEntitled):
        given(ann, incident, carol)


def test_nothing_changes_when_nothing_is_asked(incident: m.Incident) -> None:
    ann = factories.person(roles=["security"])
    given(ann, incident, ann)
    with pytest.raises(errors.WrongState, match="already"):
        given(ann, incident, ann, seen=ann)


def test_a_closed_incident_is_nobodys_work(incident: m.Incident) -> None:
    ann = factories.person(roles=["security"])
    factories.incident_move(
        incident, "closed", login=WEB, actor=ann.actor, outcome="accepted", reason="It is accepted."
    )
    with pytest.raises(errors.WrongState, match="closed"):
        given(ann, incident, ann)
