"""A67: an IAM whose reads lag behind its writes, and one with two front ends that disagree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.executors import aws, aws_iam
from remediation.executors.aws import ActivateAccessKey, DeactivateAccessKey
from remediation.executors.base import GONE, Point, Settled, Snapshot
from remediation.executors.errors import OutcomeUnknown, VerifyFailed
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback, run_verify
from remediation.executors.targets import Targets
from tests.executors import moto
from tests.executors.contract import AwsWorld, clearance
from tests.executors.lagging import LaggingIam, Reads, lagging

BEFORE: Snapshot = {"status": "Active"}


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests ask does not depend on how long the executor looks."""
    monkeypatch.setattr(aws, "VERIFY_SECONDS", 0.0)


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> AwsWorld:
    return AwsWorld("aws.iam.deactivate_access_key", tmp_path, simulator)


@pytest.fixture
def stale(world: AwsWorld) -> Iterator[LaggingIam]:
    with lagging(world.moto.url, Reads.STALE) as iam:
        yield iam


@pytest.fixture
def alternating(world: AwsWorld) -> Iterator[LaggingIam]:
    with lagging(world.moto.url, Reads.ALTERNATE) as iam:
        yield iam


def real_status(world: AwsWorld) -> str:
    """Return the key's status from the simulator's own state."""
    return str(world.moto.keys()[world.user.key]["status"])


def deactivated(world: AwsWorld, iam: LaggingIam) -> tuple[Targets, Snapshot]:
    """Carry out the step as the worker does, up to its effect."""
    plan, targets = world.plan(), world.targets(iam.port)
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets)
    assert real_status(world) == "Inactive"
    return targets, snapshot


def verify(world: AwsWorld, targets: Targets) -> object:
    plan = world.plan()
    return run_verify(clearance(plan), plan.body, 0, targets).detail["status"]


def test_a67_a_read_that_is_not_up_to_date_confirms_later_and_changes_nothing(
    world: AwsWorld, stale: LaggingIam
) -> None:
    """A67: not seen in time is no failure of the step; the next look confirms it."""
    targets, _ = deactivated(world, stale)
    with pytest.raises(VerifyFailed, match="status is Active"):
        verify(world, targets)
    assert (real_status(world), world.changes()) == ("Inactive", 1)
    stale.spread()
    assert verify(world, targets) == "Inactive"
    assert (real_status(world), world.changes()) == ("Inactive", 1)


def test_a67_a_lost_answer_and_a_stale_read_look_like_a_call_that_was_refused(
    world: AwsWorld, stale: LaggingIam
) -> None:
    """A67: the executor alone cannot tell, so the worker settles only after the propagation
    (tests/flows/test_lagging_iam.py)."""
    plan, targets = world.plan(), world.targets(stale.port)
    run_observe(world.step, targets)
    stale.lost = True
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan), plan.body, 0, targets)
    executor, seen = DeactivateAccessKey(), run_observe(world.step, targets)
    assert seen.state == BEFORE and real_status(world) == "Inactive"
    assert executor.settled(seen) is Settled.NOT_APPLIED
    stale.spread()
    assert executor.settled(run_observe(world.step, targets)) is Settled.APPLIED


def test_a67_two_front_ends_that_disagree_are_no_answer(
    world: AwsWorld, alternating: LaggingIam
) -> None:
    """A67: seen Inactive once is not seen everywhere: neither confirmed nor settled."""
    targets, _ = deactivated(world, alternating)
    for _ in range(4):
        with pytest.raises(TargetUnobservable, match="reads of IAM disagree"):
            run_observe(world.step, targets)
        with pytest.raises(VerifyFailed, match="reads of IAM disagree"):
            verify(world, targets)
    alternating.spread()
    assert verify(world, targets) == "Inactive"


def test_a67_control_one_read_alone_confirms_and_then_finds_access_again(
    world: AwsWorld, alternating: LaggingIam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: with one read a look, the two front ends take turns."""
    monkeypatch.setattr(aws_iam, "READS", 1)
    targets, _ = deactivated(world, alternating)
    found = [run_observe(world.step, targets).state["status"] for _ in range(4)]
    assert set(found) == {"Active", "Inactive"}


def test_each_read_of_a_look_opens_a_connection_of_its_own(
    world: AwsWorld, stale: LaggingIam
) -> None:
    """One kept connection would ask the same front end three times."""
    run_observe(world.step, world.targets(stale.port))
    assert stale.calls.count("ListAccessKeys") == aws_iam.READS
    assert len(stale.connections) == len(stale.calls)


def test_a67_an_undoing_that_aws_accepted_is_done_though_no_read_shows_it_yet(
    world: AwsWorld, stale: LaggingIam
) -> None:
    targets, snapshot = deactivated(world, stale)
    stale.spread()
    run_observe(world.step, targets)
    plan = world.plan()
    undone = run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert undone.detail == {"status": "Active", "read_back": "Inactive"}
    assert (real_status(world), world.changes()) == ("Active", 2)


def test_a66_undoing_a_step_that_changed_nothing_makes_no_call(world: AwsWorld) -> None:
    """A66: the key was Inactive before; whoever activates it by hand afterwards is not undone."""
    plan, targets = world.plan(), world.targets()
    snapshot: Snapshot = {"status": "Inactive"}
    undone = run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert undone.detail == {"status": "Inactive", "changed": False}
    assert (real_status(world), world.changes()) == ("Active", 0)


@pytest.mark.parametrize("action", [DeactivateAccessKey, ActivateAccessKey])
def test_a_key_is_without_access_only_when_inactive_was_read(
    world: AwsWorld, action: type[DeactivateAccessKey | ActivateAccessKey]
) -> None:
    """Whichever action asks; a key that is not listed or has another status is not seen."""
    place = f"AWS account {moto.ACCOUNT} IAM (read through the observer's key)"
    expected = {"Inactive": True, "Active": False, "Expired": None}
    for status, without in expected.items():
        seen = Observation(True, {"status": status}, {"other_keys": []}, True)
        assert action().points(world.step, seen) == (Point(place, without),)
        assert action().left_open(world.step, seen) == ()
        assert action().seen(seen) == {"status": status, "other_keys": []}
    assert action().points(world.step, GONE) == (Point(place, None),)
