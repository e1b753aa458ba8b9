"""POST reports with `proposals`: up to three plans side by side, and plans of people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remediation import models as m
from remediation.api import examples
from tests import factories
from tests.api.conftest import Caller, problem, told
from tests.factories import WEB

pytestmark = pytest.mark.django_db


def offer(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(examples.ALTERNATIVES)), **changes}


def test_alternatives_become_proposals_of_one_choice(scanner: Caller) -> None:
    response = scanner.post("reports", offer())
    answer = told(response, 201)
    assert (answer["proposal"], answer["plan_digest"], answer["urls"]) == (None, None, {})
    assert "Location" not in response
    made = [m.Proposal.objects.get(pk=one["proposal"]) for one in answer["alternatives"]]
    assert [one.alternative for one in made] == [1, 2]
    assert len({one.choice_id for one in made}) == 1
    assert [one.plan_digest for one in made] == [
        one["plan_digest"] for one in answer["alternatives"]
    ]


def test_an_agent_reads_the_others_of_the_choice(scanner: Caller) -> None:
    first, second = told(scanner.post("reports", offer()), 201)["alternatives"]
    answer = told(scanner.get(f"proposals/{first['proposal']}"))
    assert answer["alternatives"] == [{"proposal": second["proposal"], "state": "submitted"}]
    assert answer["planned_by"] == "agent"


def test_the_same_report_again_finds_the_same_choice(scanner: Caller) -> None:
    one, two = (told(scanner.post("reports", offer()), 201) for _ in range(2))
    assert one["alternatives"] == two["alternatives"]
    assert m.Choice.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "name", "pointer"),
    [
        ({"proposals": []}, "bad_value", "#/proposals"),
        ({"proposals": examples.ALTERNATIVES["proposals"][:1]}, "bad_value", "#/proposals"),  # type: ignore[index]
        ({"proposals": [examples.PROPOSAL] * 2}, "bad_value", "#/proposals/1/plan"),
        ({"proposals": [examples.PROPOSAL] * 4}, "bad_value", "#/proposals"),
        ({"proposal": examples.PROPOSAL}, "bad_value", "#/proposals"),
    ],
)
def test_other_numbers_of_plans_are_refused(
    scanner: Caller, changes: dict[str, Any], name: str, pointer: str
) -> None:
    answer = problem(scanner.post("reports", offer(**changes)), 400, name)
    assert answer["errors"][0]["pointer"] == pointer
    assert not m.Incident.objects.exists()


def test_a_protected_target_is_refused_in_every_alternative(scanner: Caller) -> None:
    body = offer()
    body["proposals"][1]["plan"]["steps"][0]["target"]["role"] = "postgres"
    answer = problem(scanner.post("reports", body), 400, "protected_target")
    assert answer["errors"][0]["pointer"].startswith("#/proposals/1/plan/steps/0/target")


def test_a61_a_secret_in_a_rationale_of_an_alternative_is_masked(scanner: Caller) -> None:
    body = offer()
    key = "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    body["proposals"][1]["rationale"] = f"aws_secret_access_key={key.split()[1]}"
    made = told(scanner.post("reports", body), 201)["alternatives"]
    assert "wJalr" not in m.Proposal.objects.get(pk=made[1]["proposal"]).rationale


def test_a12_an_agent_reads_a_persons_plan_and_cannot_end_it(scanner: Caller) -> None:
    like = factories.proposal_at("returned", agent=scanner.agent, token=scanner.token)
    alice = factories.person(roles=["security"])
    made = factories.insert_proposal(
        factories.plan("planned"),
        diagnosis=like.diagnosis,
        agent=like.agent,
        token=like.token,
        editor=alice.id,
        planner=alice.id,
        login=WEB,
    )
    assert told(scanner.get(f"proposals/{made.pk}"))["planned_by"] == "person"
    problem(
        scanner.post(f"proposals/{made.pk}/withdraw", {"reason": "mine"}), 404, "no_such_object"
    )
