"""What the portal says after something was asked of it: messages, refusals, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import translation

from remediation import models as m
from tests.flows.world import World
from tests.language.pseudo import CODE
from tests.language.reading import read
from tests.language.test_pages import _staff, forgotten
from tests.views.conftest import Browser, BrowserOf

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _speaks(speaks: None) -> Iterator[None]:
    yield
    translation.deactivate()


def plain(answer: Any) -> list[str]:
    return forgotten(read(answer.content.decode(), CODE))


def speaking(browser: Browser) -> Browser:
    browser.client.cookies["django_language"] = CODE
    return browser


def after(browser: Browser, answer: Any) -> Any:
    """The page that a POST leads to, with its message."""
    assert answer.status_code == 302
    with browser._as_login("hitl_web"):
        page = browser.client.get(answer["Location"])
    assert "⟦" in re.findall(r'class="messages".*?</div>', page.content.decode(), re.DOTALL)[0]
    return page


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "429", "500"])
def test_error_pages(name: str) -> None:
    with translation.override(CODE):
        page = read(render_to_string(f"{name}.html"), CODE)
    assert forgotten(page) == []
    assert page.language_of_page == (CODE, "ltr")


@pytest.mark.parametrize(
    "name", ["account/account_inactive", "account/no_passkey", "account/logout"]
)
def test_pages_of_the_entrance(name: str) -> None:
    with translation.override(CODE):
        assert forgotten(read(render_to_string(f"{name}.html"), CODE)) == []


@pytest.mark.parametrize("name", ["cards/signed_out", "run/gone", "review/lookers", "queue/title"])
def test_parts_that_come_later(name: str) -> None:
    with translation.override(CODE):
        said = render_to_string(
            f"remediation/{name}.html", {"lookers": ["1", "2"], "page": {"mine": "3"}}
        )
    assert "⟦" in said
    assert [one for one in forgotten(read(said, CODE)) if "hitlportal" not in one] == []


def test_messages_after_what_a_reviewer_asked(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.in_review()
    alice = speaking(browser_of(world.people["alice"]))
    asked: list[tuple[str, list[Any], dict[str, str]]] = [
        ("observe", [proposal_id], {}),
        ("view_save", [], {"query": "state=review", "view": "mine too"}),
        ("view_remove", [], {"view": "mine too"}),
        ("report_agent", [proposal_id], {"reason": "It looks manipulated."}),
    ]
    for name, args, data in asked:
        send = alice.act if name in ("observe", "report_agent") else alice.post
        page = after(alice, send(name, *args, **data))
        assert [one for one in plain(page) if "mine too" not in one] == []


def test_a_refusal_says_what_it_means_and_what_is_on_record(
    world: World, browser_of: BrowserOf
) -> None:
    """Its message is translated; its detail is what auditors read, word for word."""
    proposal_id = world.in_review()
    dave = speaking(browser_of(world.people["dave"]))
    answer = dave.post("observe", proposal_id, note="what was typed")
    assert answer.status_code == 403
    assert plain(answer) == []
    page = answer.content.decode()
    recorded = m.Refusal.objects.latest("pk")
    assert f'<p class="inert" lang="en">{recorded.detail}</p>' in page or not recorded.detail
    assert "what was typed" in page
    assert recorded.detail.isascii() and "⟦" not in recorded.detail


def test_what_is_recorded_is_in_one_language_whoever_asks(
    world: World, browser_of: BrowserOf
) -> None:
    """The control: nothing that a service or a view writes takes the reader's language along."""
    proposal_id = world.in_review()
    alice = speaking(browser_of(world.people["alice"]))
    alice.post("observe", proposal_id)
    alice.post("report_agent", proposal_id, reason="It looks manipulated.")
    speaking(browser_of(world.people["dave"])).post("observe", proposal_id)
    world.assess(proposal_id)
    from audit.models import Entry

    bodies = [bytes(body) for body in Entry.objects.values_list("body", flat=True)]
    assert len(bodies) > 5
    assert [body for body in bodies if "⟦" in body.decode()] == []
    rows = [
        *m.Refusal.objects.values_list("detail", flat=True),
        *m.Transition.objects.values_list("reason", flat=True),
    ]
    assert [row for row in rows if "⟦" in row] == []
    for assessment in m.Assessment.objects.all():
        for body in (assessment.checks, assessment.ruling, assessment.scope, assessment.pin):
            assert "⟦" not in bytes(body).decode()


def test_an_import_from_the_form_to_its_end(browser_of: BrowserOf) -> None:
    ed = speaking(browser_of(_staff(["inventory_editor"])))
    address = reverse("admin:remediation_service_import")
    table = (
        b"service,owner_team,environment,criticality,payment_path,external_partner,retired\n"
        b"shop,,production,high,yes,no,no\n"
    )

    def hand_in(content: bytes) -> Any:
        file = SimpleUploadedFile("inventory.csv", content)
        with ed._as_login("hitl_web"):
            return ed.client.post(
                address, {"format": "csv", "given": [file], "complete": "no", "cluster": ""}
            )

    refused = hand_in(b"nonsense\n")
    assert refused.status_code == 200
    assert plain(refused) == []
    with ed._as_login("hitl_web"):
        diff = ed.client.get(hand_in(table)["Location"])
    assert [one for one in plain(diff) if "shop" not in one] == []
    fields = dict(re.findall(r'name="(upload|digest)" value="([^"]+)"', diff.content.decode()))
    with ed._as_login("hitl_web"):
        done = ed.client.post(address, fields)
        page = ed.client.get(done["Location"])
    assert plain(page) == []


def test_a_form_that_is_not_filled_in(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.in_review()
    alice = speaking(browser_of(world.people["alice"]))
    answer = alice.post("incident_close", world.get(proposal_id).incident_id)
    assert answer.status_code == 422
    assert plain(answer) == []
    nobody = Client()
    nobody.cookies["django_language"] = CODE
    page = nobody.post("/account/login/", {"login": "", "password": ""})
    assert plain(page) == []
