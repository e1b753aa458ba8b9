"""No finding is refused because its identity has no kind; nothing can be done about it either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from remediation import models as m
from remediation.domain.catalogue import REPORT_ONLY
from remediation.domain.errors import BadValue
from remediation.services.inventory import identity_kinds
from tests import factories
from tests.api.conftest import Caller, report
from tests.views.conftest import sign_in

pytestmark = pytest.mark.django_db


def told(name: str = "deploy-bot", **changes: Any) -> dict[str, Any]:
    """A report about an identity that only its provider knows, without a proposal."""
    made = report()
    made["incident"]["identity"] = made["diagnosis"]["identity"] = {
        "kind": "other.identity",
        "provider": "github",
        "name": name,
    }
    del made["proposal"]
    return {**made, **changes}


def test_it_is_reported_linked_shown_and_said_to_be_for_people(scanner: Caller) -> None:
    answers = [scanner.post("reports", told()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = (json.loads(answer.content) for answer in answers)
    assert first["incident"] == second["incident"] and first["proposal"] is None
    incident = m.Incident.objects.get()
    assert incident.locator == "other.identity:github/deploy-bot"

    client = Client()
    sign_in(client, factories.person(roles=["lead"]).user)
    with scanner.as_login("hitl_web"):
        page = client.get(reverse("incident", args=[incident.pk])).content.decode()
    assert incident.locator in page and REPORT_ONLY in page


def test_the_catalogue_says_what_can_only_be_reported(scanner: Caller) -> None:
    shown = json.loads(scanner.get("actions").content)
    acted_on = {action["target"]["properties"]["kind"]["enum"][0] for action in shown["actions"]}
    for kind in shown["targets"]:
        assert kind["report_only"] is (kind["kind"] not in acted_on)
        assert kind["note"] == (REPORT_ONLY if kind["report_only"] else "")


def test_a_plan_on_it_is_refused(scanner: Caller) -> None:
    made = told()
    made["proposal"] = report()["proposal"]
    made["proposal"]["plan"]["steps"][0]["target"] = made["incident"]["identity"]
    answer = scanner.post("reports", made)
    assert answer.status_code == 400
    assert json.loads(answer.content)["type"] == "/problems/unknown_target_kind"
    assert not m.Incident.objects.exists()


def test_a_hostile_name_is_refused_with_its_place(scanner: Caller) -> None:
    for name in ("a/b", "", "<script>", "a\u202eb", "a:b", "x" * 201, "ghp_" + "a1B2c3D4e5F6" * 3):
        answer = scanner.post("reports", told(name))
        assert answer.status_code == 400, name
        problem = json.loads(answer.content)
        assert problem["type"] == "/problems/bad_value"
        assert problem["errors"][0]["pointer"] == "#/incident/identity/name"
    assert not m.Incident.objects.exists()


def test_the_inventory_takes_it_by_the_same_form() -> None:
    identity_kinds.check_locator("other.identity", "other.identity:github/deploy-bot")
    for wrong in ("github/a/b", "github/", "/a", "GitHub/a", "github/" + "x" * 201, "github"):
        with pytest.raises(BadValue):
            identity_kinds.check_locator("other.identity", f"other.identity:{wrong}")
