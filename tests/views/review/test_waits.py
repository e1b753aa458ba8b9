"""The review page of a rotation: its order, waits and consumers, before and after each step."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain import catalogue
from remediation.domain.catalogue import ACTIONS, never_cut
from remediation.domain.plan import Plan
from remediation.services.access import authorize
from remediation.views.cards.new_values import NewValue, format_value
from remediation.views.cards.plan_waits import listed, plan_flow
from tests import factories
from tests.flows import rotation
from tests.flows.world import World
from tests.views.conftest import Browser, BrowserOf, text_of


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1",), "production")


@pytest.fixture
def alice(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["alice"])


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def tile(page: str) -> str:
    part = page[page.index('class="order"') :]
    return words(part[: part.index('class="tilefacts"')])


def tile_facts(page: str) -> str:
    part = page[page.index('class="tilefacts"') :]
    return words(part[: part.index("</dl>")])


def shown(world: World, alice: Browser, made: Plan) -> tuple[m.Proposal, str]:
    proposal = rotation.rotation(world, made)
    return proposal, text_of(alice.get("review", proposal.pk))


def test_move_first_shows_each_step_with_the_waits_between(world: World, alice: Browser) -> None:
    _, page = shown(world, alice, rotation.move_first())
    said = tile(page)
    assert "Move first: The old credential stays valid until its consumers use the new" in said
    make = f'tokens ["{rotation.OLD}"] ["{rotation.OLD}", a new token]'
    wait = "Wait until billing-api, billing-batch, invoice-mail were seen on the new credential."
    announce = "announced token a new token"
    # The last step begins with what the first one leaves, not with what was read.
    retire = f'tokens ["{rotation.OLD}", a new token] [a new token]'
    places = [said.index(part) for part in (make, wait, announce, retire)]
    assert places == sorted(places)
    assert "Wait until nobody used the old credential for 1 d, by a record of uses" in said
    assert "At most 30 min, then people are asked." in said
    # A wait of half an hour cannot show that nobody used it for a day.
    assert "Too short: a consumer may go longer than that between two uses." in said
    assert "billing-batch uses it at least every 1 d, takes a new value by a restart" in said
    assert "billing-api always connected, takes a new value by a reload" in said


def test_the_title_says_what_is_rotated(world: World, alice: Browser) -> None:
    _, page = shown(world, alice, rotation.move_first())
    assert "<h1" in page and "Rotate the token of test thing billing" in words(page)


def test_the_page_says_how_far_the_workers_login_is_cut(
    world: World, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal, page = shown(world, alice, rotation.move_first())
    assert "Worker's login cut to this plan It needs no credential." in tile_facts(page)
    loose = never_cut("It can do anything else.")
    for kind in ("make", "retire"):
        spec = replace(ACTIONS[f"test.thing.{kind}"], credential=loose)
        monkeypatch.setitem(catalogue._actions, spec.kind, spec)
    page = text_of(alice.get("review", proposal.pk))
    said = tile_facts(page)
    # Once, though two steps say it.
    assert "Worker's login not cut to this plan It can do anything else. Target" in said
    full = words(page[page.index('id="steps"') :])
    assert full.count("Worker's login It can do anything else.") == 2


def test_cut_first_names_who_is_down(world: World, alice: Browser) -> None:
    _, page = shown(world, alice, rotation.cut_first())
    assert (
        "Cut first: The old credential ends at once. billing-api, billing-batch, invoice-mail are"
        " interrupted until they have the new one."
    ) in tile(page)


def test_a_reference_is_described_in_the_steps_in_full(world: World, alice: Browser) -> None:
    _, page = shown(world, alice, rotation.move_first())
    full = words(page[page.index('id="steps"') :])
    assert "token a new token, made by step 1" in full
    assert "As step 1 leaves it, and what will change" in full


def test_the_holds_of_the_ruling_are_shown(world: World, settings: Settings) -> None:
    settings.APPROVAL_MODE = "every_step"
    made = rotation.move_first()
    proposal = rotation.rotation(world, made)
    flow = plan_flow(made, authorize.newest(proposal))
    first, second = flow.wait_after(1), flow.wait_after(2)
    assert first is not None and first.texts[-1] == "Then a person decides whether it goes on."
    assert second is not None and second.texts == ("Wait until a person lets it go on.",)
    assert flow.wait_after(3) is None


def test_a_plain_plan_shows_the_holds_of_the_ruling(
    tmp_path: Path, db: None, settings: Settings, browser_of: BrowserOf
) -> None:
    settings.APPROVAL_MODE = "every_step"
    world = World(tmp_path, settings, ("t1", "t2"), "production")
    page = text_of(browser_of(world.people["alice"]).get("review", world.in_review()))
    asked = "Wait until a person lets it go on. At most 30 min, then people are asked."
    first, full = words(page[: page.index('id="steps"')]), words(page[page.index('id="steps"') :])
    assert first.count(asked) == full.count(asked) == 1


def test_a_plan_without_waits_says_nothing_of_them(world: World, alice: Browser) -> None:
    page = text_of(alice.get("review", world.in_review()))
    assert "plannedwait" not in page and 'class="order"' not in page


def test_nobody_known_means_that_a_person_has_to_say_so(db: None) -> None:
    factories.identity(rotation.LOCATOR, kind="test.thing")
    flow = plan_flow(rotation.cut_first(), None)
    assert flow.text.endswith("The inventory does not name the services that this interrupts.")
    wait = flow.wait_after(1)
    assert wait is not None and "only a person can let it go on" in wait.texts[0]


def test_a_value_that_was_read_never_looks_like_a_new_one() -> None:
    assert format_value(NewValue("token_id")) == "a new token"
    assert format_value(["<token_id>", "a new token"]) == '["<token_id>","a new token"]'
    assert format_value(["a new token", NewValue("token_id")]) == '["a new token", a new token]'


def test_a_few_names_and_how_many_more() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
