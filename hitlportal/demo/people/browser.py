"""A minimal browser for the demo's people: cookies, forms, redirects (standard library only).

It sends what a browser sends (Origin, Referer, the form's hidden token) and reads the same pages
as a person; it never calls the API.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from hitlportal.demo.servers.ports import LOOPBACK

TIMEOUT_SECONDS = 30
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - the name of a form's field


class Unexpected(Exception):
    """The portal's answer differs from what the play expects."""


@dataclass
class Form:
    """A form of a page: its attributes, its fields with their current values, and what its radio
    buttons offer."""

    attributes: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A server's answer, after redirects."""

    status: int
    url: str
    text: str

    def form(self, **attributes: str) -> Form:
        """Return the first form with these attributes. Raises Unexpected."""
        for form in self._parsed.forms:
            if attributes.items() <= form.attributes.items():
                return form
        raise Unexpected(f"{self.url} ({self.status}) has no form with {attributes}")

    def form_with(self, field: str) -> Form:
        """Return the first form that has this field. Raises Unexpected."""
        for form in self._parsed.forms:
            if field in form.fields:
                return form
        raise Unexpected(f"{self.url} ({self.status}) has no form with a field {field}")

    def script(self, element_id: str) -> Any:
        """Return the JSON in a script element. Raises Unexpected."""
        return json.loads(self.text_of(element_id))

    def text_of(self, element_id: str) -> str:
        """Return the text of a script or pre element, as a reader sees it. Raises Unexpected."""
        text = self._parsed.texts.get(element_id)
        if text is None:
            raise Unexpected(f"{self.url} ({self.status}) has no text {element_id}")
        return text.removeprefix("\n")  # HTML drops the first line break of a pre

    def values_of(self, attribute: str) -> list[str]:
        """Return all values of an attribute on the page, in page order."""
        elements = self._parsed.elements
        return [named[attribute] for named in elements if attribute in named]

    def json(self) -> Any:
        return json.loads(self.text)

    @cached_property
    def _parsed(self) -> _Parser:
        parser = _Parser()
        parser.feed(self.text)
        return parser


class _FromAddress(urllib.request.HTTPHandler):
    """Connect from a given local address: the portal counts attempts by address, so each player
    needs its own."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(HTTPConnection, request, source_address=(self._address, 0))


class Browser:
    """One person's browser with its own cookies; `headers` are sent with each request."""

    def __init__(
        self, origin: str, headers: Mapping[str, str] | None = None, address: str = LOOPBACK
    ) -> None:
        self.origin = origin
        self._headers = {"Origin": origin, **(headers or {})}
        self._opener = urllib.request.build_opener(
            _FromAddress(address),
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(CookieJar()),
        )

    def get(self, path: str) -> Page:
        return self._open(path, None, {})

    def get_json(self, path: str) -> Page:
        """Ask for JSON as a script of a page does."""
        kind = {"Accept": "application/json", "X-Requested-With": "XMLHttpRequest"}
        return self._open(path, None, kind)

    def submit(self, page: Page, form: Form, **values: str) -> Page:
        """Send a form as a browser would, with `values` filled in."""
        body = urlencode({**form.fields, **values}).encode()
        return self._send(page, form, body, "application/x-www-form-urlencoded")

    def ask_what_is_signed(self, page: Page, form: Form, **values: str) -> Page:
        """Send a form as stepup.js does before the passkey signs what it asks for."""
        body = urlencode({**form.fields, **values}).encode()
        kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "Referer": page.url, "X-Step-Up": "begin"}
        return self._open(urljoin(page.url, form.attributes.get("action", "")), body, headers)

    def upload(
        self, page: Page, form: Form, field: str, files: Iterable[Path], **values: str
    ) -> Page:
        """Send a form with files in one of its fields (RFC 7578)."""
        edge = secrets.token_hex(16)
        head = '--{}\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
        texts = {name: text for name, text in {**form.fields, **values}.items() if name != field}
        parts = [(head.format(edge, name, ""), text.encode()) for name, text in texts.items()]
        parts += [
            (head.format(edge, field, f'; filename="{file.name}"'), file.read_bytes())
            for file in files
        ]
        body = b"".join(head.encode() + content + b"\r\n" for head, content in parts)
        end = f"--{edge}--\r\n".encode()
        return self._send(page, form, body + end, f"multipart/form-data; boundary={edge}")

    def _send(self, page: Page, form: Form, body: bytes, kind: str) -> Page:
        address = urljoin(page.url, form.attributes.get("action", ""))
        return self._open(address, body, {"Content-Type": kind, "Referer": page.url})

    def post_json(self, path: str, value: object, *, token: str, referer: str) -> Page:
        """Send JSON as a script of the page does; `token` is the CSRF token of the page's form."""
        kind = {"Content-Type": "application/json", "X-CSRFToken": token, "Referer": referer}
        return self._open(path, json.dumps(value).encode(), kind)

    def _open(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> Page:
        request = urllib.request.Request(  # noqa: S310 - the origin is our own http://localhost
            urljoin(self.origin, path), data=body, headers={**self._headers, **headers}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return _page(response)
        except urllib.error.HTTPError as error:
            with error:
                return Page(error.code, error.url, error.read().decode("utf-8", "replace"))


def _page(response: HTTPResponse) -> Page:
    return Page(response.status, response.url, response.read().decode("utf-8", "replace"))


class _Parser(HTMLParser):
    """Collect forms with their fields, texts of elements with an id, and all attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.texts: dict[str, str] = {}
        self.elements: list[dict[str, str]] = []
        self._text = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.elements.append(named)
        if tag == "form":
            self.forms.append(Form(named))
        elif tag in ("input", "textarea") and self.forms and "name" in named:
            # A radio button that is not checked is not sent; no page preselects one.
            if named.get("type") not in ("radio", "checkbox") or "checked" in named:
                self.forms[-1].fields[named["name"]] = named.get("value", "")
            if named.get("type") == "radio":
                offered = self.forms[-1].choices.setdefault(named["name"], [])
                offered.append(named.get("value", ""))
            self._area = named["name"] if tag == "textarea" else ""
        elif tag in ("script", "pre"):
            self._text = named.get("id", "")

    def handle_data(self, data: str) -> None:
        if self._text:
            self.texts[self._text] = self.texts.get(self._text, "") + data
        elif self._area:
            self.forms[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "pre"):
            self._text = ""
        elif tag == "textarea":
            self._area = ""
