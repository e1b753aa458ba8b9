"""The list of incidents: searched, limited, sorted, and what each line says."""

from __future__ import annotations

import re

import pytest

from remediation import models as m
from tests import factories
from tests.factories import Person
from tests.views.conftest import Browser, BrowserOf, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(db: None) -> Person:
    return factories.person(f"lead{factories.number()}", roles=["lead"])


@pytest.fixture
def browser(browser_of: BrowserOf, lead: Person) -> Browser:
    return browser_of(lead)


@pytest.fixture
def made(db: None) -> dict[str, m.Incident]:
    """One old and bare, one new and bare, one in review, one contained, by age."""
    agent = factories.agent(factories.person())
    found = {
        "old": factories.incident(agent, "test.target:old", title="Old login from afar"),
        "new": factories.incident(agent, "test.target:new", title="New % key_used"),
        "review": factories.proposal_at("in_review", "t1").incident,
        "contained": factories.proposal_at("succeeded", "t2").incident,
    }
    factories.incident_move(found["contained"], "contained")
    factories.backdate(found["old"], "detected_at", hours=3)
    factories.backdate(found["old"], hours=3)
    return found


def listed(browser: Browser, made: dict[str, m.Incident], **query: str) -> list[str]:
    page = text_of(browser.get("incidents", **query))
    names = {str(one.pk): name for name, one in made.items()}
    return [names[pk] for pk in re.findall(r'href="/incidents/([0-9a-f-]{36})/"', page)]


def test_searched_and_limited(browser: Browser, made: dict[str, m.Incident]) -> None:
    assert set(listed(browser, made)) == set(made)
    assert listed(browser, made, q="login AFAR") == ["old"]
    assert listed(browser, made, q="% key_used") == ["new"]
    assert listed(browser, made, q="test.target:t1") == ["review"]
    assert listed(browser, made, q="nothing") == []
    assert listed(browser, made, state="contained") == ["contained"]
    assert listed(browser, made, state="closed") == []
    assert set(listed(browser, made, kind="credential_misuse")) == set(made)
    assert set(listed(browser, made, kind="nonsense", q="\0")) == set(made)


def test_needs_a_plan_overdue_and_mine(
    browser: Browser, made: dict[str, m.Incident], lead: Person
) -> None:
    assert set(listed(browser, made, needs="plan")) == {"old", "new"}
    assert listed(browser, made, needs="overdue") == ["old"]
    assert listed(browser, made, mine="1") == []
    first = factories.assignment(made["new"], lead.id, lead)
    assert listed(browser, made, mine="1") == ["new"]
    assert lead.user.username in text_of(browser.get("incidents", mine="1"))
    factories.assignment(made["new"], None, lead, replaces=first)
    assert listed(browser, made, mine="1") == []


def test_sorted_and_in_parts(
    browser: Browser, made: dict[str, m.Incident], monkeypatch: pytest.MonkeyPatch
) -> None:
    from remediation.views.incidents import presenter

    oldest = listed(browser, made)
    assert oldest[0] == "old"
    assert listed(browser, made, sort="newest") == oldest[::-1]
    monkeypatch.setattr(presenter, "PAGE", 1)
    for sort, whole in (("", oldest), ("newest", oldest[::-1])):
        seen, query = [], {"sort": sort, "q": "test.target"}
        while query is not None:
            page = text_of(browser.get("incidents", **query))
            seen += re.findall(r'href="/incidents/([0-9a-f-]{36})/"', page)
            onward = re.search(r'rel="next" href="\?([^"]+)"', page)
            query = dict(_pairs(onward[1])) if onward else None
        assert seen == [str(made[name].pk) for name in whole]


def _pairs(query: str) -> list[tuple[str, str]]:
    from html import unescape
    from urllib.parse import parse_qsl

    return parse_qsl(unescape(query))


def test_a_line_says_deadline_and_time_to_contain(
    browser: Browser, made: dict[str, m.Incident]
) -> None:
    move = made["contained"].transitions.get()
    factories.backdate(move, minutes=-5)
    page = text_of(browser.get("incidents", state="contained"))
    assert re.search(r'data-label="Time to contain"[^>]*><span class="cell">[45] min', page)
    assert "needs a plan" in text_of(browser.get("incidents", needs="overdue"))
    assert " over</time>" in text_of(browser.get("incidents", needs="overdue"))


def test_without_a_right_the_list_is_empty(
    made: dict[str, m.Incident], browser_of: BrowserOf
) -> None:
    """A12: no filter shows what the person may not see."""
    nobody = browser_of(factories.person())
    for query in ({}, {"needs": "plan"}, {"q": "login"}, {"mine": "1"}, {"state": "closed"}):
        assert listed(nobody, made, **query) == []
