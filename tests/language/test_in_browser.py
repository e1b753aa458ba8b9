"""The pseudo language in Chromium: a third longer on a telephone, and what the scripts say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.chromium import Visitor
from tests.flows.world import World
from tests.hostile.conftest import (  # noqa: F401  (fixtures)
    Visit,
    browser_type_launch_args,
    in_flight,
    origin,
    visit,
    visitors,
    world,
)
from tests.language.pseudo import CODE

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

LETTERS = re.compile("[A-Za-z]")
# What reaches past the window and is not in something that scrolls by itself.
SPILLED = """() => [...document.querySelectorAll("main *")].filter((element) => {
  if (element.closest(".scroll, pre, svg, table") || !element.checkVisibility()) return false;
  return element.getBoundingClientRect().right > innerWidth + 1;
}).map((element) => element.outerHTML.slice(0, 120))"""

# Parts of a row of the queue that lie on each other.
COVERED = """() => [...document.querySelectorAll(".queuerow")].filter((row) => {
  const [a, b] = [".risk .pill", ".when"].map((name) => row.querySelector(name));
  if (!a || !b) return false;
  const [one, two] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
  return one.right > two.left && one.left < two.right
    && one.bottom > two.top && one.top < two.bottom;
}).map((row) => row.id)"""


def opened(visitor: Visitor, name: str, *args: Any) -> None:
    cookie = {"name": "django_language", "value": CODE, "url": visitor.origin}
    visitor.page.context.add_cookies([cookie])  # type: ignore[list-item]
    answer = visitor.page.goto(visitor.origin + reverse(name, args=args))
    assert answer is not None and answer.status == 200


def test_longer_words_fit_on_a_telephone(speaks: None, world: World, visit: Visit) -> None:  # noqa: F811
    proposal_id = world.in_review()
    alice = visit(world.people["alice"])
    alice.page.set_viewport_size({"width": 360, "height": 900})
    incident = world.get(proposal_id).incident_id
    for name, *args in (
        ("queue",),
        ("review", proposal_id),
        ("correct", proposal_id),
        ("execution", proposal_id),
        ("proposal_history", proposal_id),
        ("incidents",),
        ("incident", incident),
        ("passkeys",),
    ):
        opened(alice, name, *args)
        alice.shoot(f"pseudo-{name}")
        width = alice.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{name}: {width}"
        assert alice.page.evaluate(SPILLED) == [], name
        assert alice.page.evaluate(COVERED) == [], name


def test_scripts_say_what_the_page_gave_them(speaks: None, world: World, visit: Visit) -> None:  # noqa: F811
    alice = visit(world.people["alice"])
    opened(alice, "review", world.in_review())
    page = alice.page
    # The clock has drawn again by now: the words of the server and of the script are the same.
    page.wait_for_timeout(1_100)
    clocks = page.locator("time[data-clock]").all_inner_texts()
    assert clocks and not [text for text in clocks if LETTERS.search(text) or "{" in text]
    error = page.locator("#decision [data-error]")
    page.locator("[data-decision=approve]").click(force=True)
    expect(error).to_contain_text("⟦")
    assert not LETTERS.search(error.inner_text())
    hint = page.locator("[data-hint]").text_content() or ""
    assert "⟦" in hint and not LETTERS.search(hint)
    # Without a passkey of its own the browser's refusal is told in the page's language too.
    for key in ("diagnosis", "scope", "action"):
        page.locator(f"#verdict-{key} input[value=yes]").check()
    page.locator("[data-decision=approve]").click(force=True)
    expect(error).to_contain_text("⟦")
    assert not LETTERS.search(error.inner_text())
