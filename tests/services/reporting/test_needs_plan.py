"""Open incidents need a plan while no proposal of theirs can still run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from remediation import models as m
from remediation.domain.plan_due import Why
from remediation.services.reporting.needs_plan import all_needing, needing, of
from tests import factories
from tests.factories import WEB, WORKER, acting

pytestmark = pytest.mark.django_db


def test_without_a_proposal_from_its_detection(db: None) -> None:
    incident = factories.incident(factories.agent(factories.person()), "test.target:unknown")
    ann = factories.person(roles=["security"])
    factories.assignment(incident, ann.id, ann)
    with acting(WEB):
        (found,) = needing(ann.user)
    assert (found.incident_id, found.assignee, found.first) == (incident.pk, ann.id, True)
    assert (found.why, found.since, found.event) == (
        Why.UNKNOWN, incident.detected_at, incident.entry,
    )  # fmt: skip
    assert timedelta(minutes=29) < found.due - incident.detected_at <= timedelta(minutes=31)
    with acting(WORKER):
        assert all_needing() == (found,)


def test_not_while_a_proposal_can_run_and_again_when_all_have_ended() -> None:
    alive = [factories.proposal_at(s) for s in ("submitted", "in_review", "approved", "unknown")]
    done = factories.proposal_at("succeeded")
    contained = factories.proposal_at("succeeded").incident
    factories.incident_move(contained, "contained")
    ended = [
        factories.proposal_at(state)
        for state in ("returned", "rejected", "expired", "withdrawn", "failed", "stopped")
    ]
    found = of(m.Incident.objects.values_list("pk", flat=True))
    assert set(found) == {one.incident_id for one in ended}
    assert not {one.incident_id for one in alive} & set(found)
    assert done.incident_id not in found
    returned = found[ended[0].incident_id]
    last = ended[0].transitions.order_by("-pk")[0]
    assert (returned.event, returned.since, returned.first) == (last.entry, last.recorded_at, False)


def test_a_run_that_contained_nothing_counts_after_ten_minutes() -> None:
    done = factories.proposal_at("succeeded")
    last = done.transitions.order_by("-pk")[0]
    factories.backdate(last, minutes=11)
    assert set(of([done.incident_id])) == {done.incident_id}


def test_open_again() -> None:
    incident = factories.proposal_at("succeeded").incident
    factories.backdate(incident.proposals.get().transitions.order_by("-pk")[0], minutes=11)
    factories.incident_move(incident, "contained")
    moved = factories.incident_move(
        incident, "open", source="contained", reason="it has access again"
    )
    assert of([incident.pk])[incident.pk].event == moved.entry


def test_a_person_sees_only_what_they_may() -> None:
    """A12: the list shows no incident that the person may not see."""
    hidden = factories.proposal_at("returned").incident
    bare = factories.incident(factories.agent(factories.person()), "test.target:bare")
    someone, lead = factories.person(roles=["security"]), factories.person(roles=["lead"])
    assert {one.incident_id for one in needing(someone.user)} == {bare.pk}
    assert {one.incident_id for one in needing(lead.user)} == {bare.pk, hidden.pk}
