"""Play a person of the demo over HTTP: enrol, sign in and decide as a browser would."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hitlportal.demo.people.browser import TOKEN, Browser, Form, Page, Unexpected
from hitlportal.demo.people.passkey import SoftPasskey
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.domain import b64url

YES = {"diagnosis": "yes", "scope": "yes", "action": "yes"}
RP_ID = "localhost"


@dataclass
class Player:
    """A person with a browser and a passkey in software."""

    username: str
    origin: str
    address: str = LOOPBACK
    passkey: SoftPasskey = field(default_factory=SoftPasskey.create)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    browser: Browser = field(init=False)
    # The handle that the portal gave the passkey: the opaque id of the person.
    handle: str = ""
    # The path of the page that the portal opened after signing in.
    home: str = ""
    # By proposal: the digest of the statement that the passkey signed last.
    signed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.browser = Browser(self.origin, address=self.address)

    def enrol(self, code: str) -> None:
        """Use the one-time code: set a password and register a passkey."""
        page = self.browser.get("/invite/")
        form = page.form(action="/invite/start")
        given = {
            "username": self.username,
            "code": code,
            "password": self.password,
            "name": "software passkey of the demo",
        }
        started = self._post(page, form.attributes["action"], given, form.fields[TOKEN])
        options = _inner(expect(started, 200).json()["create"])
        challenge, self.handle = b64url.decode(options["challenge"]), options["user"]["id"]
        given_and_made = given | {
            "credential": self.passkey.registration(challenge, options["rp"]["id"], self.origin)
        }
        finish = form.attributes["data-finish"]
        expect(self._post(page, finish, given_and_made, form.fields[TOKEN]), 200)

    def sign_in(self) -> None:
        """Sign in with the password, then the passkey. Raises Unexpected when that fails."""
        page = self.browser.get("/account/login/")
        form = page.form(action="/account/login/")
        asked = self.browser.submit(page, form, login=self.username, password=self.password)
        options = _inner(expect(asked, 200).script("passkey-options"))
        credential = self._use(options)
        form = asked.form(**{"data-passkey": "get"})
        self._came_home(self.browser.submit(asked, form, credential=json.dumps(credential)))

    def sign_in_by_passkey(self) -> None:
        """Sign in with the passkey alone. Raises Unexpected when that fails."""
        page = self.browser.get("/account/login/")
        form = page.form(**{"data-passkey": "alone"})
        asked = expect(self.browser.get_json(form.attributes["action"]), 200).json()
        credential = self._use(_inner(asked["request_options"]))
        credential["response"]["userHandle"] = self.handle
        self._came_home(self.browser.submit(page, form, credential=json.dumps(credential)))

    def _came_home(self, page: Page) -> None:
        self.home = expect(page, 200).url.removeprefix(self.origin)
        if self.home.startswith("/account/"):
            raise Unexpected(f"{self.username}: not signed in, the page is {page.url}")

    def decide(
        self,
        proposal: str,
        decision: str,
        *,
        reason: tuple[str, str] = ("", ""),
        doubts: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Read the review page, sign a decision and return the portal's answer.

        ``doubts`` are the sections to which this person answers no.
        """
        page = expect(self.browser.get(f"/proposals/{proposal}/"), 200)
        form = page.form(id="decision")
        statement: dict[str, Any] = {
            "decision": decision,
            "verdicts": YES | dict.fromkeys(doubts, "no"),
            "reason": {"code": reason[0], "text": reason[1]},
            "slot": slot_of(form),
            "round": int(form.attributes["data-round"]),
            "look": int(form.attributes["data-look"]),
        }
        if decision == "approve":
            names = page.values_of("data-name")
            statement |= {"opened": self._open_artefacts(proposal, form), "typed": names}
        challenge, answer = self.sign(page, form, form.attributes["data-sign"], statement)
        self.signed[proposal] = challenge.hex()
        return answer

    def sign(
        self, page: Page, form: Form, finish: str, body: object
    ) -> tuple[bytes, dict[str, Any]]:
        """Send ``body``, sign the portal's challenge with the passkey, and send that to ``finish``.

        Returns the signed challenge and the portal's answer.
        """
        token = form.fields[TOKEN]
        started = expect(self._post(page, form.attributes["action"], body, token), 200).json()
        options = started["options"]
        signed = {"session": started["session"], "assertion": self._use(options)}
        answer = expect(self._post(page, finish, signed, token), 200)
        return b64url.decode(options["challenge"]), dict(answer.json())

    def leave_out(self, proposal: str, step: int, reason: str) -> str:
        """Sign the plan without one of its steps; return the id of the new version."""
        page = expect(self.browser.get(f"/proposals/{proposal}/narrow/"), 200)
        form = page.form(id="narrowing")
        steps = [int(number) for number in page.values_of("data-step")]
        # A name is asked for each step, or for none.
        names = dict(zip(steps, page.values_of("data-name"), strict=False))
        statement = {
            "kept": [{"step": kept, "smaller": {}} for kept in steps if kept != step],
            "verdicts": YES,
            "reason": reason,
            "slot": slot_of(form),
            "round": int(form.attributes["data-round"]),
            "look": int(form.attributes["data-look"]),
            "opened": self._open_artefacts(proposal, form),
            "typed": [name for kept, name in names.items() if kept != step],
        }
        _, answer = self.sign(page, form, form.attributes["data-sign"], statement)
        return str(answer["next"]).rstrip("/").rpartition("/")[2]

    def _open_artefacts(self, proposal: str, form: Form) -> list[str]:
        """Open the artefacts that the page asks for."""
        artefacts = form.attributes["data-open"].split()
        for sha256 in artefacts:
            expect(self.browser.get(f"/proposals/{proposal}/evidence/{sha256}/?part=1"), 200)
        return artefacts

    def try_to_approve(self, proposal: str, slot: str, round: int) -> Page:
        """Ask for a statement although the page shows this person no decision form."""
        page = self.browser.get(f"/proposals/{proposal}/")
        statement: dict[str, Any] = {
            "decision": "approve",
            "verdicts": YES,
            "reason": {"code": "", "text": ""},
            "slot": slot,
            "round": round,
        }
        token = page.form(method="post").fields[TOKEN]
        return self._post(page, f"/proposals/{proposal}/review/start", statement, token)

    def fill(self, path: str, action: str, **values: str) -> Page:
        """Load a page, fill in the form whose action is ``action``, and send it."""
        page = expect(self.browser.get(path), 200)
        return self.browser.submit(page, page.form(action=action), **values)

    def fill_signed(self, path: str, action: str, **values: str) -> Page:
        """As `fill`, for a form that asks for the passkey (stepup.js)."""
        page = expect(self.browser.get(path), 200)
        return self.submit_signed(page, page.form(action=action), **values)

    def submit_signed(self, page: Page, form: Form, **values: str) -> Page:
        """Sign with the passkey what the form asks for, and send it."""
        started = expect(self.browser.ask_what_is_signed(page, form, **values), 200).json()
        signed = {
            "step_up_statement": started["statement"],
            "step_up_assertion": json.dumps(self._use(started["options"])),
        }
        return self.browser.submit(page, form, **values, **signed)

    def fill_unseen(self, path: str, action: str, **values: str) -> Page:
        """Send a form that the page does not show to this person."""
        page = self.browser.get(path)
        fields = {TOKEN: page.form(method="post").fields[TOKEN]}
        return self.browser.submit(page, Form({"action": action}, fields), **values)

    def _use(self, options: Mapping[str, Any]) -> dict[str, Any]:
        challenge = b64url.decode(options["challenge"])
        return self.passkey.authentication(challenge, options.get("rpId", RP_ID), self.origin)

    def _post(self, page: Page, path: str, value: object, token: str) -> Page:
        return self.browser.post_json(path, value, token=token, referer=page.url)


def slot_of(form: Form) -> str:
    """Return the slot of the form, or the first of those that it offers."""
    offered = form.choices.get("slot", [])
    return form.fields["slot"] if "slot" in form.fields else offered[0]


def expect(page: Page, status: int) -> Page:
    """Return the page if it has this status. Raises Unexpected with the server's answer."""
    if page.status != status:
        raise Unexpected(f"{page.url} answered {page.status}: {page.text[:500]}")
    return page


def _inner(options: dict[str, Any]) -> dict[str, Any]:
    """Unwrap options that the server sent as {"publicKey": …}."""
    inner: dict[str, Any] = options.get("publicKey", options)
    return inner
