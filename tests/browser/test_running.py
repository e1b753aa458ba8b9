"""A run in Chromium: live progress by a real worker process, a halt, and the end; no complaint."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from remediation import models as m
from remediation.domain import b64url
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.models import PasskeyEnrolment
from tests.browser import axe
from tests.browser.chromium import SHOTS, Visitor
from tests.browser.people import approver, come_in
from tests.flows.test_crashes import PATIENCE_S, Start, start, wait_for
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
__all__ = ["start"]  # a fixture
SOON = 15_000
# What a step ended, wider than a page.
WIDE = {f"column {n}": f"registry.example/payout-runner:{n}" for n in range(9)}


@pytest.fixture
def world(tmp_path: Path, settings: Settings, origin: str) -> World:
    return World(tmp_path, settings, ("t1", "t2", "t3"), "production")


@pytest.fixture
def pauses(world: World) -> dict[str, Path]:
    """As long as its file exists, the step on that target does not return."""
    files = {name: world.directory / f"wait-{name}" for name in ("t1", "t2")}
    for path in files.values():
        path.touch()
    played = {name: {"wait_after_apply": str(path)} for name, path in files.items()}
    world.inject(played | {"t3": {"traces": json.dumps({"pods": [WIDE]})}})
    return files


def accessible(visitor: Visitor) -> None:
    """axe-core finds nothing on the page that is open, in both themes."""
    for theme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert axe.violations(visitor) == []
    visitor.page.emulate_media(color_scheme="light")


def on_paper(visitor: Visitor, name: str) -> None:
    """A picture of the page as it is printed."""
    if SHOTS:
        visitor.page.emulate_media(media="print")
        visitor.page.set_viewport_size({"width": 794, "height": 1123})
        visitor.page.screenshot(path=str(Path(SHOTS) / f"{name}-print.png"), full_page=True)
        visitor.page.emulate_media(media="screen")
        visitor.page.set_viewport_size({"width": 1440, "height": 900})


def approve_key_of(world: World, user: m.User) -> None:
    """As the operator does: the key that this person enrolled goes into the approvers file too."""
    path = Path(world.settings.APPROVERS_FILE)
    known, key = (
        Approvers.parse(path.read_bytes()),
        PasskeyEnrolment.objects.get(person=user.person),
    )
    mine = Approver(
        person=str(user.person),
        credential_id=b64url.encode(bytes(key.credential_id)),
        cose_key=b64url.encode(bytes(key.cose_key)),
        rp_id=world.settings.RP_ID,
        origin=world.settings.ORIGIN,
        roles=("security",),
        since=datetime.now(UTC) - timedelta(days=1),
        until=None,
    )
    path.write_bytes(Approvers((*known.entries, mine)).dump())


def test_a_run_is_watched_and_halted_between_two_steps(
    world: World, visit: Callable[[], Visitor], start: Start, pauses: dict[str, Path]
) -> None:
    proposal_id = world.approved()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url))
    page = alice.open(f"/proposals/{proposal_id}/execution/")
    expect(page.get_by_role("heading", name="Waiting for a worker")).to_be_visible()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pauses['t1']}.here"))
    # Nobody loads the page again: it moves by itself, and the form comes.
    expect(page.locator("#step-1 .pill").first).to_have_text("being applied", timeout=SOON)
    reason = page.get_by_label("Reason")
    expect(reason).to_be_visible()
    # What a halt would do stands there, by step, before anything is signed.
    expect(page.locator("#halt-keeps")).to_contain_text("Stays:Record a call for test target t1.")
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    page.get_by_role("radio", name="Stop and undo").check()
    reason.fill("It is the key of the ")
    pauses["t1"].unlink()
    wait_for(Path(f"{pauses['t2']}.here"))
    expect(page.locator("#step-1 .pill").first).to_have_text("applied and verified", timeout=SOON)
    expect(page.locator("#step-2 .pill").first).to_have_text("being applied", timeout=SOON)
    expect(page.locator("#halt-keeps")).to_contain_text(
        "Never starts:Record a call for test target t3."
    )
    # What is being typed is not lost when the page moves.
    expect(reason).to_have_value("It is the key of the ")
    expect(reason).to_be_focused()
    accessible(alice)
    alice.shoot("execution-running")
    reason.focus()
    reason.press_sequentially("build host.")
    approve_key_of(world, user)
    # A passkey that does not recognise the person halts nothing, and loses no word.
    alice.verified(False)
    page.get_by_role("button", name="Halt before the next step").click()
    expect(page.locator("#halt [data-error]")).to_contain_text("The passkey was not used")
    expect(reason).to_have_value("It is the key of the build host.")
    assert not m.Halt.objects.exists()
    alice.verified(True)
    page.get_by_role("button", name="Halt before the next step").click()
    expect(page.get_by_role("heading", name="Halt signed by alice-b")).to_be_visible()
    assert m.Halt.objects.get().reason == "It is the key of the build host."
    alice.shoot("execution-halted")
    accessible(alice)
    pauses["t2"].unlink()
    assert worker.wait(PATIENCE_S) == 0
    expect(page.get_by_role("heading", name="Halted by alice-b")).to_be_visible(timeout=SOON)
    # The headline moves with the run, and no flash of the halt stays behind.
    expect(page.get_by_role("heading", level=1)).to_contain_text("Undone.", timeout=SOON)
    expect(page.locator(".messages")).to_have_count(0)
    expect(page.get_by_text("A person halted the run between two steps.")).to_be_visible(
        timeout=SOON
    )
    for number, words in ((1, "rolled back"), (2, "rolled back"), (3, "not begun")):
        expect(page.locator(f"#step-{number} .pill").first).to_have_text(words)
    assert [(call["call"], call["target"]) for call in world.calls()] == [
        ("apply", "t1"), ("apply", "t2"), ("rollback", "t2"), ("rollback", "t1"),
    ]  # fmt: skip
    # It is over, so nothing is asked for any more.
    expect(page.locator("#progress[hx-get]")).to_have_count(0)
    asked.clear()
    page.wait_for_timeout(2_500)
    assert asked == []
    accessible(alice)
    alice.shoot("execution-ended")
    on_paper(alice, "execution-ended")


def test_a_run_that_succeeds_is_watched_to_its_end_at_every_width(
    world: World, visit: Callable[[], Visitor], start: Start, pauses: dict[str, Path]
) -> None:
    proposal_id = world.approved()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/execution/")
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pauses['t1']}.here"))
    expect(page.get_by_label("Reason")).to_be_visible(timeout=SOON)
    for path in pauses.values():
        path.unlink()
    assert worker.wait(PATIENCE_S) == 0
    expect(page.locator("#outcome").get_by_text("3 of 3 steps confirmed")).to_be_visible(
        timeout=SOON
    )
    # Who cannot see it is told: the region stays, its words change.
    expect(page.get_by_role("status")).to_have_text(
        "All 3 steps are done and confirmed. 3 of 3 steps confirmed."
    )
    expect(page.get_by_label("Reason")).to_have_count(0)
    page.get_by_text("What was there before this step ended it").click()
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert not alice.overflows()
    accessible(alice)
    page.emulate_media(media="print")
    # On paper every step stands whole, and nothing that only a screen can do.
    expect(page.locator(".runstep")).to_have_count(3)
    expect(page.locator(".topbar")).to_be_hidden()
    page.emulate_media(media="screen")
    alice.shoot("execution-succeeded")


def test_a_review_is_opened_again_and_what_changed_is_read(
    world: World, visit: Callable[[], Visitor]
) -> None:
    """From the history to the page as it was; the next version beside it; at every width, and on
    paper, where nothing is folded away."""
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.set_state("t1", "off")
    world.assess(proposal_id, reason="drift")
    carol, user = visit(), approver(world, "carol-b", "security")
    come_in(carol, user)
    page = carol.open(f"/proposals/{proposal_id}/history/")
    accessible(carol)
    carol.shoot("history-links")
    page.get_by_role("link", name="See what was reviewed and signed").click()
    name = world.people["alice"].user.username
    expect(page.get_by_role("heading", name=f"What {name} saw and signed")).to_be_visible()
    expect(page.get_by_text("Verified.", exact=True)).to_be_visible()
    expect(page.locator("[data-proof]")).to_have_count(6)
    expect(page.locator("[data-proof] [aria-label='not the same']")).to_have_count(0)
    expect(page.locator("main form")).to_have_count(0)
    carol.shoot("reopened")
    on_paper(carol, "reopened")
    paths = [page.url.removeprefix(carol.origin), f"/proposals/{proposal_id}/changes/"]
    for path in paths:
        carol.open(path)
        accessible(carol)
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            assert not carol.overflows(), (path, width)
        page.emulate_media(media="print")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator(".topbar")).to_be_hidden()
        for block in page.locator("main pre").all():
            expect(block).to_be_visible()
        page.emulate_media(media="screen")
    expect(page.get_by_text("Round 1 to round 2")).to_be_visible()
    carol.shoot("changes")
    on_paper(carol, "changes")
