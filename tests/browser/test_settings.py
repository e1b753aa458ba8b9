"""Own settings and sign-in by passkey alone, at a browser, in both themes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from remediation import models as m
from tests import factories
from tests.browser import axe
from tests.browser.chromium import QUIET, Visitor
from tests.browser.people import PASSWORD, account, approver, come_in, enrol
from tests.factories import WORKER
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True)
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(246, 247, 249)", "rgb(14, 16, 20)"


def channel(name: str, **columns: object) -> None:
    with factories.acting(WORKER):
        entry = factories.entry("worker:channel:changed", "worker:test", f"channel:{name}")
        m.NoticeChannel.objects.create(
            **{"name": name, "service": "Slack", "state": "working", "entry": entry, **columns}
        )


def test_a_passkey_alone_signs_in(visit: Callable[[], Visitor], world: World) -> None:
    visitor, user = visit(), account("pia-b", "security")
    enrol(visitor, user)
    page = visitor.page
    assert axe.violations(visitor) == []
    visitor.shoot("sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/queue/")
    # A device that does not recognise the person opens nothing, and says so.
    other = visit()
    other.verified(False)
    page = other.open("/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("[data-passkey-error]").first).to_contain_text("The passkey was not used")
    # The other way stays.
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Confirm with your passkey")).to_be_visible()


def test_settings_are_chosen_kept_and_readable_in_each_theme(
    visit: Callable[[], Visitor], world: World
) -> None:
    user = account("sam-b", "security", "lead")
    channel("pager", carries={"person": str(user.person), "roles": [], "title": "Pager"})
    channel("soc", carries={"person": "", "roles": ["security"], "title": "SOC room"})
    channel(
        "desk",
        carries={"person": "", "roles": ["lead"], "title": "Leads' room"},
        state="failing",
        detail="status 500",
    )
    visitor = visit()
    come_in(visitor, user)
    page = visitor.open("/settings/")
    box = page.get_by_label("Pager: a proposal waits for your decision")
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    expect(page.get_by_label("Pager: a proposal waits for your decision")).not_to_be_checked()
    visitor.shoot("settings")
    for system, choice, wanted in (
        ("light", "Dark", DARK),
        ("dark", "Light", LIGHT),
        ("dark", "Like the system", DARK),
        ("light", "Like the system", LIGHT),
    ):
        page.emulate_media(color_scheme=system)  # type: ignore[arg-type]
        with page.expect_navigation():
            page.get_by_role("button", name=choice).click()
        assert page.evaluate(BACKGROUND) == wanted, (system, choice)
        assert axe.violations(visitor) == [], (system, choice)
    with page.expect_navigation():
        page.get_by_role("button", name="Dark").click()
    for path in ("/queue/", "/passkeys/", "/settings/"):
        visitor.open(path)
        page.emulate_media(color_scheme="light")
        assert page.evaluate(BACKGROUND) == DARK, path
        assert axe.violations(visitor) == [], path
    page.set_viewport_size({"width": 390, "height": 844})
    assert not visitor.overflows()


def test_the_tab_and_the_page_warn_under_five_minutes(
    visit: Callable[[], Visitor], world: World
) -> None:
    proposal_id = world.in_review()
    visitor, user = visit(), approver(world, "tab-b", "security")
    come_in(visitor, user)
    page = visitor.open(f"/proposals/{proposal_id}/")
    mark = page.locator("[data-soon]")
    expect(mark).to_be_hidden()
    before = page.title()
    # A minute may pass before the page is read.
    late = "document.querySelectorAll('main time[data-clock=until]').forEach((one) => {"
    late += " one.dateTime = new Date(Date.now() + 299000).toISOString(); })"
    page.evaluate(QUIET)  # the portal's own deadline does not come back
    page.evaluate(late)
    expect(page).to_have_title(f"(4 min) {before}")
    expect(mark).to_have_text("4 min left. If nobody decides, it expires and nothing runs.")
    assert axe.violations(visitor) == []
    visitor.shoot("four-minutes-review")
    page.evaluate(late.replace("299000", "900000"))
    expect(page).to_have_title(before)
    expect(mark).to_be_hidden()
    page = visitor.open("/queue/")
    page.evaluate(QUIET)
    page.evaluate(late)
    expect(mark).to_have_text("A proposal expires in 4 min if nobody decides.")
    expect(page).to_have_title(re.compile(r"^\(4 min\) "))
    visitor.shoot("four-minutes-queue")
