"""A misused workload from the report to its isolation at a simulated cluster, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.domain.errors import WrongState
from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.kube import KubePlace, KubeWorld
from tests.factories import WEB
from tests.flows.world import acts

ISOLATE = "kubernetes.workload.isolate"
NO_ACCOUNT = "kubernetes.service_account.remove"
NO_TOKEN = "kubernetes.token_secret.delete"
UNDO = "kubernetes.workload.undo_rollout"
POLICY = "hitlportal-deployment-checkout"


class CutOff(Rotation):
    """These actions at one target, in this order."""

    kube: KubeWorld

    def begin(self, kube: KubeWorld, *actions: str) -> None:
        self.kube, self.order = kube, "none"
        path = kube.directory / "targets.toml"
        path.write_text(kube.toml(), encoding="utf-8")
        self.identity = kube.target
        self.steps = [
            {"action": action, "target": kube.target, "parameters": kube.parameters}
            for action in actions
        ]
        self.at(path, kube.target, consumers=["payments"])


@pytest.fixture
def make(
    db: None,
    tmp_path: Path,
    settings: Settings,
    kube_place: KubePlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Callable[..., CutOff]]:
    """Return a function that makes the world of a plan with these actions."""
    (tmp_path / "kube").mkdir()
    opened: list[KubeWorld] = []

    def world(*actions: str) -> CutOff:
        kube = KubeWorld(actions[0], tmp_path / "kube", kube_place)
        opened.append(kube)
        named = str(kube.target["name"])
        made = CutOff(tmp_path, settings, (named,), "production")
        made.begin(kube, *actions)
        made.approve_keys_of("alice", "bob", "mallory")
        return made

    yield world
    for kube in opened:
        kube.close()


@pytest.fixture
def world(make: Callable[..., CutOff]) -> CutOff:
    return make(ISOLATE)


def test_the_tokens_of_a_service_account_end_and_the_account_is_made_again(
    make: Callable[..., CutOff],
) -> None:
    """Two plans: what a plan took away it does not give back itself."""
    world = make(NO_ACCOUNT)
    kube = world.kube
    before = kube.find("serviceaccounts", kube.account)
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert kube.find("serviceaccounts", kube.account) is None

    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="New tokens"
        )
    world.assess(back)
    world.decide("bob", back)
    world.decide("mallory", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    after = kube.find("serviceaccounts", kube.account)
    assert before is not None and after is not None and kube.changes() == 2
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert before["imagePullSecrets"] == after["imagePullSecrets"]


def test_one_leaked_token_ends_and_its_account_stays(make: Callable[..., CutOff]) -> None:
    world = make(NO_TOKEN)
    kube = world.kube
    proposal_id = world.in_review()
    assert kube.find("secrets", kube.secret) is not None and kube.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert kube.find("secrets", kube.secret) is None and kube.changes() == 1
    assert kube.find("serviceaccounts", kube.account) is not None
    with acts(WEB), pytest.raises(WrongState):
        reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a mistake"
        )


def test_a_tampered_template_is_replaced_and_the_replaced_one_is_a_reversal_away(
    make: Callable[..., CutOff],
) -> None:
    world = make(UNDO)
    kube = world.kube
    tampered = kube.deployment()["spec"]["template"]
    proposal_id = world.in_review()
    assert kube.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert kube.deployment()["spec"]["template"] != tampered and kube.changes() == 1
    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a mistake"
        )
    world.assess(back)
    world.decide("bob", back)
    world.decide("mallory", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert kube.deployment()["spec"]["template"] == tampered and kube.changes() == 2


def test_a_misused_workload_is_cut_off_after_people_decided_and_released(world: CutOff) -> None:
    kube = world.kube
    proposal_id = world.in_review()
    assert kube.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert kube.find("networkpolicies", POLICY) is not None
    assert kube.changes() == 1 and len(kube.pods()) == 3

    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a false alarm"
        )
    world.assess(back)
    assert kube.find("networkpolicies", POLICY) is not None
    world.decide("bob", back)
    world.decide("mallory", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert kube.find("networkpolicies", POLICY) is None and kube.changes() == 2
