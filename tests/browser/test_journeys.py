"""From one-time code to signed decision in Chromium, without one complaint of the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from playwright.sync_api import Locator, expect

from audit.tlog import bundle
from remediation import models as m
from remediation.services.actors import operator
from remediation.services.people import approvers
from remediation.services.reporting import submit
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.people import account, approver, come_in, say_yes
from tests.domain import record
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


def test_from_a_code_to_a_signed_approval(world: World, visit: Callable[[], Visitor]) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    alice.open("/invite/")
    alice.shoot("invite")
    come_in(alice, user)
    alice.shoot("queue")
    page = alice.page
    page.get_by_role("link", name="Record a call for test target t1").click()
    page.wait_for_url(f"**/proposals/{proposal_id}/")
    alice.shoot("review")
    approve = page.get_by_role("button", name="Approve")
    expect(approve).to_have_attribute("aria-disabled", "true")
    say_yes(alice)
    expect(approve).to_have_attribute("aria-disabled", "false")
    alice.shoot("review-decided")
    approve.click()
    page.wait_for_url("**/queue/")
    expect(page.get_by_text("Still waiting for: service owner")).to_be_visible()
    row = m.Review.objects.get(proposal_id=proposal_id)
    assert (row.person, row.slot, row.decision) == (user.person, "security", "approve")


def decide_yes(visitor: Visitor, proposal_id: UUID) -> None:
    page = visitor.open(f"/proposals/{proposal_id}/")
    say_yes(visitor)
    page.get_by_role("button", name="Approve").click()
    # The last approval leads to the run, an earlier one to the queue.
    page.wait_for_url(re.compile(r"/(queue|execution)/$"))


def test_from_sign_in_to_the_effect(world: World, visit: Callable[[], Visitor]) -> None:
    """Two people enrol, sign in and approve in two browsers; an operator puts their keys into the
    approvers file by fingerprint; only then, and only once, the worker calls the target."""
    proposal_id = world.in_review()
    world.approve_keys_of()
    alice, bob = visit(), visit()
    people = {
        alice: approver(world, "alice-c", "security"),
        bob: approver(world, "bob-c", "service_owner"),
    }
    for visitor, user in people.items():
        come_in(visitor, user)
        key = m.PasskeyEnrolment.objects.get(person=user.person).fingerprint
        (role,) = user.groups.values_list("name", flat=True)
        with acts("hitl_worker"):
            approvers.add(
                actor=operator(),
                path=Path(world.settings.APPROVERS_FILE),
                username=user.username,
                key=key,
                roles=(role,),
            )
    decide_yes(alice, proposal_id)
    world.execute(proposal_id)
    assert world.calls() == []
    decide_yes(bob, proposal_id)
    assert world.state_of(proposal_id) == "approved"
    world.execute(proposal_id)
    assert [call["call"] for call in world.calls()] == ["apply"]
    page = bob.open(f"/proposals/{proposal_id}/history/")
    expect(page.get_by_text("Succeeded", exact=True)).to_be_visible()
    assert world.state_of(proposal_id) == "succeeded"


def test_a18_enter_decides_nothing(world: World, visit: Callable[[], Visitor]) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    say_yes(alice)
    page.get_by_label("Yes, the action is right").press("Enter")
    page.get_by_role("button", name="Return").click()
    page.get_by_label("Reason", exact=True).press("Enter")
    page.keyboard.press("Escape")
    assert page.url.endswith(f"/proposals/{proposal_id}/")
    assert not m.ReviewSession.objects.filter(proposal_id=proposal_id).exists()


def test_what_is_missing_is_named_and_nothing_typed_is_lost(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    error = page.locator("[data-reason-error]")
    page.get_by_role("button", name="Reject").click()
    sign = page.get_by_role("button", name="Sign with your passkey")
    sign.click()
    expect(error).to_have_text("Answer the question on the diagnosis first.")
    page.get_by_label("No, I dispute the diagnosis").check()
    page.get_by_label("Yes, the scope is right").check()
    page.get_by_label("Yes, the action is right").check()
    sign.click()
    expect(error).to_have_text(
        "You cannot accept the action while you dispute the diagnosis or the scope."
    )
    page.get_by_label("No, I dispute the action").check()
    sign.click()
    expect(error).to_contain_text("Choose a reason from the list")
    page.locator("#reason-code").select_option("diagnosis_wrong")
    page.locator("#reason-text").fill("The address is ours: the new build host.")
    # The worker looks again: what the page shows is no longer what would be signed.
    world.assess(proposal_id, reason="drift")
    sign.click()
    expect(error).to_contain_text("was assessed again")
    alice.complaints.clear()  # Chromium reports each answer of 4xx; this 409 is the point
    page.get_by_role("link", name="Load the page again").click()
    expect(page.locator("#reason-text")).to_have_value("The address is ours: the new build host.")
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)


def test_a_page_says_by_itself_that_the_worker_looked_again(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    page.get_by_label("No, I dispute the diagnosis").check()
    world.assess(proposal_id, reason="drift")
    # The side of the page is read again every five seconds.
    expect(page.get_by_role("heading", name="Read again")).to_be_visible(timeout=20_000)
    expect(page.get_by_label("No, I dispute the diagnosis")).to_be_checked()


def test_a20_without_user_verification_nothing_is_signed(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    say_yes(alice)
    alice.verified(False)
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("[data-error]")).to_contain_text("The passkey was not used")
    assert not m.Review.objects.filter(proposal_id=proposal_id).exists()


def test_a21_a_second_passkey_asks_for_the_first(
    world: World, visit: Callable[[], Visitor]
) -> None:
    dave, user = visit(), account("dave-b", "security")
    come_in(dave, user)
    page = dave.open("/passkeys/")
    dave.shoot("passkeys")
    page.get_by_label("Name of the passkey").fill("Key in the drawer")
    dave.verified(False)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.locator("[data-error]").last).to_contain_text("The passkey was not used")
    assert m.PasskeyEnrolment.objects.filter(person=user.person).count() == 1


def test_the_pages_of_an_auditor(world: World, visit: Callable[[], Visitor]) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    carol, user = visit(), account("carol-b", "auditor")
    come_in(carol, user)
    for name, path in {
        "history": f"/proposals/{proposal_id}/history/",
        "audit-entries": "/audit/entries/",
        "audit-incidents": "/audit/incidents/",
        "incidents": "/incidents/",
    }.items():
        page = carol.open(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        carol.shoot(name)
    entry = carol.open("/audit/entries/").locator("tbody a").first
    entry.click()
    expect(carol.page.get_by_role("heading", name="Exact bytes")).to_be_visible()
    carol.shoot("audit-entry")


def test_the_admin_in_our_theme_draws_no_complaint(
    world: World, visit: Callable[[], Visitor]
) -> None:
    ed, user = visit(), account("ed-b", "staff", "inventory_editor", "agent_admin")
    come_in(ed, user)
    page = ed.open("/admin/")
    ed.shoot("admin")
    links = page.locator("#content-main a")
    addresses = {link.get_attribute("href") or "" for link in links.all()}
    for address in sorted(addresses):
        ed.open(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        ed.shoot(f"admin{address.replace('/', '-')}")


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_no_page_is_wider_than_its_window(
    world: World, visit: Callable[[], Visitor], width: int
) -> None:
    proposal_id: UUID = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    user.groups.add(Group.objects.get_or_create(name="auditor")[0])
    come_in(alice, user)
    alice.page.set_viewport_size({"width": width, "height": 800})
    incident = m.Proposal.objects.get(pk=proposal_id).incident_id
    paths = [
        "/queue/",
        f"/proposals/{proposal_id}/",
        f"/proposals/{proposal_id}/history/",
        "/incidents/",
        f"/incidents/{incident}/",
        "/passkeys/",
        "/audit/entries/",
        "/account/password/",
    ]
    wide = []
    for path in paths:
        alice.open(path)
        if alice.overflows():
            wide.append(path)
    assert wide == []


def test_an_auditor_verifies_an_entry_in_the_browser(
    world: World, visit: Callable[[], Visitor]
) -> None:
    """The page computes it from the bytes that it shows: one changed bit, and it says no."""
    proposal_id = world.approved()
    world.execute(proposal_id)
    carol = account("carol", "auditor")
    visitor = visit()
    come_in(visitor, carol)
    world.integrate()
    page = visitor.open(
        f"/audit/entries/?object=proposal:{proposal_id}&action=person:review:signed"
    )
    visitor.shoot("audit-entries")
    page.locator("tbody a").first.click()
    verdict = page.locator("[data-result]")
    expect(verdict).to_have_text("Verified: this entry is in the log that this key signed.")
    expect(page.locator("[data-steps] li")).to_have_count(3)
    visitor.shoot("audit-entry")
    page.evaluate(
        "(() => { const it = document.getElementById('entry-body');"
        " it.value = btoa(atob(it.value) + ' '); })()"
    )
    page.get_by_role("button", name="Verify again").click()
    expect(verdict).to_have_text("Not verified.")
    page.reload()
    key = page.get_by_label("Key of the log to verify with.")
    key.fill(str(record.signer(seed="other").vkey))
    key.blur()
    expect(verdict).to_have_text("Not verified.")
    expect(page.locator("[data-steps]")).to_contain_text("this key did not sign the head")
    visitor.shoot("audit-entry-fails")
    # Bytes that a page would change, by a taken-over web process.
    with factories.anybody_writes(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit.entry (body) VALUES (%s) RETURNING id",
            [b'\r{"a":\r"\xc3\xa9"}'],
        )
        (odd,) = cursor.fetchone()
    world.integrate()
    visitor.open(f"/audit/entries/{odd}/")
    expect(verdict).to_have_text("Verified: this entry is in the log that this key signed.")
    visitor.open("/audit/log/")
    visitor.shoot("audit-log")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Archive with proofs").click()
    assert taken.value.suggested_filename.endswith(".tar")
    incident = m.Proposal.objects.get(pk=proposal_id).incident
    visitor.open(f"/audit/incidents/{incident.pk}/")
    visitor.shoot("audit-record")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Evidence bundle").click()
    raw = Path(taken.value.path()).read_bytes()
    assert bundle.verify(raw, record.POLICY).incident == str(incident.pk)


def press(button: Locator) -> None:
    """By keyboard: Playwright does not click what is marked as disabled, people do."""
    button.focus()
    button.press("Enter")


def test_a18_a_failed_check_and_the_highest_risk_slow_the_hand(
    world: World, visit: Callable[[], Visitor]
) -> None:
    """Approve stays shut until the artefact was opened in the page and the name was typed."""
    user = approver(world, "alice-b", "security")
    service = m.Service.objects.get(versions__environment="production")
    factories.service_version(service, environment="production", payment_path=True)
    said = json.loads(world.report().diagnosis.body)
    said["claims"][0]["citations"][0]["value"] = "other"
    with acts(factories.WEB), transaction.atomic():
        made = submit.report(world.report(diagnosis=said), actor=world.agent)
    assert made.proposal_id is not None
    world.assess(made.proposal_id)
    alice = visit()
    come_in(alice, user)
    page = alice.open(f"/proposals/{made.proposal_id}/")
    say_yes(alice)
    approve = page.get_by_role("button", name="Approve", exact=True)
    error = page.locator("[data-error]")
    press(approve)
    expect(error).to_contain_text("First open each artefact")
    page.get_by_role("link", name="test log").first.click()
    expect(page.locator("details[data-opened] pre")).to_contain_text('"target"')
    expect(page.locator("[data-opened-count]")).to_have_text("1")
    press(approve)
    expect(error).to_contain_text("Type the target's name")
    page.get_by_label("type the name of the target").fill("t1")
    alice.shoot("review-critical")
    expect(approve).to_have_attribute("aria-disabled", "false")
    approve.click()
    page.wait_for_url("**/queue/")
    assert m.Review.objects.get(proposal=made.proposal_id).decision == "approve"


def test_a_suspicious_agent_is_stopped_from_the_page(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    page.get_by_text("Is something wrong with this agent?").click()
    page.get_by_label("What made you suspicious?").fill("It made up the log line.")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("heading", name="is suspended")).to_be_visible()
    alice.shoot("review-suspended")
    correction = alice.open(f"/proposals/{proposal_id}/correct/")
    expect(correction.get_by_label("Summary")).to_have_value("It is misused.")
    alice.shoot("correct")
