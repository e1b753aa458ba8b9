"""Chromium in front of the real pages: served by a live server whose requests have the rights of
hitl_web, with a virtual authenticator, and with every complaint of the browser collected."""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.db.backends.signals import connection_created
from playwright.sync_api import BrowserContext, Page, expect

from hitlportal.demo.people.passkey import SoftPasskey

# Playwright keeps an event loop in the test's thread; the ORM is used between its calls only.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# Pages that Chromium draws for its own address bar: two for each window, a second of work.
ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup")
# Playwright's list, which the same switch replaces.
PLAYWRIGHTS = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
# As root and without a display (platform notes); nothing but our own addresses is asked for.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join((*ADDRESS_BAR, *PLAYWRIGHTS))}",
]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# A document that has just been asked for has no root element yet. The page's policy forbids eval,
# on which Playwright's own waiting is built.
WIDER = """async () => {
    while (document.readyState !== "complete")
        await new Promise(again => setTimeout(again, 20));
    return document.documentElement.scrollWidth > document.documentElement.clientWidth;
}"""
# How long to wait for what the page does next: a machine with other work is slow. Nothing sleeps so
# long; it is the limit for a test that fails.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
# No request of the page by itself from now on, and none on its way.
QUIET = """async () => {
    document.addEventListener("htmx:beforeRequest", (event) => event.preventDefault());
    while (document.querySelector(".htmx-request"))
        await new Promise(again => setTimeout(again, 10));
}"""
# Where to keep pictures of the pages; without it none are taken.
SHOTS = os.environ.get("HITL_TEST_SHOTS", "")


@contextmanager
def web_rights() -> Iterator[None]:
    """Every connection that another thread opens meanwhile is a web process's."""

    def narrow(connection: Any, **_: Any) -> None:
        if connection.alias == "default" and threading.current_thread() is not main:
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE hitl_web")

    main = threading.current_thread()
    connection_created.connect(narrow, weak=False, dispatch_uid="tests.web_rights")
    try:
        yield
    finally:
        connection_created.disconnect(dispatch_uid="tests.web_rights")


class Visitor:
    """One person at one browser."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.origin = origin
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self._devtools = context.new_cdp_session(self.page)
        self._devtools.send("WebAuthn.enable")
        made = self._devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self._authenticator = made["authenticatorId"]

    def verified(self, verified: bool) -> None:
        """Whether the authenticator recognises the person from now on."""
        self._devtools.send(
            "WebAuthn.setUserVerified",
            {"authenticatorId": self._authenticator, "isUserVerified": verified},
        )

    def holds(self, passkey: SoftPasskey) -> None:
        """Give the person's browser this passkey."""
        der = passkey.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        credential = {
            "credentialId": b64encode(passkey.credential_id).decode(),
            "isResidentCredential": False,
            "rpId": settings.RP_ID,
            "privateKey": b64encode(der).decode(),
            "signCount": 0,
        }
        self._devtools.send(
            "WebAuthn.addCredential",
            {"authenticatorId": self._authenticator, "credential": credential},
        )

    def share_passkeys(self, other: Visitor) -> None:
        """Give the passkeys of this window's authenticator to another window's."""
        held = self._devtools.send(
            "WebAuthn.getCredentials", {"authenticatorId": self._authenticator}
        )
        for credential in held["credentials"]:
            other._devtools.send(
                "WebAuthn.addCredential",
                {"authenticatorId": other._authenticator, "credential": credential},
            )

    def open(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def shoot(self, name: str) -> None:
        """Pictures in the forms that a person may have before them."""
        if not SHOTS:
            return
        size = self.page.viewport_size
        for scheme, width in (("light", 1440), ("dark", 1440), ("light", 360), ("dark", 360)):
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.screenshot(
                path=str(Path(SHOTS) / f"{name}-{scheme}-{width}.png"), full_page=True
            )
        # As on A4 at 96 dots an inch, without margins.
        self.page.emulate_media(media="print", color_scheme="dark")
        self.page.set_viewport_size({"width": 794, "height": 1123})
        self.page.screenshot(path=str(Path(SHOTS) / f"{name}-print.png"), full_page=True)
        self.page.emulate_media(media="screen", color_scheme="light")
        self.page.set_viewport_size(size or {"width": 1440, "height": 900})

    def overflows(self) -> bool:
        """Whether the page is wider than the window.

        Waits for a page that is being loaded; a caller that followed a link waits for its address.
        """
        self.page.wait_for_load_state()
        return bool(self.page.evaluate(WIDER))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.origin):
            self.complaints.append(f"asked for {request.url}")
