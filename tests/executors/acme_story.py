"""The sample provider from report to effect, in a process that has it installed.

test_recipe.py runs this file; it is no test of the ordinary run, which has no such package.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from acme_badges.contract import BadgeWorld
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from remediation import models as m
from remediation.domain import catalogue
from tests import factories
from tests.api.conftest import (  # noqa: F401  # fixtures
    Caller,
    _static_directory,
    caller_of,
    dave,
    eve,
    proposed,
    report,
    scanner,
)
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.views.conftest import sign_in

LOCATOR = "acme.badge:harbour/B0017"
BADGE = {"kind": "acme.badge", "site": "harbour", "badge": "B0017"}


@pytest.fixture
def house(db: None, tmp_path: Path, settings: Settings) -> World:
    world = World(tmp_path, settings)
    badges = BadgeWorld("acme.badge.block", tmp_path)
    (tmp_path / "targets.toml").write_text(
        badges.toml() + 'environment = "production"\n', encoding="utf-8"
    )
    service = m.Service.objects.get()
    identity = factories.identity(LOCATOR, kind="acme.badge", environment="production")
    factories.dependency(service, identity)
    return world


def told(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def value(**step: Any) -> dict[str, Any]:
    """A report about the badge, with a plan to block it."""
    made = report("harbour")
    made["incident"]["identity"] = made["diagnosis"]["identity"] = BADGE
    plan = proposed()
    plan["plan"]["environment"] = "production"
    plan["plan"]["steps"] = [
        {
            "action": "acme.badge.block",
            "target": BADGE,
            "parameters": {"ticket": "SEC-17"},
            **step,
        }
    ]
    return {**made, "proposal": plan}


@pytest.mark.django_db
def test_the_kinds_are_in_the_catalogue_of_the_api(scanner: Caller) -> None:  # noqa: F811
    shown = told(scanner.get("actions"))
    actions = {each["action"]: each for each in shown["actions"]}
    assert actions["acme.badge.block"]["rollback"] == "acme.badge.admit"
    kinds = {each["kind"]: each for each in shown["targets"]}
    assert not kinds["acme.badge"]["report_only"] and kinds["acme.badge"]["note"] == ""
    assert kinds["acme.reader"]["report_only"]
    assert kinds["acme.reader"]["note"] == catalogue.REPORT_ONLY


def test_what_the_declaration_does_not_allow_is_refused(
    house: World,
    scanner: Caller,  # noqa: F811
) -> None:
    for step, name in (
        ({"target": {**BADGE, "badge": "X1"}}, "bad_value"),
        ({"target": {**BADGE, "badge": "B9999"}}, "protected_target"),
        ({"parameters": {}}, "missing_field"),
        ({"parameters": {"ticket": "no"}}, "bad_value"),
        ({"action": "acme.badge.melt"}, "unknown_action"),
        ({"target": {"kind": "acme.reader", "site": "a", "reader": "R0001"}},
         "unknown_target_kind"),
    ):  # fmt: skip
        answer = told(scanner.post("reports", value(**step)), 400)
        assert answer["type"] == f"/problems/{name}", answer


def test_reported_shown_approved_and_executed(
    house: World,
    scanner: Caller,  # noqa: F811
    tmp_path: Path,
) -> None:
    proposal_id = UUID(told(scanner.post("reports", value()), 201)["proposal"])
    house.assess(proposal_id)
    assert house.state_of(proposal_id) == "in_review"
    page = review_page(house, proposal_id)
    for words in (
        "Block badge B0017 at site harbour.",
        "number of the badge",
        "doors that it opens",
        "let in",
        "It does not lock a door that is open.",
        "A badge has no session.",
        "Doors that it opened may still be open: 3.",
        "on harbour",
    ):
        assert words in page, words
    house.decide("alice", proposal_id)
    house.decide("bob", proposal_id)
    house.execute(proposal_id)
    assert house.state_of(proposal_id) == "succeeded", house.refusals(proposal_id)
    held = json.loads((tmp_path / "harbour" / "badge-B0017.json").read_text())
    assert held["admitted"] is False
    assert (tmp_path / "harbour" / "changes.log").read_text() == "B0017 False SEC-17\n"


def test_a_free_name_is_escaped_in_the_locator_and_quoted_in_the_sentence(
    house: World,
    scanner: Caller,  # noqa: F811
    tmp_path: Path,
) -> None:
    name = "guest A/B at site bay"
    guest = {**BADGE, "badge": name}
    locator = "acme.badge:harbour/guest%20A%2FB%20at%20site%20bay"
    held = tmp_path / "harbour" / "badge-guest%20A%2FB%20at%20site%20bay.json"
    held.write_text(json.dumps({"admitted": True, "doors": 0}))
    key = factories.identity(locator, kind="acme.badge", environment="production")
    factories.dependency(m.Service.objects.get(), key)
    made = value(target=guest)
    made["incident"]["identity"] = made["diagnosis"]["identity"] = guest
    proposal_id = UUID(told(scanner.post("reports", made), 201)["proposal"])
    assert [row.locator for row in house.get(proposal_id).targets.all()] == [locator]
    house.assess(proposal_id)
    page = review_page(house, proposal_id)
    assert f"Block badge “{name}” at site harbour." in page
    assert "It opened no door." in page
    house.decide("alice", proposal_id)
    house.decide("bob", proposal_id)
    house.execute(proposal_id)
    assert house.state_of(proposal_id) == "succeeded", house.refusals(proposal_id)
    assert json.loads(held.read_text())["admitted"] is False


def test_an_incident_about_a_report_only_kind_says_so(
    house: World,
    scanner: Caller,  # noqa: F811
) -> None:
    made = report("harbour")
    del made["proposal"]
    reader = {"kind": "acme.reader", "site": "harbour", "reader": "R0001"}
    made["incident"]["identity"] = made["diagnosis"]["identity"] = reader
    incident = told(scanner.post("reports", made), 201)["incident"]
    client = Client()
    sign_in(client, factories.person(roles=["lead"]).user)
    with acts(WEB):
        page = client.get(reverse("incident", args=[incident])).content.decode()
    assert catalogue.REPORT_ONLY in page


def review_page(house: World, proposal_id: UUID) -> str:
    client = Client()
    sign_in(client, house.people["alice"].user)
    with acts(WEB):
        return client.get(reverse("review", args=[proposal_id])).content.decode()
