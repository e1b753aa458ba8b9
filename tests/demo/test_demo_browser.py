"""The demo's browser: reads forms and scripts of a page, keeps cookies, shows refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hitlportal.demo.browser import Browser, Page, Unexpected

PAGE = """
<form method="post" action="/sign-in"><input type="hidden" name="token" value="t&amp;1">
<input name="login"><input type="radio" name="slot" value="security"></form>
<form id="decision" data-round="3"><input type="checkbox" name="sure" value="1" checked></form>
<script id="options" type="application/json">{"challenge": "\\u003Cabc"}</script>
"""


class Server(BaseHTTPRequestHandler):
    """Sets a cookie and redirects; says which cookie and origin it got."""

    def do_GET(self) -> None:
        if self.path == "/refused":
            self.answer(403, b'{"name": "separation"}')
        elif self.path == "/start":
            self.send_response(302)
            self.send_header("Set-Cookie", "sessionid=abc; HttpOnly; Path=/")
            self.send_header("Location", "/home")
            self.end_headers()
        else:
            self.answer(200, f"{self.headers['Cookie']} {self.headers['Origin']}".encode())

    def do_POST(self) -> None:
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_form_has_its_hidden_fields_and_nothing_that_nobody_chose() -> None:
    form = Page(200, "http://localhost/", PAGE).form(action="/sign-in")
    assert form.fields == {"token": "t&1", "login": ""}


def test_what_is_checked_on_the_page_would_be_sent() -> None:
    form = Page(200, "http://localhost/", PAGE).form(id="decision")
    assert (form.attributes["data-round"], form.fields) == ("3", {"sure": "1"})


def test_json_in_a_script_element_is_read() -> None:
    assert Page(200, "http://localhost/", PAGE).script("options") == {"challenge": "<abc"}


def test_a_form_that_is_not_there_is_named() -> None:
    with pytest.raises(Unexpected, match="no form with"):
        Page(403, "http://localhost/x", "<p>no</p>").form(id="decision")


def test_cookies_are_kept_over_a_redirect(origin: str) -> None:
    page = Browser(origin).get("/start")
    assert (page.url, page.text) == (f"{origin}/home", f"sessionid=abc {origin}")


def test_two_browsers_share_no_cookie(origin: str) -> None:
    Browser(origin).get("/start")
    assert Browser(origin).get("/home").text == f"None {origin}"


def test_a_refusal_is_a_page_not_an_error(origin: str) -> None:
    page = Browser(origin).get("/refused")
    assert (page.status, page.json()) == (403, {"name": "separation"})


def test_a_submitted_form_carries_what_was_typed(origin: str) -> None:
    page = Page(200, f"{origin}/", PAGE)
    sent = Browser(origin).submit(page, page.form(action="/sign-in"), login="alice")
    assert sent.text == "token=t%261&login=alice"
