"""Deciding over HTTP: start, sign, and every way in which it is refused by name and on record."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from remediation import models as m
from remediation.domain import b64url
from remediation.services.reporting import submit
from remediation.services.review import sign
from remediation.services.review.old_page import Page
from tests import factories
from tests.factories import Person
from tests.flows.world import YES, World, acts
from tests.views.conftest import Answer, Browser, BrowserOf, may_review_everything, sign_in

NO = {"diagnosis": "no", "scope": "yes", "action": "no"}


def asked(**changes: Any) -> dict[str, Any]:
    return {
        "decision": "approve",
        "verdicts": YES,
        "reason": {"code": "", "text": ""},
        "slot": "security",
        "round": 1,
        **changes,
    }


def refused_as(answer: Answer) -> str:
    assert answer["Content-Type"] == "application/problem+json"
    return str(json.loads(answer.content)["name"])


def decide(
    browser: Browser, world: World, someone: Person, proposal_id: UUID, **changes: Any
) -> Any:
    """Start and sign as the page's script does; the last answer."""
    started = browser.send("review_start", proposal_id, body=asked(**changes))
    assert started.status_code == 200, started.content
    given = json.loads(started.content)
    answer = someone.passkey.authentication(
        b64url.decode(given["options"]["challenge"]), world.settings.RP_ID, world.settings.ORIGIN
    )
    return browser.send(
        "review_sign", proposal_id, body={"session": given["session"], "assertion": answer}
    )


def recorded(reason: str) -> list[dict[str, Any]]:
    rows = [entry.data for entry in Entry.objects.order_by("id")]
    return [row for row in rows if row["data"].get("refusal") == reason]


def test_two_people_approve_over_http(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = world.people["alice"], world.people["bob"]
    first = decide(browser_of(alice), world, alice, proposal_id)
    assert json.loads(first.content)["resolution"] is None
    last = decide(browser_of(bob), world, bob, proposal_id, slot="service_owner")
    # The last approval leads to the run.
    run = reverse("execution", args=[proposal_id])
    assert json.loads(last.content) == {"next": run, "resolution": "approved"}
    assert world.state_of(proposal_id) == "approved"


def test_after_deciding_the_next_one_opens(world: World, browser_of: BrowserOf) -> None:
    first = world.in_review()
    other = factories.proposal(environment="production")
    factories.assess(other, slots=["security"])
    may_review_everything(world.people["alice"])
    alice = world.people["alice"]
    browser = browser_of(alice)
    answer = decide(browser, world, alice, first)
    onward = json.loads(answer.content)["next"]
    assert onward == f"{reverse('queue_next')}?decided={first}"
    onward = browser.get("queue_next", decided=str(first))
    assert (onward.status_code, onward["Location"]) == (302, reverse("review", args=[other.pk]))


def test_a_reject_needs_a_reason_and_reaches_the_record(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    answer = alice.send("review_start", proposal_id, body=asked(decision="reject", verdicts=NO))
    assert (answer.status_code, refused_as(answer)) == (422, "reason_required")
    signed = decide(
        alice,
        world,
        world.people["alice"],
        proposal_id,
        decision="reject",
        verdicts=NO,
        reason={"code": "diagnosis_wrong", "text": "The address is the build host."},
    )
    assert json.loads(signed.content)["resolution"] == "rejected"


def test_a_round_that_moved_on_is_never_signed_unseen(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.assess(proposal_id, reason="drift")
    answer = browser_of(world.people["alice"]).send("review_start", proposal_id, body=asked())
    assert (answer.status_code, refused_as(answer)) == (409, "stale_digest")
    assert "options" not in json.loads(answer.content)
    assert json.loads(answer.content)["reload"] is True
    assert recorded("stale_digest")


def test_a11_the_agents_owner_is_refused_by_name_and_on_record(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    answer = browser_of(world.people["dave"]).send("review_start", proposal_id, body=asked())
    assert (answer.status_code, refused_as(answer)) == (403, "separation")
    assert world.refusals(proposal_id) == ["separation"]
    assert recorded("separation")[0]["actor"] == world.people["dave"].actor


def test_a13_a_superuser_has_no_power_by_being_one(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    root = factories.person()
    m.User.objects.filter(pk=root.user.pk).update(is_superuser=True, is_staff=True)
    browser = browser_of(root)
    answer = browser.send("review_start", proposal_id, body=asked())
    assert (answer.status_code, refused_as(answer)) == (404, "no_such_object")
    assert browser.get("review", proposal_id).status_code == 404


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"verdicts": {"diagnosis": "no", "scope": "yes", "action": "yes"}}, "verdicts_disagree"),
        ({"verdicts": {"diagnosis": "yes", "scope": "yes", "action": "no"}}, "verdicts_disagree"),
        ({"verdicts": {"diagnosis": "yes", "scope": "yes"}}, "missing_field"),
        ({"verdicts": {**YES, "more": "yes"}}, "unknown_field"),
        ({"verdicts": "yes"}, "wrong_type"),
        ({"decision": "force"}, "bad_value"),
        ({"slot": "service_owner"}, "slot_not_open"),
        ({"slot": 1}, "wrong_type"),
    ],
)
def test_what_cannot_be_decided_is_refused_by_name(
    world: World, proposal_id: UUID, browser_of: BrowserOf, changes: dict[str, Any], name: str
) -> None:
    answer = browser_of(world.people["alice"]).send(
        "review_start", proposal_id, body=asked(**changes)
    )
    assert refused_as(answer) == name
    assert not m.ReviewSession.objects.filter(proposal_id=proposal_id).exists()


def test_a10_one_person_decides_once_in_a_round(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    answer = browser_of(world.people["alice"]).send("review_start", proposal_id, body=asked())
    assert (answer.status_code, refused_as(answer)) == (409, "already_reviewed")


def test_a14_the_session_of_another_person_cannot_be_signed(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, mallory = world.people["alice"], world.people["mallory"]
    started = sign.start(
        actor=alice.user, proposal_id=proposal_id, page=Page(1), decision="approve",
        verdicts=YES, reason={"code": "", "text": ""}, slot="security",
    )  # fmt: skip
    answer = browser_of(mallory).send(
        "review_sign",
        proposal_id,
        body={"session": str(started.session_id), "assertion": world.assertion("alice", started)},
    )
    assert refused_as(answer) == "no_such_object"
    assert not m.Review.objects.exists()


def test_a20_an_assertion_is_taken_once(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    given = json.loads(alice.send("review_start", proposal_id, body=asked()).content)
    assertion = world.people["alice"].passkey.authentication(
        b64url.decode(given["options"]["challenge"]), world.settings.RP_ID, world.settings.ORIGIN
    )
    body = {"session": given["session"], "assertion": assertion}
    assert alice.send("review_sign", proposal_id, body=body).status_code == 200
    again = alice.send("review_sign", proposal_id, body=body)
    assert again.status_code == 409
    assert m.Review.objects.count() == 1


def test_an_id_that_is_none_is_refused_by_name(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    for session, name in (("x", "bad_value"), (str(uuid4()), "no_such_object")):
        body = {"session": session, "assertion": {}}
        assert refused_as(alice.send("review_sign", proposal_id, body=body)) in (name, "bad_value",
            "missing_field")  # fmt: skip


def test_who_is_not_signed_in_gets_401_and_no_redirect(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    answer = browser_of(None).send("review_start", proposal_id, body=asked())
    assert (answer.status_code, refused_as(answer)) == (401, "not_authenticated")


def test_a17_a_form_of_another_site_cannot_decide(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    """A form sends no JSON content type; and without the token even that is refused."""
    alice = browser_of(world.people["alice"])
    answer = alice.post("review_start", proposal_id, decision="approve")
    assert (answer.status_code, refused_as(answer)) == (400, "malformed_json")
    careful = Client(enforce_csrf_checks=True)
    sign_in(careful, world.people["alice"].user)
    address = reverse("review_start", args=[proposal_id])
    blocked = careful.post(address, json.dumps(asked()), content_type="application/json")
    assert blocked.status_code == 403
    assert not m.ReviewSession.objects.exists()


def test_asking_to_observe_again_is_on_record_and_opens_no_round_by_itself(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    assert alice.act("observe", proposal_id).status_code == 302
    assert m.ObservationRequest.objects.get().person == world.people["alice"].id
    assert world.get(proposal_id).round == 1
    page = alice.get("review", proposal_id).content.decode()
    assert "Requested, waiting for the worker" in page


def test_asking_to_observe_again_is_for_those_who_may_review(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    carol = factories.person(roles=["auditor"])
    answer = browser_of(carol).act("observe", proposal_id)
    assert answer.status_code == 403
    assert "only people who may review may ask" in answer.content.decode()
    assert not m.ObservationRequest.objects.exists()


# ---- what a hasty approval is asked --------------------------------------------------------------


def misquoting(world: World) -> UUID:
    """A proposal whose one citation is wrong, so that a check fails."""
    said = json.loads(world.report().diagnosis.body)
    said["claims"][0]["citations"][0]["value"] = "other"
    told = world.report(diagnosis=said)
    with acts(factories.WEB), transaction.atomic():
        submitted = submit.report(told, actor=world.agent)
    assert submitted.proposal_id is not None
    world.assess(submitted.proposal_id)
    return submitted.proposal_id


def test_a18_after_a_failed_check_the_cited_artefacts_have_to_be_opened(
    world: World, browser_of: BrowserOf
) -> None:
    proposal_id = misquoting(world)
    alice = browser_of(world.people["alice"])
    may_review_everything(world.people["alice"])
    for opened in ([], ["0" * 64]):
        answer = alice.send("review_start", proposal_id, body=asked(opened=opened))
        assert (answer.status_code, refused_as(answer)) == (422, "evidence_not_opened")
    assert recorded("evidence_not_opened")
    wanted = world.conditions(proposal_id).artefacts
    answer = alice.send("review_start", proposal_id, body=asked(opened=list(wanted)))
    assert answer.status_code == 200
    begun = [
        e.data for e in Entry.objects.order_by("id") if e.data["action"] == "person:review:started"
    ]
    assert begun[-1]["data"]["opened"] == list(wanted)


def test_a18_a_no_needs_no_opening(world: World, browser_of: BrowserOf) -> None:
    reason = {"code": "diagnosis_wrong", "text": "It is not what stands there."}
    body = asked(decision="reject", verdicts=NO, reason=reason)
    answer = browser_of(world.people["alice"]).send("review_start", misquoting(world), body=body)
    assert answer.status_code == 200


def test_a18_at_the_highest_risk_the_name_has_to_be_typed(
    world: World, browser_of: BrowserOf
) -> None:
    service = m.Service.objects.get(versions__environment="production")
    factories.service_version(service, environment="production", payment_path=True)
    proposal_id = world.in_review()
    alice = browser_of(world.people["alice"])
    page = alice.get("review", proposal_id).content.decode()
    assert 'data-name="t1"' in page
    for typed in ([], ["t2"], ["T1"], ["t1", "t1"]):
        answer = alice.send("review_start", proposal_id, body=asked(typed=typed))
        assert (answer.status_code, refused_as(answer)) == (422, "name_not_typed")
    assert alice.send("review_start", proposal_id, body=asked(typed=["t1"])).status_code == 200


@pytest.mark.parametrize("wrong", ["t1", [1], {"a": 1}, ["x"] * 300])
def test_what_is_no_list_of_texts_is_refused(
    world: World, proposal_id: UUID, browser_of: BrowserOf, wrong: Any
) -> None:
    for key in ("opened", "typed"):
        answer = browser_of(world.people["alice"]).send(
            "review_start", proposal_id, body=asked(**{key: wrong})
        )
        assert answer.status_code == 400


def test_an_agent_is_reported_from_the_page(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    assert alice.get("report_agent", proposal_id).status_code == 405
    answer = alice.act("report_agent", proposal_id, reason="short")
    assert answer.status_code == 422
    assert "short" in answer.content.decode()  # nothing typed is lost
    answer = alice.act("report_agent", proposal_id, reason="It made up the evidence.")
    assert answer.status_code == 302
    page = alice.get("review", proposal_id).content.decode()
    assert "is suspended" in page and "report-agent" not in page
    answer = alice.send("review_start", proposal_id, body=asked())
    assert refused_as(answer) == "agent_disabled"


# The first is refused before anybody asks who may see it.
@pytest.mark.parametrize("body", [{"no": "field"}, asked()])
def test_a12_what_a_stranger_is_refused_is_no_line_of_the_proposals_history(
    world: World, proposal_id: UUID, browser_of: BrowserOf, body: dict[str, Any]
) -> None:
    stranger = factories.person()
    answer = browser_of(stranger).send("review_start", proposal_id, body=body)
    assert answer.status_code in (400, 404)
    assert world.refusals(proposal_id) == []
    said = Entry.objects.order_by("-id")[0].data
    assert said["actor"] == stranger.actor
    assert said["object"].startswith("address:")
