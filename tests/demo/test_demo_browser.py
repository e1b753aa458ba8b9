"""The demo's browser: forms, scripts, cookies and refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hitlportal.demo.people.browser import Browser, Form, Page, Unexpected
from hitlportal.demo.people.player import slot_of

PAGE = """
<form method="post" action="/sign-in"><input type="hidden" name="token" value="t&amp;1">
<input name="login"><input type="radio" name="slot" value="security"></form>
<form id="decision" data-round="3"><input type="checkbox" name="sure" value="1" checked></form>
<script id="options" type="application/json">{"challenge": "\\u003Cabc"}</script>
<form method="post"><textarea name="said">as it &lt;stood&gt;</textarea>
<input name="files" type="file"></form><pre id="bytes">
{"a": <span>"&amp;"</span>}</pre>
"""


class Server(BaseHTTPRequestHandler):
    """Sets a cookie and redirects; answers with the received cookie and origin."""

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
        """Log nothing."""


@pytest.fixture
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_form_has_hidden_fields_and_no_unchecked_choices() -> None:
    form = Page(200, "http://localhost/", PAGE).form(action="/sign-in")
    assert form.fields == {"token": "t&1", "login": ""}


def test_what_radio_buttons_offer_is_read() -> None:
    assert Page(200, "http://localhost/", PAGE).form(action="/sign-in").choices == {
        "slot": ["security"]
    }


@pytest.mark.parametrize(
    ("form", "slot"),
    [
        (Form({}, {"slot": "security"}), "security"),
        (Form({}, {}, {"slot": ["service_owner:1", "service_owner:2"]}), "service_owner:1"),
    ],
)
def test_a_player_takes_the_only_slot_or_the_first(form: Form, slot: str) -> None:
    assert slot_of(form) == slot


def test_a_checked_box_is_sent() -> None:
    form = Page(200, "http://localhost/", PAGE).form(id="decision")
    assert (form.attributes["data-round"], form.fields) == ("3", {"sure": "1"})


def test_json_in_a_script_element_is_read() -> None:
    assert Page(200, "http://localhost/", PAGE).script("options") == {"challenge": "<abc"}


def test_a_missing_form_is_named() -> None:
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


def test_a_submitted_form_contains_the_input(origin: str) -> None:
    page = Page(200, f"{origin}/", PAGE)
    sent = Browser(origin).submit(page, page.form(action="/sign-in"), login="alice")
    assert sent.text == "token=t%261&login=alice"


def test_a_text_area_has_its_default_text() -> None:
    form = Page(200, "http://localhost/", PAGE).form_with("said")
    assert form.fields == {"said": "as it <stood>", "files": ""}


def test_the_text_of_an_element_is_what_a_reader_sees() -> None:
    page = Page(200, "http://localhost/", PAGE)
    assert page.text_of("bytes") == '{"a": "&"}'
    with pytest.raises(Unexpected, match="no text other"):
        page.text_of("other")


def test_a_form_without_an_address_is_sent_to_its_page(origin: str) -> None:
    page = Page(200, f"{origin}/there", PAGE)
    sent = Browser(origin).submit(page, page.form_with("said"), said="new")
    assert (sent.url, sent.text) == (f"{origin}/there", "said=new&files=")


def test_an_uploaded_file_is_sent_whole_with_its_name(origin: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"name: \xff\r\n")
    page = Page(200, f"{origin}/", PAGE)
    sent = Browser(origin).upload(page, page.form_with("said"), "given", [file], cluster="shop")
    head, _, rest = sent.text.partition("\r\n")
    assert 'name="cluster"\r\n\r\nshop\r\n' in rest
    assert 'name="given"; filename="a.yaml"\r\n\r\nname: \ufffd\r\n' in rest
    assert sent.text.endswith(f"{head}--\r\n")
