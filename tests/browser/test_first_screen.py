"""The decision in one screen, measured in Chromium for every proposal of the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from hitlportal.demo.servers.ledger import LOGINS
from remediation import models as m
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.conftest import Come
from tests.browser.demo_world import DemoTargets, DemoWorld, demo_targets
from tests.browser.people import approver, come_in
from tests.executors import install
from tests.flows.world import World
from tests.servers import addresses

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

# What must be in sight without scrolling: the three questions with both answers, and the buttons.
IN_SIGHT = "#decision .actions button, .verdict, .verdict label"
MOST_HIGH = 3_000
OUTSIDE = """(selector) => [...document.querySelectorAll(selector)].filter((each) => {
  const box = each.getBoundingClientRect();
  const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return box.top < 0 || box.left < 0 || box.bottom > innerHeight || box.right > innerWidth ||
    !seen || !(each.contains(seen) || seen.contains(each));
}).map((each) => each.textContent.trim())"""
# A click on a label is one for the person and two for the page.
COUNT = """document.addEventListener("pointerdown", () => {
  sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1;
}, true)"""


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoTargets]:
    with demo_targets(tmp_path_factory.mktemp("demo"), addresses()) as made:
        yield made


@pytest.fixture
def demo(world: World, targets: DemoTargets) -> DemoWorld:
    return DemoWorld(world, targets)


def test_other_tests_keep_their_logins_at_the_shared_cluster(targets: DemoTargets) -> None:
    for name in LOGINS:
        psycopg.connect(install.login(addresses().target, name)).close()


def measured(page: Page) -> dict[str, Any]:
    return {
        "outside": page.evaluate(OUTSIDE, IN_SIGHT),
        "found": page.locator(".verdict").count(),
        "buttons": page.locator("#decision .actions button").count(),
        "preselected": page.locator("input:checked[form=decision]").count(),
        "high": page.evaluate("document.documentElement.scrollHeight") <= MOST_HIGH,
    }


def test_every_proposal_of_the_demo_is_decided_on_one_screen(demo: DemoWorld, come: Come) -> None:
    """Questions and buttons lie inside 1440 x 900; the largest report is a page of 3,000 pixels.
    No page is wider than its window, and each shows the whole of the plan's bytes."""
    alice = come(demo.person("alice"))
    for name, proposal_id in demo.proposals().items():
        alice.page.set_viewport_size({"width": 1440, "height": 900})
        page = alice.open(f"/proposals/{proposal_id}/")
        found = measured(page)
        assert found == {
            "outside": [], "found": 3, "buttons": 3, "preselected": 0, "high": True,
        }, name  # fmt: skip
        shown = page.locator("#plan-bytes")
        expect(shown).to_be_visible()
        assert shown.text_content() == bytes(demo.world.get(proposal_id).plan).decode()
        for width in (900, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert not alice.overflows(), (name, width)
            # The buttons are at hand at every width.
            assert page.evaluate(OUTSIDE, "#decision .actions button") == [], (name, width)
        alice.shoot(f"first-{name}")


def test_the_first_tile_shows_what_the_evidence_says_at_the_pointer(
    demo: DemoWorld, come: Come
) -> None:
    alice = come(demo.person("alice"))
    page = alice.open(f"/proposals/{demo.proposals()['leak']}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Disable 3 PostgreSQL roles on ledger"
    )
    expect(page.locator(".quotes li")).to_have_text('"user": "svc_checkout"')
    expect(page.locator("#tile-action")).to_contain_text("svc_shipping")
    expect(page.locator("#tile-checks")).to_contain_text("The evidence contains secrets")
    expect(page.locator("#rail")).to_contain_text("Security waiting for alice")


def test_a_simple_proposal_takes_four_clicks_and_one_passkey(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    page.evaluate(COUNT)
    expect(page.locator("[data-hint]")).to_have_text("Still needed: 3 answers")
    for key in ("diagnosis", "scope", "action"):
        page.locator(f"#verdict-{key}").get_by_text("Yes").click()
    expect(page.locator("[data-hint]")).to_contain_text("Ready.")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/queue/")
    assert page.evaluate("sessionStorage.clicks") == "4"
    assert m.Review.objects.get(proposal_id=proposal_id).decision == "approve"


def test_keys_decide_and_enter_never_does(world: World, visit: Callable[[], Visitor]) -> None:
    """A question takes its digit and y or n: one slip of a finger answers nothing (A18)."""
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    page.keyboard.press("y")
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    alice.shoot("review-keys")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    # As if the focus had not yet left the dialog.
    inside = page.locator("#keys button").first
    for key in "1y":
        inside.dispatch_event("keydown", {"key": key, "bubbles": True})
    expect(page.locator("input[type=radio]:checked")).to_have_count(1)
    for digit in "123":
        page.keyboard.press(digit)
        page.keyboard.press("y")
    expect(page.locator("input[type=radio]:checked")).to_have_count(3)
    page.keyboard.press("Enter")
    page.locator("#verdict-action input").first.press("Enter")
    assert not m.ReviewSession.objects.exists()
    page.keyboard.press("a")
    page.wait_for_url("**/queue/")
    assert m.Review.objects.get(proposal_id=proposal_id).decision == "approve"


def test_keys_can_be_switched_off(world: World, come: Come) -> None:
    """WCAG 2.2, 2.1.4: single-character keys can be turned off."""
    proposal_id = world.in_review()
    page = come(world.people["alice"].user).open(f"/proposals/{proposal_id}/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.get_by_label("Use single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("1")
    page.keyboard.press("y")
    page.keyboard.press("r")
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    expect(page.locator("#reason-panel")).to_be_hidden()


def test_after_a_failed_check_only_what_policy_asks_is_asked(
    demo: DemoWorld, visit: Callable[[], Visitor]
) -> None:
    """The cited artefacts and the name; what is missing stands beside the button."""
    proposal_id = demo.proposals()["key"]
    wanted = demo.world.conditions(proposal_id)
    alice = visit()
    come_in(alice, demo.person("alice"))
    page = alice.open(f"/proposals/{proposal_id}/")
    hint = page.locator("[data-hint]")
    number = len(wanted.artefacts)
    expect(hint).to_have_text(f"Still needed: 3 answers, open {number} artefacts, type the name")
    for digit in "123":
        page.keyboard.press(digit)
        page.keyboard.press("y")
    for opened in range(1, number + 1):
        page.keyboard.press("o")
        expect(page.locator("[data-opened-count]")).to_have_text(str(opened))
    expect(hint).to_have_text("Still needed: type the name")
    page.keyboard.press("a")
    expect(page.locator("[data-error]")).to_have_text("Type the target's name exactly.")
    page.keyboard.type(wanted.names[0])
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url(lambda url: str(proposal_id) not in url)
    assert m.Review.objects.get(proposal_id=proposal_id).decision == "approve"


def test_the_reason_opens_at_the_button_and_nothing_typed_is_lost(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/")
    panel = page.get_by_role("region", name="Return it to the agent")
    page.keyboard.press("t")
    expect(panel).to_be_visible()
    page.locator("#reason-code").select_option("evidence_missing")
    page.get_by_label("Explanation").fill("Which host was it? The log names none.")
    alice.shoot("review-return")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="Return", exact=True)).to_be_focused()
    for digit, answer in (("1", "n"), ("2", "y"), ("3", "n")):
        page.keyboard.press(digit)
        page.keyboard.press(answer)
    page.keyboard.press("t")
    page.get_by_role("button", name="Sign with your passkey").click()
    page.wait_for_url("**/queue/")
    signed = m.Review.objects.get(proposal_id=proposal_id)
    assert signed.decision == "return"
    assert "names none" in bytes(signed.statement).decode()


def test_the_secrets_of_an_artefact_can_be_revealed_from_the_page(
    demo: DemoWorld, come: Come
) -> None:
    """With scripts on, the form of the artefact's own page is one link away."""
    alice = come(demo.person("alice"))
    alice.holds(factories.passkey_of(demo.person("alice")))
    page = alice.open(f"/proposals/{demo.proposals()['leak']}/")
    page.get_by_text("Artefacts", exact=True).click()
    page.get_by_text("Open the whole artefact").click()
    expect(page.locator("details[data-opened] .masked")).to_have_count(3)
    page.get_by_role("link", name="Reveal the secrets").click()
    page.get_by_text("Reveal, with a reason on record").click()
    page.get_by_label("Why you need to see them").fill("To tell the owner which password it is.")
    page.get_by_role("button", name="Show the secrets").click()
    expect(page.get_by_role("heading", name="Revealed: 3 secrets")).to_be_visible()


def test_the_next_proposal_is_one_key_away(demo: DemoWorld, come: Come) -> None:
    found = demo.proposals()
    alice = come(demo.person("alice"))
    page = alice.open(f"/proposals/{found['role']}/")
    page.keyboard.press("u")
    page.wait_for_url(lambda url: "/proposals/" in url and str(found["role"]) not in url)
