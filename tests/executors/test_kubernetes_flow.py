"""A misused workload from the report to its isolation at a simulated cluster, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.kube import KubePlace, KubeWorld
from tests.factories import WEB
from tests.flows.world import acts

ISOLATE = "kubernetes.workload.isolate"
POLICY = "hitlportal-deployment-checkout"


class CutOff(Rotation):
    """One step: the workload cut off in both directions."""

    kube: KubeWorld

    def begin(self, kube: KubeWorld) -> None:
        self.kube, self.order = kube, "none"
        path = kube.directory / "targets.toml"
        path.write_text(kube.toml(), encoding="utf-8")
        self.identity = kube.target
        step = {"action": ISOLATE, "target": kube.target, "parameters": kube.parameters}
        self.steps = [step]
        self.at(path, kube.target, consumers=["payments"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    kube_place: KubePlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[CutOff]:
    (tmp_path / "kube").mkdir()
    kube = KubeWorld(ISOLATE, tmp_path / "kube", kube_place)
    made = CutOff(tmp_path, settings, (kube.name,), "production")
    made.begin(kube)
    made.approve_keys_of("alice", "bob", "mallory")
    yield made
    kube.close()


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
