"""The queue in Chromium: keys, filters in the address, and a refresh that moves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from remediation import models as m
from remediation.services.review import presence
from tests import factories
from tests.browser import axe
from tests.browser.conftest import Come, Visit
from tests.browser.people import approver, come_in
from tests.flows.world import World
from tests.views.conftest import may_review_everything

pytestmark = pytest.mark.django_db(transaction=True)


# Not while an earlier poll is on its way: htmx would drop this one, and that one's answer is older.
# The answer is swapped before "afterRequest" is seen here, and settled 20 ms later.
POLL = """async () => {
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    const list = () => document.getElementById("queue");
    while (list().classList.contains("htmx-request")) await pause(10);
    await new Promise((done, failed) => {
        const seen = (event) => {
            if (event.detail.elt.id !== "queue") return;
            document.removeEventListener("htmx:afterRequest", seen);
            done();
        };
        document.addEventListener("htmx:afterRequest", seen);
        htmx.trigger("#queue", "back");
        setTimeout(() => failed(new Error("the poll was not answered")), 60000);
    });
    await pause(50);
}"""


def lead() -> m.User:
    return factories.person(roles=["lead", "security"]).user


def several(count: int, **said: Any) -> list[m.Proposal]:
    made = [factories.proposal(**said) for _ in range(count)]
    for one in made:
        factories.assess(one)
    return made


def poll(page: Page) -> None:
    """What the page does by itself every fifteen seconds, now; until its answer is there."""
    page.evaluate(POLL)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def order(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.queuerow')]"
        ".filter((row) => row.checkVisibility()).map((row) => row.id)"
    )
    return found


def test_pictures(world: World, come: Come) -> None:
    world.in_review()
    several(2)
    agent = factories.agent()
    token = factories.token(agent)
    same = [factories.proposal("same", agent=agent, token=token) for _ in range(4)]
    for one in same:
        factories.assess(one)
    factories.proposal()
    factories.proposal_at("approved")
    factories.proposal_at("succeeded")
    user = lead()
    other = factories.person("hanna", roles=["lead"])
    presence.look(other.id, same[0].pk)
    visitor = come(user)
    page = visitor.open("/queue/")
    page.locator(".behind summary").first.click()
    visitor.shoot("queue-all")
    page.locator(".queuerow").first.focus()
    page.keyboard.press("?")
    visitor.shoot("queue-keys")
    page.keyboard.press("Escape")
    visitor.open("/queue/?state=review&risk=low&q=mis&show=services")
    page.locator(".keep summary").click()
    visitor.shoot("queue-filtered")


def test_a_proposal_is_taken_by_a_key_and_the_page_is_accessible(world: World, come: Come) -> None:
    several(2, in_inventory=True)
    returned = world.in_review()
    world.decide("alice", returned)
    world.decide("bob", returned, "return")
    soon = factories.proposal()
    factories.assess(soon, decide_by=datetime.now(UTC) + timedelta(minutes=4))
    factories.incident(factories.agent(), "test.target:t9", title="A key without a plan")
    visitor = come(lead())
    page = visitor.open("/queue/")
    expect(page.locator("#group-plan")).to_contain_text("Needs a plan")
    expect(page.locator(".figures")).to_contain_text("Due in 5 minutes")
    first = order(page)[0]
    page.keyboard.press("j")
    page.keyboard.press("t")
    expect(page.get_by_text("It is yours now.")).to_be_visible()
    line = page.locator(f"#{first}").locator("..")
    expect(line.locator(".owner")).to_have_text("you")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert axe.violations(visitor) == []
    page.emulate_media(color_scheme="light")
    visitor.shoot("queue-lines")
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert not visitor.overflows(), width


def test_duplicates_are_returned_with_a_signature_for_each(world: World, visit: Visit) -> None:
    """One form, and one passkey for each statement (docs/attacks.md A18)."""
    kept = world.in_review()
    twins = [factories.proposal("t1", environment="production") for _ in range(3)]
    for one in twins:
        factories.assess(one, slots=["security"])
    alice, user = visit(), approver(world, "alice-b", "security")
    someone = factories.Person(user, world.people["alice"].passkey)
    may_review_everything(someone)
    come_in(alice, user)
    page = alice.open(f"/queue/duplicates/{kept}/")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert axe.violations(alice) == []
    page.emulate_media(color_scheme="light")
    alice.shoot("queue-duplicates")
    for name in ("Is the diagnosis right?", "Is the scope right?"):
        page.get_by_role("group", name=name).get_by_label("Yes").check()
    page.get_by_role("group", name="Is the action right?").get_by_label("No").check()
    page.get_by_label("Reason").select_option("other")
    page.get_by_label("In your words").fill("It repeats another proposal.")
    page.get_by_role("button", name="Return the selected ones").click()
    expect(page.get_by_text("Choose at least one proposal.")).to_be_visible()
    assert not m.Review.objects.exists()
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(3)
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Return the selected ones").click()
    page.wait_for_url("**/queue/")
    rows = list(m.Review.objects.order_by("pk"))
    assert [row.decision for row in rows] == ["return", "return"]
    # Each signed a statement of its own: other proposal, other nonce, other challenge.
    assert len({bytes(row.statement) for row in rows}) == 2
    assert len({row.proposal_id for row in rows}) == 2
    assert {row.person for row in rows} == {user.person}


def test_keys_go_through_the_queue_and_open_a_proposal(world: World, come: Come) -> None:
    several(3)
    visitor = come(lead())
    page = visitor.open("/queue/")
    rows = order(page)
    assert len(rows) == 3
    for key, at in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        assert focused(page) == rows[at]
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/proposals/{rows[1].removeprefix('row-')}/")


def test_no_key_is_taken_from_what_is_typed(world: World, come: Come) -> None:
    several(1)
    visitor = come(lead())
    page = visitor.open("/queue/")
    page.keyboard.press("j")
    page.keyboard.press("/")
    assert focused(page) == "find"
    page.keyboard.type("jk?/x")
    expect(page.locator("#find")).to_have_value("jk?/x")
    expect(page.locator("#keys")).not_to_be_visible()
    page.keyboard.press("Escape")
    assert focused(page) == order(page)[0], "back where the keys were"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).not_to_be_visible()
    # As if the focus had not yet left the dialog.
    page.locator("#keys button").dispatch_event("keydown", {"key": "?", "bubbles": True})
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    # Who speaks to the computer, or types with help, turns single keys off (WCAG 2.1.4).
    page.get_by_label("Use single-key shortcuts in the queue").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).not_to_be_visible()
    page.locator("#main").focus()
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(page.locator("#keys")).not_to_be_visible()
    assert focused(page) == "main"
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("#keys")).not_to_be_visible()
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_filters_stand_in_the_address_and_survive_reload_and_back(world: World, come: Come) -> None:
    world.in_review()
    several(2)
    visitor = come(lead())
    page = visitor.open("/queue/")
    page.get_by_label("Risk").select_option("high")
    page.wait_for_url("**/queue/?risk=high")
    assert len(order(page)) == 1
    page.locator("#find").fill("t1")
    page.locator("#find").press("Enter")
    page.wait_for_url("**/queue/?q=t1&risk=high")
    page.reload()
    expect(page.locator("#find")).to_have_value("t1")
    expect(page.get_by_label("Risk")).to_have_value("high")
    assert len(order(page)) == 1
    page.go_back()
    page.wait_for_url("**/queue/?risk=high")
    expect(page.locator("#find")).to_have_value("")
    expect(page.get_by_label("Risk")).to_have_value("high")
    page.go_back()
    page.wait_for_url("**/queue/")
    expect(page.get_by_label("Risk")).to_have_value("")
    assert len(order(page)) == 3
    page.go_forward()
    page.wait_for_url("**/queue/?risk=high")
    page.get_by_role("link", name="Waiting for me").click()
    page.wait_for_url("**/queue/?show=mine&risk=high")
    page.get_by_label("Environment").select_option("staging")
    page.wait_for_url("**/queue/?show=mine&risk=high&environment=staging")
    expect(page.get_by_role("heading", name="No match")).to_be_visible()
    page.get_by_role("link", name="Clear all").click()
    page.wait_for_url("**/queue/")


def test_a_refresh_keeps_focus_place_and_open_groups(world: World, come: Come) -> None:
    several(20)
    agent = factories.agent()
    token = factories.token(agent)
    for _ in range(3):
        factories.assess(factories.proposal("same", agent=agent, token=token))
    visitor = come(lead())
    page = visitor.open("/queue/")
    page.locator(".behind summary").click()
    rows = order(page)
    page.locator(f"#{rows[12]}").focus()
    page.evaluate("(id) => document.getElementById(id).scrollIntoView({block: 'center'})", rows[12])
    where = "(id) => document.getElementById(id).getBoundingClientRect().top"
    before = page.evaluate(where, rows[12])
    urgent = world.in_review()
    poll(page)
    assert order(page)[0] == f"row-{urgent}"
    assert focused(page) == rows[12]
    assert abs(page.evaluate(where, rows[12]) - before) <= 1
    assert page.locator(".behind[open]").count() == 1
    # The row with the focus goes: the next one closes the gap and has the focus; nothing jumps.
    gone = m.Proposal.objects.get(pk=rows[12].removeprefix("row-"))
    shown = order(page)
    after = shown[shown.index(rows[12]) + 1]
    before = page.evaluate(where, rows[12])
    factories.move(gone, "withdrawn", login="hitl_web", actor=gone.agent.actor)
    poll(page)
    assert focused(page) == after
    assert rows[12] in order(page)[-1:], "it stands among what has ended"
    assert abs(page.evaluate(where, after) - before) <= 1
    assert page.evaluate("scrollY") > 0


def test_a_refresh_waits_while_text_is_selected(world: World, come: Come) -> None:
    several(2)
    visitor = come(lead())
    page = visitor.open("/queue/")
    first = order(page)[0]
    page.evaluate(
        "(id) => getSelection().selectAllChildren(document.querySelector(`#${id} .sentence`))",
        first,
    )
    chosen = page.evaluate("getSelection().toString()")
    assert chosen
    urgent = world.in_review()
    poll(page)
    assert page.evaluate("getSelection().toString()") == chosen
    assert f"row-{urgent}" not in order(page)
    page.evaluate("getSelection().removeAllRanges()")
    poll(page)
    assert order(page)[0] == f"row-{urgent}"


def test_the_tab_counts_what_waits_and_says_so_once(world: World, come: Come) -> None:
    someone = factories.person(roles=["security"])
    factories.grant(someone.user, "review_service", m.Service.objects.get())
    visitor = come(someone.user)
    page = visitor.open("/queue/")
    expect(page).to_have_title("Queue · hitlportal")
    world.in_review()
    poll(page)
    expect(page).to_have_title("(1) Queue · hitlportal")
    expect(page.locator("#changed")).to_have_text("Waiting for your decision: 1")
    assert page.locator("#queue").count() == 1


def test_a_portal_that_does_not_answer_is_said_and_then_not(world: World, come: Come) -> None:
    several(1)
    visitor = come(lead())
    page = visitor.open("/queue/")
    page.route("**/queue/", lambda route: route.abort())
    page.evaluate("htmx.trigger('#queue', 'back')")
    expect(page.get_by_text("The portal does not answer")).to_be_visible()
    assert len(order(page)) == 1, "what was there is still there"
    page.unroute("**/queue/")
    poll(page)
    expect(page.get_by_text("The portal does not answer")).not_to_be_visible()
    visitor.complaints.clear()  # Chromium reports the request that was cut; that is the point


def test_who_else_looks_is_shown_and_goes_when_they_leave(world: World, come: Come) -> None:
    proposal_id: UUID = world.in_review()
    people = [factories.person(name, roles=["lead"]).user for name in ("lena-x", "lars-x")]
    lena, lars = come(people[0]), come(people[1])
    lena.open(f"/proposals/{proposal_id}/")
    expect(lena.page.locator("#lookers")).to_be_attached()
    page = lars.open(f"/proposals/{proposal_id}/")
    expect(page.get_by_text("lena-x is viewing this")).to_be_visible()
    lars.shoot("review-lookers")
    lars.open("/queue/")
    expect(page.get_by_text("lena-x is viewing it")).to_be_visible()
    # Sooner than her mark would have grown old: the page said that it was closed.
    lena.page.goto("about:blank")
    expect(page.get_by_text("lena-x is viewing it")).not_to_be_visible(timeout=20_000)


def test_a_view_is_kept_and_removed(world: World, come: Come) -> None:
    several(1)
    visitor = come(lead())
    page = visitor.open("/queue/?risk=medium")
    page.get_by_text("Save view").click()
    page.get_by_label("Name of the view").fill("Middling")
    page.get_by_role("button", name="Save", exact=True).click()
    link = page.get_by_role("link", name="Middling")
    expect(link).to_have_attribute("aria-current", "true")
    visitor.shoot("queue-kept")
    visitor.open("/queue/")
    page.get_by_role("link", name="Middling").click()
    page.wait_for_url("**/queue/?risk=medium")
    page.get_by_role("button", name="Remove the view Middling").click()
    expect(page.get_by_text("View “Middling” removed.")).to_be_visible()
    expect(page.get_by_role("link", name="Middling")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 768])
def test_the_queue_fits_a_narrow_window(world: World, come: Come, width: int) -> None:
    agent = factories.agent(name="agent-" + "x" * 90)
    token = factories.token(agent)
    name = "t-" + "y" * 60
    incident = factories.incident(agent, f"test.target:{name}", title="W" * 200)
    for _ in range(2):
        factories.assess(factories.proposal(name, agent=agent, token=token, incident=incident))
    visitor = come(lead())
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/queue/", f"/queue/?risk=medium&target=test.target:{name}&agent={agent.name}"):
        visitor.open(address)
        # Of one target that was asked for, each stands by itself.
        for behind in page.locator(".behind summary").all():
            behind.click()
        assert page.locator(".queuerow:visible").count() == 2
        assert not visitor.overflows(), address
