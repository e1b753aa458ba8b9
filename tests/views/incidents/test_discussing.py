"""Comments, questions and assignments through the pages; hostile text through both."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from audit.models import Entry
from remediation import models as m
from remediation.templatetags.inert import inert as shown
from tests import factories
from tests.factories import Person
from tests.flows.world import World
from tests.hostile.corpus import CORPUS
from tests.views.conftest import Answer, BrowserOf, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(db: None) -> m.Incident:
    agent = factories.agent(factories.person())
    return factories.incident(agent, "test.target:t7", title="Key <b>used</b> elsewhere")


@pytest.fixture
def ann(db: None) -> Person:
    return factories.person(f"ann{factories.number()}", roles=["security"])


@pytest.fixture
def ben(db: None) -> Person:
    return factories.person(f"ben{factories.number()}", roles=["lead"])


def words(answer: Answer) -> str:
    return " ".join(text_of(answer).split())


def test_a_bare_incident_says_what_is_next(
    incident: m.Incident, ann: Person, browser_of: BrowserOf
) -> None:
    page = words(browser_of(ann).get("incident", incident.pk))
    assert "Needs a plan:" in page
    assert "The inventory does not say what this identity reaches" in page
    assert "test.target:t7 is not in the inventory" in page
    assert "Nobody yet" in page and "I take it" in page
    assert "No diagnosis is on record" in page
    assert "&lt;b&gt;used" in page and "<b>used" not in page


def test_a_diagnosis_and_its_evidence_open_without_a_proposal(
    incident: m.Incident, ann: Person, browser_of: BrowserOf
) -> None:
    secret = b"password=Sup3rSecretValue1 in the log"
    row = factories.evidence(incident, secret)
    factories.diagnosis(incident, "t7")
    browser = browser_of(ann)
    assert "t7 is misused" in words(browser.get("incident", incident.pk))
    page = words(browser.get("incident_artefact", incident.pk, row.sha256))
    assert "SHA-256 matches" in page
    # A61: no scan is on record for this row, so all of it is masked.
    assert "Sup3rSecretValue1" not in page
    assert browser.get("incident_artefact", incident.pk, "0" * 64).status_code == 404


def test_who_may_not_see_it_gets_nothing(incident: m.Incident, browser_of: BrowserOf) -> None:
    """A12: neither the page, nor its evidence, nor a way to write on it."""
    row = factories.evidence(incident, b"x")
    outsider = browser_of(factories.person())
    assert outsider.get("incident", incident.pk).status_code == 404
    assert outsider.get("incident_artefact", incident.pk, row.sha256).status_code == 404
    assert outsider.post("incident_comment", incident.pk, text="hello").status_code == 404
    assert outsider.post("incident_assign", incident.pk, person="", seen="").status_code == 404
    assert not m.IncidentComment.objects.exists()


def test_a_question_stands_in_the_timeline_with_its_names(
    incident: m.Incident, ann: Person, ben: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(ann)
    answer = browser.post("incident_comment", incident.pk, text="Who has it?", asked=str(ben.id))
    assert answer.status_code == 302
    page = words(browser.get("incident", incident.pk))
    assert f"asks {ben.user.username}" in page and "Who has it?" in page
    full = words(browser.get("incident_history", incident.pk))
    assert f"asks {ben.user.username}" in full and "Who has it?" in full


def test_nothing_typed_is_lost(incident: m.Incident, ann: Person, browser_of: BrowserOf) -> None:
    browser, before = browser_of(ann), Entry.objects.count()
    answer = browser.post("incident_comment", incident.pk, text="Who?", asked=str(uuid4()))
    assert answer.status_code == 422
    assert ">\nWho?</textarea>" in text_of(answer)
    assert browser.post("incident_comment", incident.pk, text=" ").status_code == 422
    assert not m.IncidentComment.objects.exists() and Entry.objects.count() == before


def test_a01_hostile_comments_are_inert(
    incident: m.Incident, ann: Person, browser_of: BrowserOf
) -> None:
    """A01: what a person pastes from an attacker's log is text, whole and visible."""
    browser = browser_of(ann)
    sent = [one.text for one in CORPUS if one.text.strip() and "\0" not in one.text][:120]
    for text in sent:
        assert browser.post("incident_comment", incident.pk, text=text[:3_900]).status_code == 302
    stored = list(m.IncidentComment.objects.values_list("text", flat=True))
    page = text_of(browser.get("incident_history", incident.pk))
    assert len(stored) == len(sent)
    assert [t for t in stored if str(shown(t)) not in page] == []
    assert "<script>alert" not in page


def test_taken_given_and_taken_over(
    incident: m.Incident, ann: Person, ben: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(ann)

    def give(to: str, seen: str) -> int:
        sent = browser.post("incident_assign", incident.pk, person=to, seen=seen)
        status: int = sent.status_code
        return status

    assert give(str(ann.id), "") == 302
    assert "<strong>You</strong>" in words(browser.get("incident", incident.pk))
    assert give(str(ben.id), "") == 409
    assert give(str(ben.id), str(ann.id)) == 302
    page = words(browser.get("incident", incident.pk))
    assert "Take it over" in page and f"Gave it to {ben.user.username}" in page
    assert give("nonsense", str(ben.id)) == 400
    assert give("", str(ben.id)) == 302
    assert "Gave it up: nobody has it" in words(browser.get("incident", incident.pk))


def test_related_incidents_of_the_same_identity(
    incident: m.Incident, ann: Person, browser_of: BrowserOf
) -> None:
    other = factories.incident(incident.agent, "test.target:t7", title="The same key before")
    hidden = factories.proposal_at("in_review", "t8")
    page = words(browser_of(ann).get("incident", incident.pk))
    assert "The same key before" in page and "same identity" in page
    assert f"/incidents/{other.pk}/" in page and str(hidden.incident_id) not in page


def test_a_comment_on_the_review_page_by_htmx(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    browser, incident = browser_of(world.people["alice"]), world.get(proposal_id).incident
    browser.client.defaults["HTTP_HX_REQUEST"] = "true"
    answer = browser.post(
        "incident_comment", incident.pk, text="Is it used?", proposal=str(proposal_id)
    )
    assert answer.status_code == 200 and 'id="comments"' in text_of(answer)
    assert "Is it used?" in text_of(answer)
    assert "at least" not in text_of(answer)
    empty = browser.post("incident_comment", incident.pk, text="", proposal=str(proposal_id))
    assert "This field is required" in text_of(empty)
    del browser.client.defaults["HTTP_HX_REQUEST"]
    assert "Is it used?" in text_of(browser.get("review", proposal_id))
    other = factories.proposal_at("in_review")
    wrong = browser.post("incident_comment", incident.pk, text="x", proposal=str(other.pk))
    assert wrong.status_code == 404
    assert m.IncidentComment.objects.count() == 1
