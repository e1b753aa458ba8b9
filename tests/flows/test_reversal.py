"""A successful run is undone on the real target only by a second approved run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain import errors, plan, report
from remediation.services.execution import reverse_run
from remediation.services.review.reversal import inverse_plan
from tests import factories
from tests.executors import moto
from tests.executors.contract import AwsWorld
from tests.factories import WEB
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db
WHY = "The key belongs to the nightly backup."


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    with moto.running(tmp_path_factory.mktemp("moto")) as started:
        yield started


class KeyWorld(World):
    """An access key of the simulated AWS, used by a service in production."""

    aws: AwsWorld

    def inject(self, failures: dict[str, dict[str, Any]]) -> None:
        text = self.aws.toml()
        (self.directory / "targets.toml").write_text(text, encoding="utf-8")

    def plan(self) -> plan.Plan:
        step = {"action": self.aws.action, "target": self.aws.target, "parameters": {}}
        return plan.parse(
            {"version": 1, "environment": "production", "steps": [step]}, protected=frozenset()
        )

    def report(self, **changes: Any) -> report.Report:
        content = json.dumps({"key": self.aws.user.key})
        digest = sha256(content.encode()).hexdigest()
        cited = {"evidence": digest, "pointer": "/key", "value": self.aws.user.key}
        return super().report(
            incident={
                "kind": "credential_misuse",
                "title": "Key misused",
                "identity": self.aws.target,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            evidence=[
                {
                    "sha256": digest,
                    "source": "CloudTrail",
                    "media_type": "application/json",
                    "collected_at": "2026-11-22T10:00:00Z",
                    "attacker_writable": False,
                    "content": content,
                    "encoding": "utf-8",
                }
            ],
            diagnosis={
                "summary": "It is misused.",
                "identity": self.aws.target,
                "confidence": 90,
                "claims": [{"text": "The key is misused.", "citations": [cited]}],
            },
            **changes,
        )

    def status(self) -> str:
        return str(self.aws.moto.keys()[self.aws.user.key]["status"])


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings, simulator: moto.Moto) -> KeyWorld:
    KeyWorld.aws = AwsWorld("aws.iam.deactivate_access_key", tmp_path, simulator)
    made = KeyWorld(tmp_path, settings)
    locator = made.plan().steps[0].target.locator
    key = factories.identity(locator, kind="aws.iam.access_key", environment="production")
    factories.dependency(m.Service.objects.get(), key)
    factories.settle_inventory()
    made.approve_keys_of("alice", "bob", "mallory")
    return made


def test_a_deactivated_key_comes_back_by_a_second_approval_and_no_other_way(
    world: KeyWorld,
) -> None:
    first = world.approved()
    world.execute(first)
    assert (world.state_of(first), world.status()) == ("succeeded", "Inactive")
    with acts(WEB):
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=WHY)
    # The request changes nothing; neither does a message for an unapproved proposal (A41).
    world.assess(new)
    world.execute(new)
    assert (world.state_of(new), world.status()) == ("in_review", "Inactive")
    with pytest.raises(errors.Separation):
        world.decide("alice", new)
    world.decide("mallory", new)
    world.execute(new)
    assert world.status() == "Inactive"
    world.decide("bob", new)
    world.execute(new)
    assert (world.state_of(new), world.status()) == ("succeeded", "Active")
    assert world.aws.changes() == 2
    assert world.state_of(first) == "succeeded"


def test_two_requests_to_undo_give_one_proposal_with_the_observed_pin(world: KeyWorld) -> None:
    first = world.approved()
    world.execute(first)
    with acts(WEB):
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=WHY)
    world.assess(new)
    pinned = bytes(m.Assessment.objects.get(proposal_id=new).pin).decode()
    assert '"status":"Inactive"' in pinned
    with acts(WEB):
        again = reverse_run.propose(actor=world.people["bob"].user, proposal_id=first, reason=WHY)
    assert again == new


def suspend(world: KeyWorld) -> None:
    row = m.Agent.objects.get(pk=world.agent.agent_id)
    factories.agent_version(row, world.people["dave"], enabled=False)


def test_the_action_of_a_suspended_agent_can_be_undone(world: KeyWorld) -> None:
    """Suspending the agent must not prevent undoing its earlier actions."""
    first = world.approved()
    world.execute(first)
    suspend(world)
    with acts(WEB):
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=WHY)
    world.assess(new)
    world.decide("mallory", new)
    world.decide("bob", new)
    world.execute(new)
    assert (world.state_of(new), world.status()) == ("succeeded", "Active")


def test_a_reversal_is_refused_after_its_proposer_lost_access(world: KeyWorld) -> None:
    first = world.approved()
    world.execute(first)
    suspend(world)
    with acts(WEB):
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=WHY)
    world.assess(new)
    world.decide("mallory", new)
    world.decide("bob", new)
    world.people["alice"].user.groups.clear()
    world.execute(new)
    assert (world.state_of(new), world.status()) == ("refused", "Inactive")
    assert world.refusals(new) == ["proposer_lost"]


def test_the_same_plan_as_the_agents_own_is_refused_while_it_is_suspended(
    world: KeyWorld,
) -> None:
    """The same plan, but not proposed as a reversal, is refused with the agent."""
    first = world.approved()
    world.execute(first)
    old = world.get(first)
    back = inverse_plan(old)
    assert back is not None
    own = factories.insert_proposal(
        back, diagnosis=old.diagnosis, agent=old.agent, token=old.token
    ).pk
    world.assess(own)
    world.decide("mallory", own)
    world.decide("bob", own)
    suspend(world)
    world.execute(own)
    assert (world.state_of(own), world.status()) == ("refused", "Inactive")
    assert world.refusals(own) == ["agent_disabled"]
