"""Take docs/images/review.png again: `python -m tests.docs.picture ORIGIN CODE`.

ORIGIN is that of a running `make demo`, CODE alice's one-time code. Enrols alice in a browser,
signs her in and photographs the proposal of three steps.
"""

from __future__ import annotations

import sys

from playwright.sync_api import Page, sync_playwright

from tests import needs
from tests.browser.chromium import ARGUMENTS, AUTHENTICATOR
from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "images" / "review.png"
PASSWORD = "correct horse battery staple"


def come_in(page: Page, origin: str, code: str) -> None:
    """Set password and passkey with the code, then sign in."""
    page.goto(f"{origin}/invite/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("One-time code").fill(code)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Name of the passkey").fill("Laptop")
    page.get_by_role("button", name="Create passkey").click()
    page.wait_for_url("**/account/login/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Use passkey").click()
    page.wait_for_url("**/queue/")


def main(origin: str, code: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(needs.chromium()), args=ARGUMENTS)
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, reduced_motion="reduce", color_scheme="light"
        )
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        come_in(page, origin, code)
        page.get_by_role("link").filter(has_text="svc_checkout").first.click()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=str(PICTURE))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
