"""Comments and questions to named people: on record, masked, never to somebody who may not see."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.services.reporting.comment import MOST_TEXT, comment
from tests import factories
from tests.factories import WEB, Person, acting

pytestmark = pytest.mark.django_db

PASSWORD = "s3cr3t-Pa55word-of-the-ledger"


@pytest.fixture
def incident(db: None) -> m.Incident:
    return factories.incident(factories.agent(factories.person()), "test.target:t1")


@pytest.fixture
def ann(db: None) -> Person:
    return factories.person(roles=["security"])


def said(by: Person, incident: m.Incident, text: str, **more: object) -> m.IncidentComment:
    with acting(WEB):
        return comment(actor=by.user, incident_id=incident.pk, text=text, **more)  # type: ignore[arg-type]


def test_a_question_names_the_people_in_its_entry(incident: m.Incident, ann: Person) -> None:
    ben = factories.person(roles=["lead"])
    made = said(ann, incident, "  Did you rotate it?\n", asked=[ben.id])
    assert (made.text, made.asked) == ("Did you rotate it?", [ben.id])
    entry = json.loads(bytes(Entry.objects.get(pk=made.entry).body))
    assert entry["action"] == "person:incident:commented"
    assert entry["actor"] == ann.actor
    assert entry["data"] == {
        "text": "Did you rotate it?", "asked": [str(ben.id)], "proposal": None,
    }  # fmt: skip


def test_the_proposal_stays_where_it_is(ann: Person) -> None:
    proposal = factories.proposal_at("in_review", in_inventory=False)
    made = said(ann, proposal.incident, "Why now?", proposal_id=proposal.pk)
    proposal.refresh_from_db()
    assert (made.proposal_id, proposal.state, proposal.round) == (proposal.pk, "in_review", 1)


def test_a_secret_is_masked_in_row_and_entry(incident: m.Incident, ann: Person) -> None:
    """A61: a person who quotes a secret does not put it on record."""
    made = said(ann, incident, f"postgresql://svc:{PASSWORD}@ledger/db is what they used")
    assert PASSWORD not in made.text
    assert "[masked]" in made.text
    assert PASSWORD.encode() not in bytes(Entry.objects.get(pk=made.entry).body)


def test_refused_comments_leave_nothing(incident: m.Incident, ann: Person) -> None:
    outsider = factories.person()
    hidden = factories.proposal_at("in_review")
    before = Entry.objects.count()
    for refusal, by, text, more in (
        (errors.BadValue, ann, " \n ", {}),
        (errors.BadValue, ann, "nul \0 byte", {}),
        (errors.TooLarge, ann, "x" * (MOST_TEXT + 1), {}),
        (errors.TooLarge, ann, "Who?", {"asked": [uuid4() for _ in range(21)]}),
        (errors.BadValue, ann, "Me?", {"asked": [ann.id]}),
        (errors.NotEntitled, ann, "You?", {"asked": [outsider.id]}),
        (errors.NotEntitled, ann, "You?", {"asked": [uuid4()]}),
        (errors.NoSuchObject, outsider, "Me?", {}),
        (errors.NoSuchObject, ann, "This?", {"proposal_id": hidden.pk}),
    ):
        with pytest.raises(refusal):
            said(by, incident, text, **more)
    assert Entry.objects.count() == before


def test_who_sees_the_incident_but_not_the_proposal_is_not_asked_about_it(ann: Person) -> None:
    """A12: a question about a proposal goes to people who may see that proposal."""
    open_ = factories.proposal_at("in_review", in_inventory=False)
    hidden = factories.proposal_at("in_review", incident=open_.incident)
    lead = factories.person(roles=["lead"])
    said(lead, open_.incident, "You?", asked=[ann.id])
    with pytest.raises(errors.NotEntitled):
        said(lead, open_.incident, "You?", asked=[ann.id], proposal_id=hidden.pk)


def test_a_closed_incident_still_takes_questions(incident: m.Incident, ann: Person) -> None:
    factories.incident_move(
        incident, "closed", login=WEB, actor=ann.actor, outcome="accepted", reason="It is accepted."
    )
    ben = factories.person(roles=["lead"])
    assert said(ben, incident, "Why accepted?", asked=[ann.id]).pk
