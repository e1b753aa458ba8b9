"""A80: passkeys behind an extension that wraps answers; a page kept open over a new sign-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from remediation import models as m
from tests.browser.chromium import Visitor
from tests.browser.people import account, approver, come_in, enrol, say_yes, sign_in
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True)
SIGN = "Approve"
# As password managers do: an object of their own with the browser's prototype, and more members.
WRAPPER = """(() => {
    const wrapped = (made) => {
        const own = (value) => ({ value, enumerable: true });
        const response = { own: true };
        for (const name of ["clientDataJSON", "attestationObject", "authenticatorData",
                            "signature", "userHandle"])
            if (made.response[name]) response[name] = made.response[name];
        const answer = Object.create(PublicKeyCredential.prototype, {
            id: own(made.id), rawId: own(made.rawId), type: own(made.type), response: own(response),
            more: own("from an extension"),
        });
        try { answer.toJSON(); } catch (error) { window.said = error.message; }
        return answer;
    };
    for (const name of ["create", "get"]) {
        const real = navigator.credentials[name].bind(navigator.credentials);
        navigator.credentials[name] = async (options) => wrapped(await real(options));
    }
})()"""


def test_a80_an_extension_that_wraps_answers_enrols_signs_in_and_decides(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    visitor, user = visit(), approver(world, "wanda", "security")
    visitor.page.add_init_script(WRAPPER)
    enrol(visitor, user)
    sign_in(visitor, user)
    page = visitor.open(f"/proposals/{proposal_id}/")
    say_yes(visitor)
    page.get_by_role("button", name=SIGN).click()
    page.wait_for_url("**/queue/")
    assert m.Review.objects.get().person == user.person
    # The control: what the browser's own toJSON says of such an answer.
    page = visitor.open("/passkeys/")
    assert "Illegal invocation" in page.evaluate(
        """async () => {
            const publicKey = { challenge: new Uint8Array(32), userVerification: "required" };
            await navigator.credentials.get({ publicKey });
            return window.said;
        }"""
    )


def another_tab(visitor: Visitor) -> Visitor:
    """The same browser and device: same cookies, same passkeys."""
    other = Visitor(visitor.page.context, visitor.origin)
    visitor.share_passkeys(other)
    return other


def test_a80_a_page_kept_open_over_a_new_sign_in_says_what_helps(
    world: World, visit: Callable[[], Visitor]
) -> None:
    """Exactly as the words advise: sign in in another tab, then try again here."""
    proposal_id = world.in_review()
    visitor, user = visit(), approver(world, "kim-b", "security")
    come_in(visitor, user)
    page = visitor.open(f"/proposals/{proposal_id}/")
    say_yes(visitor)
    form = Visitor(visitor.page.context, visitor.origin)
    form.open("/settings/")
    other = another_tab(visitor)
    other.open("/account/logout/").locator("main form button[type=submit]").click()
    other.page.wait_for_url("**/account/login/")
    page.get_by_role("button", name=SIGN).click()
    said = page.locator("#decision [data-error]")
    expect(said).to_have_text("You are signed out. Sign in in another tab, then try again here.")
    sign_in(other, user)
    page.get_by_role("button", name=SIGN).click()
    page.wait_for_url("**/queue/")
    assert m.Review.objects.get().person == user.person
    # A plain form cannot try again by itself; its page says how.
    form.page.get_by_role("button", name="Dark").click()
    expect(form.page.get_by_text("Go back, load the page again and repeat")).to_be_visible()
    form.page.go_back()
    form.page.reload()
    form.page.get_by_role("button", name="Dark").click()
    expect(form.page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    # The browser writes a line for each 401 and 403.
    assert all(" 40" in line for line in visitor.complaints), visitor.complaints
    visitor.complaints.clear()


@contextmanager
def asking(page: Page, url: str) -> Iterator[None]:
    """Let the page ask for its news without pause, so that a request is always on its way."""
    page.evaluate(
        """(url) => { window.asking = true;
        (async () => { while (window.asking) await fetch(url).catch(() => 0); })(); }""",
        url,
    )
    yield
    page.evaluate("() => { window.asking = false; }")


def test_a80_a_page_of_somebody_else_sends_nothing(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    visitor, user = visit(), approver(world, "kay-b", "security")
    come_in(visitor, user)
    page = visitor.open(f"/proposals/{proposal_id}/")
    say_yes(visitor)
    other = Visitor(visitor.page.context, visitor.origin)
    other.open("/account/logout/").locator("main form button[type=submit]").click()
    other.page.wait_for_url("**/account/login/")
    with asking(page, f"/proposals/{proposal_id}/standing/"):
        come_in(other, account("zoe-b", "security"))
    page.get_by_role("button", name=SIGN).click()
    said = page.locator("#decision [data-error]")
    expect(said).to_contain_text("This page is out of date")
    expect(said.get_by_role("link")).to_be_visible()
    assert not m.Review.objects.exists()
    visitor.complaints.clear()
