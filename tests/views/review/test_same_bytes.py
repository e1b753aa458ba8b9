"""A03, A05: for every action kind, what is shown, signed and run are the same bytes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain import plan as plans
from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.errors import BadInput
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan, Step
from remediation.domain.statement import Statement
from remediation.executors import run
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Snapshot
from remediation.executors.targets import Targets
from tests import factories
from tests.executors.contract import make_plan
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.views.conftest import sign_in

RAN: list[dict[str, Json]] = []


class Recorder(Executor):
    """Stands where the real executor stands and writes down what it is asked to do."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        if step.spec.creates:
            return GONE
        return Observation(True, dict.fromkeys(step.spec.pin_fields, "same"), {}, simulated=True)

    def after(
        self,
        state: Mapping[str, Json],
        parameters: Mapping[str, Json] = MappingProxyType({}),
        made: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Json]:
        return dict(state)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        RAN.append({"step": step.to_json(), "digest": clearance.plan_digest})
        return Outcome()

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return Outcome()

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        return Outcome()


def plan_of(kind: str) -> Plan:
    target_kind = ACTIONS[kind].target_kind
    target: dict[str, Json] = {"kind": target_kind, **TARGETS[target_kind].example}
    return make_plan(kind, target, dict(ACTIONS[kind].example))


@pytest.fixture
def world(db: None, tmp_path: Any, settings: Any) -> World:
    return World(tmp_path, settings)


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_a03_page_digest_and_executor_have_the_same_bytes(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    RAN.clear()
    recorders = {name: type("R", (Recorder,), {"spec": spec}) for name, spec in ACTIONS.items()}
    monkeypatch.setattr(run, "EXECUTORS", MappingProxyType(recorders))
    plan = plan_of(kind)
    locator = plan.steps[0].target.locator
    if not m.Identity.objects.filter(locator=locator).exists():
        identity = factories.identity(locator, kind=plan.steps[0].target.kind)
        factories.dependency(m.Service.objects.get(), identity)
    monkeypatch.setattr(World, "plan", lambda self: plan)
    proposal_id = world.in_review()

    page = shown(world, proposal_id)
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)

    assert page == plan.body == bytes(world.get(proposal_id).plan)
    domain = b"hitlportal/plan/v1\0"
    digest = sha256(domain + page).hexdigest()
    signed = {Statement.parse(bytes(r.statement)).digests.plan for r in m.Review.objects.all()}
    assert signed == {digest}
    assert [{"step": json.loads(page)["steps"][0], "digest": digest}] == RAN


def shown(world: World, proposal_id: Any) -> bytes:
    """The plan's bytes as a browser reads them from the review page."""
    client = Client()
    sign_in(client, world.people["alice"].user)
    with acts(WEB):
        text = client.get(reverse("review", args=[proposal_id])).content.decode()
    found = re.search(r'<pre class="bytes" id="plan-bytes">(.*?)</pre>', text, re.DOTALL)
    assert found is not None
    return html.unescape(found[1]).encode()


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_a05_another_version_environment_or_parameter_is_another_digest(kind: str) -> None:
    plan = plan_of(kind)
    value = json.loads(plan.body)
    elsewhere = {**value, "environment": "staging"}
    other = plans.parse(elsewhere, protected=frozenset(), allow_test=True)
    assert other.digest != plan.digest
    value["steps"][0]["executor"] += 1
    with pytest.raises(BadInput):
        plans.parse(value, protected=frozenset(), allow_test=True)
