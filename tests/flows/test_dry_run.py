"""The dry run of a rotation: the agent reads it before people decide, and no target was written.

The worker's assessment judges each step on what the earlier ones would leave.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.api import answers
from remediation.domain import plan
from remediation.domain.plan import Plan
from remediation.services.access import authorize
from remediation.views.cards.proposal import plan_of
from remediation.views.cards.step import step_cards
from tests import factories
from tests.executors.records import FilesRecord
from tests.executors.rotation import RotationWorld
from tests.factories import WEB
from tests.flows.role_world import RoleWorld
from tests.flows.waiting import OLD, Waiting
from tests.flows.world import World, acts
from tests.servers import Addresses

STRANGE = "tk-ffffffffffff"


def told(world: World, proposal_id: UUID) -> Any:
    """Return the dry run as the agent reads it."""
    with acts(WEB):
        return answers.proposal(answers.own(world.agent, proposal_id))["dry_run"]


@pytest.fixture
def things(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Waiting:
    return Waiting(tmp_path, settings, ("t1",), "production")


def test_a44_each_step_is_judged_on_what_the_earlier_ones_would_leave(things: Waiting) -> None:
    made: Json = {"made_by": 0, "name": "token_id"}
    things.steps = [
        things.make(wait=things.wait("consumers_moved")),
        things.step("announce", "t1", {"token_id": made}),
        things.retire(),
    ]
    things.set_thing(tokens=[OLD, STRANGE])
    files = {path.name: path.read_bytes() for path in (things.directory / "state").iterdir()}
    proposal_id = things.submit()
    assert told(things, proposal_id) is None
    things.assess(proposal_id)

    found = told(things, proposal_id)
    assert found["round"] == 1
    assert [step["precheck"] for step in found["steps"]] == ["not_refused"] * 3
    assert [step["left_by"] for step in found["steps"]] == [None, 0, 1]
    make, announce, retire = ({c["field"]: c for c in step["changes"]} for step in found["steps"])
    # What only the target says has no name here.
    assert make["tokens"]["before"] == [OLD, "{value}"]
    assert make["tokens"]["after"] == ["<token_id>", OLD, "{value}"]
    assert announce["announced"]["after"] == "<token_id>"
    assert retire["tokens"]["before"] == make["tokens"]["after"]
    assert retire["tokens"]["after"] == ["<token_id>", "{value}"]
    assert STRANGE not in json.dumps(found)

    assert things.calls() == []
    now = {path.name: path.read_bytes() for path in (things.directory / "state").iterdir()}
    assert now == files


def test_a_step_on_a_thing_that_the_plan_makes_is_judged_as_if_it_were_there(
    things: Waiting,
) -> None:
    things.steps = [things.step("create", "t1", {}), things.make(wait=things.wait(person=True))]
    things.set_thing(exists=False)
    proposal_id = things.in_review()
    steps = told(things, proposal_id)["steps"]
    assert [(step["precheck"], step["exists"]) for step in steps] == [
        ("not_refused", False), ("not_refused", True)
    ]  # fmt: skip

    things.set_thing(exists=True)
    things.assess(proposal_id, reason="somebody made it meanwhile")
    steps = told(things, proposal_id)["steps"]
    assert [(step["precheck"], step["exists"]) for step in steps] == [
        ("refused", True), ("not_refused", True)
    ]  # fmt: skip


class Rotating(RoleWorld):
    """A role whose password is rotated; then the sessions of the old one end."""

    def inject(self, failures: dict[str, dict[str, Any]]) -> None:
        self.write_targets(self.pg.toml() + self.pg.store_toml())

    def plan(self) -> Plan:
        steps: list[Json] = [
            {
                "action": "postgres.role.rotate_password",
                "target": self.pg.target,
                "parameters": {"store": "apps:orders/database", "end_sessions": False},
            },
            {
                "action": "postgres.role.end_sessions",
                "target": self.pg.target,
                "parameters": {"begun_before": {"made_by": 0, "name": "set_at"}},
            },
        ]
        return plan.parse(
            {"version": 2, "environment": "production", "order": "cut_first", "steps": steps},
            protected=frozenset(),
        )


@pytest.fixture
def role(db: None, tmp_path: Path, settings: Settings, addresses: Addresses) -> Rotating:
    RoleWorld.pg = RotationWorld(tmp_path, addresses.target, addresses.target_log)
    made = Rotating(tmp_path, settings)
    locator = made.plan().steps[0].target.locator
    identity = factories.identity(locator, kind="postgres.role", environment="production")
    factories.dependency(m.Service.objects.get(), identity)
    return made


def test_a44_a_rotation_is_tried_without_the_operators_credential(role: Rotating) -> None:
    role.pg.hide_operate_credential()  # reading one would raise CredentialUnavailable
    store, before = FilesRecord(role.directory), role.pg.look()
    proposal_id = role.in_review()

    first, second = told(role, proposal_id)["steps"]
    assert (first["precheck"], second["precheck"]) == ("not_refused", "not_refused")
    changes = {change["field"]: change for change in first["changes"]}
    assert changes["password_id"]["before"] == "{value}"
    assert changes["password_id"]["after"] == "<password_id>"
    assert (second["left_by"], second["changes"]) == (0, [])
    # Reviewers see the same chain: the second step begins where the first one ends.
    proposal = role.get(proposal_id)
    one, two = step_cards(plan_of(proposal), authorize.newest(proposal))
    assert one.observed is not None and two.observed is not None
    left = {field.name: field.after or field.value for field in one.observed.fields if field.pinned}
    meets = {field.name: field.value for field in two.observed.fields if field.pinned}
    assert meets == left and two.observed.left_by == 1

    assert (role.pg.look(), role.pg.changes(), store.writes()) == (before, 0, [])
    lines = role.pg.log_lines("execute|statement")
    assert lines and not [line for line in lines if "hitl_operator" in line]
