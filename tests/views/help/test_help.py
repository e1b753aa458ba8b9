"""The help page, and the hint of a first visit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import resolve

from remediation.vocabulary.terms import TERMS
from tests import factories
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db

TEMPLATES = Path("remediation/templates"), Path("audit/templates"), Path("hitlportal/templates")


def test_it_says_what_each_role_does(browser_of: BrowserOf) -> None:
    for role, said in (
        ("security", "Answer yes or no"),
        ("auditor", "audit log"),
        ("inventory_editor", "inventory"),
        ("agent_admin", "Keep the agents"),
        ("user_admin", "one-time code"),
    ):
        page = text_of(browser_of(factories.person(roles=[role])).get("help"))
        assert said in page, role
        for address in re.findall(r'href="(/[a-z/]*/)"', page):
            resolve(address)
    assert "You have no role yet" in text_of(browser_of(factories.person()).get("help"))


def test_every_word_that_a_page_explains_is_there(browser_of: BrowserOf) -> None:
    page = text_of(browser_of(factories.person(roles=["security"])).get("help"))
    for name in TERMS:
        assert f'<dt id="{name}">' in page
    used = {
        name
        for folder in TEMPLATES
        for path in folder.rglob("*.html")
        for name in re.findall(r'{% term "(\w+)" %}', path.read_text(encoding="utf-8"))
    }
    assert used <= TERMS.keys()
    assert used, "a house word on a page has its question mark"


def test_the_hint_goes_when_it_was_hidden_or_followed(browser_of: BrowserOf) -> None:
    browser = browser_of(factories.person(roles=["security"]))
    assert "First time here?" in text_of(browser.get("queue"))
    assert browser.get("help_dismiss").status_code == 405
    assert browser.post("help_dismiss").status_code == 302
    assert "First time here?" not in text_of(browser.get("queue"))
    other = browser_of(factories.person(roles=["security"]))
    other.get("help")
    assert "First time here?" not in text_of(other.get("queue"))
