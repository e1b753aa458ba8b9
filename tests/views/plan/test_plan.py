"""The form with which a person makes a plan: drawn by the server, and it loses nothing."""

from __future__ import annotations

import html
import json
import re
from uuid import UUID

import pytest
from django.db import transaction

from remediation import models as m
from remediation.services.reporting import submit
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.views.conftest import Browser, BrowserOf, text_of

pytestmark = pytest.mark.django_db
WHY = "The agent gave no plan, and the key is in use."
NOOP = {"step-0-action": "test.noop", "step-0-locator": "test.target:t1"}
WHOLE = {"environment": "production", "rationale": WHY, **NOOP}


@pytest.fixture
def incident_id(world: World) -> UUID:
    """An incident for which the agent gave no plan."""
    report = world.report()
    without = type(report)(report.incident, report.evidence, report.diagnosis, None, "")
    with acts(WEB), transaction.atomic():
        return submit.report(without, actor=world.agent).incident_id


@pytest.fixture
def alice(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["alice"])


def digest_in(page: str) -> str:
    found = re.search(r'name="previewed" value="([0-9a-f]{64})"', page)
    assert found, "there is no preview"
    return found[1]


def test_the_incident_page_leads_to_it(alice: Browser, incident_id: UUID) -> None:
    page = text_of(alice.get("incident", incident_id))
    assert f"/incidents/{incident_id}/plan/" in page


def test_the_incidents_identity_is_offered_first_in_the_portals_words(
    alice: Browser, incident_id: UUID
) -> None:
    answer = alice.get("plan", incident_id)
    page = text_of(answer)
    assert answer.status_code == 200
    assert "Record a call for test target t1." in page
    # The environment comes from the inventory; nothing else is filled in.
    assert '<option value="production" selected>' in page


def test_a_button_adds_a_step_without_a_script(alice: Browser, incident_id: UUID) -> None:
    page = text_of(
        alice.post("plan", incident_id, add="test.noop test.target:t1", rationale="half typ")
    )
    assert 'name="step-0-action" value="test.noop"' in page
    assert 'name="step-0-locator" value="test.target:t1"' in page
    assert "half typ" in page
    # Drawn from the action's JSON Schema.
    assert 'name="step-0-parameter-note"' in page


def test_a_step_on_another_target_has_a_field_for_each_of_its_fields(
    alice: Browser, incident_id: UUID
) -> None:
    page = text_of(alice.post("plan", incident_id, do="add", other="postgres.role.disable"))
    assert 'name="step-0-target-cluster"' in page and 'name="step-0-target-role"' in page


def test_steps_move_and_go(alice: Browser, incident_id: UUID) -> None:
    two = {**WHOLE, "step-1-action": "test.noop", "step-1-locator": "test.target:t2"}
    up = text_of(alice.post("plan", incident_id, do="up 1", **two))
    assert 'name="step-0-locator" value="test.target:t2"' in up
    gone = text_of(alice.post("plan", incident_id, do="remove 0", **two))
    assert 'value="test.target:t2"' in gone and "step-1-action" not in gone


def test_every_problem_is_told_under_its_field_and_nothing_is_lost(
    alice: Browser, incident_id: UUID
) -> None:
    typed = {
        "step-0-action": "postgres.role.disable",
        "step-0-target-cluster": "Bad Cluster",
        "step-0-target-role": "",
        "step-1-action": "test.noop",
        "step-1-locator": "test.target:t1",
        "step-1-parameter-note": "keep me",
        "rationale": "short",
    }
    answer = alice.post("plan", incident_id, do="preview", **typed)
    page = html.unescape(text_of(answer))
    assert answer.status_code == 422
    for field in ("environment", "rationale", "step-0-target-cluster", "step-0-target-role"):
        assert f'id="{field}-error"' in page, field
    assert "Bad Cluster" in page and "keep me" in page and "short" in page
    assert "Fill this in." in page and "Look at the example." in page
    assert not m.Proposal.objects.exists()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"step-0-target-role": "postgres"}, "No plan may name this"),
        ({"step-0-target-role": "a\u200bb"}, "invisible characters"),
        ({"step-0-parameter-note": "x"}, ""),
    ],
)
def test_a01_a_protected_or_invisible_name_is_refused_in_place(
    alice: Browser, incident_id: UUID, typed: dict[str, str], says: str
) -> None:
    """`protected_target` holds for people as for agents."""
    step = {
        "step-0-action": "postgres.role.disable",
        "step-0-target-cluster": "crm",
        "step-0-target-role": "svc",
    }
    answer = alice.post(
        "plan", incident_id, environment="staging", rationale=WHY, **{**step, **typed}
    )
    assert (answer.status_code == 422) == bool(says)
    assert says in html.unescape(text_of(answer))


def test_the_preview_says_what_it_does_and_creates_nothing(
    alice: Browser, incident_id: UUID
) -> None:
    page = text_of(alice.post("plan", incident_id, do="preview", **WHOLE))
    assert "Record a call for test target t1." in page
    assert "You cannot decide on your own plan." in page
    assert not m.Proposal.objects.exists()
    # And back: what was typed is in the form again.
    back = text_of(alice.post("plan", incident_id, do="edit", **WHOLE))
    assert WHY in back and 'name="step-0-action" value="test.noop"' in back


def test_exactly_what_was_previewed_is_submitted(alice: Browser, incident_id: UUID) -> None:
    previewed = digest_in(text_of(alice.post("plan", incident_id, do="preview", **WHOLE)))
    other = {**WHOLE, "environment": "staging", "previewed": previewed}
    again = alice.post("plan", incident_id, do="submit", **other)
    assert again.status_code == 200 and digest_in(text_of(again)) != previewed
    assert not m.Proposal.objects.exists()
    answer = alice.post("plan", incident_id, do="submit", previewed=previewed, **WHOLE)
    made = m.Proposal.objects.get()
    assert answer["Location"] == f"/proposals/{made.pk}/"
    assert made.plan_digest == previewed and made.rationale == WHY


def test_the_review_page_says_whose_plan_it_is(
    alice: Browser, incident_id: UUID, world: World, browser_of: BrowserOf
) -> None:
    previewed = digest_in(text_of(alice.post("plan", incident_id, do="preview", **WHOLE)))
    alice.post("plan", incident_id, do="submit", previewed=previewed, **WHOLE)
    made = m.Proposal.objects.get()
    world.assess(made.pk)
    page = text_of(browser_of(world.people["bob"]).get("review", made.pk))
    name = world.people["alice"].user.get_username()
    assert re.search(rf"Planned by .*{name}", page)
    assert "Proposed by" not in page
    assert f"planned by {name}" in text_of(alice.get("incident", incident_id))
    assert "Planned by a person" in text_of(alice.get("proposal_history", made.pk))


def test_a_returned_proposal_is_a_starting_point(alice: Browser, world: World) -> None:
    proposal_id = world.in_review()
    world.decide("bob", proposal_id, "return")
    world.settle(proposal_id)
    incident = world.get(proposal_id).incident_id
    link = f"/incidents/{incident}/plan/?from={proposal_id}"
    assert link in text_of(alice.get("review", proposal_id))
    page = text_of(alice.get("plan", incident, **{"from": str(proposal_id)}))
    assert 'name="step-0-locator" value="test.target:t1"' in page
    assert "from a test" in page  # its parameters
    assert f'name="from" value="{proposal_id}"' in page


def test_an_open_proposal_or_no_id_is_no_starting_point(alice: Browser, world: World) -> None:
    proposal_id = world.in_review()
    incident = world.get(proposal_id).incident_id
    assert alice.get("plan", incident, **{"from": str(proposal_id)}).status_code == 409
    assert alice.get("plan", incident, **{"from": "x"}).status_code == 404


def test_a12_an_auditor_gets_no_form(
    world: World, browser_of: BrowserOf, incident_id: UUID
) -> None:
    carol = browser_of(factories.person(roles=["auditor"]))
    assert carol.get("plan", incident_id).status_code == 403
    assert f"/incidents/{incident_id}/plan/" not in text_of(carol.get("incident", incident_id))


ROTATION = {
    "environment": "production",
    "rationale": WHY,
    "step-0-action": "test.thing.make",
    "step-0-locator": "test.thing:billing",
    "step-0-parameter-store": "file:billing",
    "step-1-action": "test.thing.retire",
    "step-1-locator": "test.thing:billing",
    "step-1-parameter-token_id": "tk-000000000000",
}
MOVE = {
    "order": "move_first",
    "step-0-wait-condition": "consumers_moved/0",
    "step-0-wait-person": "yes",
    "step-0-wait-within": "7200",
}


def test_a_person_plans_a_rotation_with_its_order_and_waits(
    alice: Browser, incident_id: UUID
) -> None:
    plain = alice.post("plan", incident_id, do="preview", **ROTATION)
    assert plain.status_code == 422
    assert "The order does not fit" in text_of(plain) and 'name="order"' in text_of(plain)
    unfit = alice.post("plan", incident_id, **ROTATION, order="move_first")
    assert unfit.status_code == 422 and "nothing waits until" in text_of(unfit)
    page = html.unescape(text_of(alice.post("plan", incident_id, **ROTATION, **MOVE)))
    assert "Move first:" in page and "Then a person decides whether it goes on." in page
    again = text_of(alice.post("plan", incident_id, do="edit", **ROTATION, **MOVE))
    assert 'value="consumers_moved/0" checked' in again
    assert '<option value="move_first" selected>' in again
    assert '<option value="7200" selected>' in again
    sent = {**ROTATION, **MOVE, "previewed": digest_in(page)}
    alice.post("plan", incident_id, do="submit", **sent)
    made = json.loads(bytes(m.Proposal.objects.get().plan))
    assert made["order"] == "move_first"
    assert made["steps"][0]["wait"] == {
        "conditions": [{"condition": "consumers_moved", "step": 0}],
        "person": True,
        "within_s": 7200,
    }


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"step-0-wait-within": ""}, "Choose how long it waits at most."),
        ({"step-0-wait-condition": "", "step-0-wait-within": "1"}, "This wait does not fit"),
        ({"step-0-wait-condition": "served_new/0"}, "This wait does not fit"),
        ({"order": "sideways"}, "Choose one of the list."),
    ],
)
def test_a_wait_that_does_not_fit_is_refused_at_its_place(
    alice: Browser, incident_id: UUID, typed: dict[str, str], says: str
) -> None:
    answer = alice.post("plan", incident_id, **{**ROTATION, **MOVE, **typed})
    assert answer.status_code == 422 and says in html.unescape(text_of(answer))


def test_a_wait_for_nothing_is_refused(alice: Browser, incident_id: UUID) -> None:
    answer = alice.post(
        "plan", incident_id, **ROTATION, order="cut_first", **{"step-1-wait-within": "600"}
    )
    assert answer.status_code == 422 and "Choose what it waits for." in text_of(answer)


def test_two_steps_on_one_target_can_be_added(alice: Browser, incident_id: UUID) -> None:
    page = text_of(alice.post("plan", incident_id, **ROTATION, do="edit"))
    assert 'name="step-1-locator" value="test.thing:billing"' in page


CONNECTED = {
    "step-0-action": "valkey.user.disable",
    "step-0-locator": "valkey.user:sessions/svc_cart",
    "step-0-parameter-end_connections": "no",
}


def test_one_press_adds_the_step_that_ends_what_stays_open(
    alice: Browser, incident_id: UUID
) -> None:
    typed = {**CONNECTED, "environment": "production", "rationale": WHY}
    page = html.unescape(text_of(alice.post("plan", incident_id, do="edit", **typed)))
    assert "Open connections keep working unless the step ends them" in page
    chosen = text_of(alice.post("plan", incident_id, do="end 0 end_connections", **typed))
    assert '<option value="yes" selected>' in chosen and "end 0 end_connections" not in chosen
    press = "end 0 valkey.user.end_connections"
    assert f'value="{press}"' in page
    added = html.unescape(text_of(alice.post("plan", incident_id, do=press, **typed)))
    assert 'name="step-1-action" value="valkey.user.end_connections"' in added
    assert 'name="step-1-locator" value="valkey.user:sessions/svc_cart"' in added
    assert re.search(r'name="step-1-parameter-begun_before"[^>]* value="20[^"]*Z"', added)
    assert press not in added
