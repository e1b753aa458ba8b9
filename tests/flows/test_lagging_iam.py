"""A67: the worker and an IAM whose reads lag behind its writes, from approval to the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.executors import aws, aws_iam
from remediation.services.execution import settle
from tests import factories
from tests.executors import moto
from tests.executors.contract import AwsWorld
from tests.executors.lagging import LaggingIam, Reads, lagging
from tests.flows.test_reversal import KeyWorld

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    with moto.running(tmp_path_factory.mktemp("moto")) as started:
        yield started


class LagWorld(KeyWorld):
    """A key behind an IAM that a test steers."""

    iam: LaggingIam

    def inject(self, failures: dict[str, dict[str, Any]]) -> None:
        text = self.aws.toml(self.iam.port)
        (self.directory / "targets.toml").write_text(text, encoding="utf-8")

    def real_status(self) -> str:
        """Return the key's status in the simulator's own state, whatever reads show."""
        return str(self.aws.moto.keys()[self.aws.user.key]["status"])


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as running:
        yield running


@pytest.fixture
def lag(
    db: None,
    tmp_path: Path,
    settings: Settings,
    simulator: moto.Moto,
    servers: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> LagWorld:
    """A world whose reads are stale, or as the test's parameter says."""
    monkeypatch.setattr(aws, "VERIFY_SECONDS", 0.0)
    LagWorld.aws = AwsWorld("aws.iam.deactivate_access_key", tmp_path, simulator)
    reads = getattr(request, "param", Reads.STALE)
    LagWorld.iam = servers.enter_context(lagging(simulator.url, reads))
    made = LagWorld(tmp_path, settings)
    locator = made.plan().steps[0].target.locator
    key = factories.identity(locator, kind="aws.iam.access_key", environment="production")
    factories.dependency(m.Service.objects.get(), key)
    factories.settle_inventory()
    return made


@pytest.mark.parametrize("lag", list(Reads), indirect=True, ids=lambda reads: reads.name)
def test_a67_the_step_waits_and_is_confirmed_when_the_change_has_spread(lag: LagWorld) -> None:
    proposal_id = lag.approved()
    lag.execute(proposal_id)
    assert (lag.state_of(proposal_id), lag.real_status()) == ("executing", "Inactive")
    lag.reconcile()
    assert lag.phases(proposal_id) == [(0, "intended"), (0, "applied")]
    lag.iam.spread()
    lag.reconcile()
    assert (lag.state_of(proposal_id), lag.real_status()) == ("succeeded", "Inactive")
    assert lag.aws.changes() == 1
    seen = m.StepRecord.objects.get(phase="verified").data
    place = f"AWS account {moto.ACCOUNT} IAM (read through the observer's key)"
    assert seen["points"] == [{"place": place, "without_access": True, "open": []}]


@pytest.mark.parametrize("lag", list(Reads), indirect=True, ids=lambda reads: reads.name)
def test_a67_when_it_is_never_seen_the_run_stops_and_keeps(lag: LagWorld) -> None:
    proposal_id = lag.approved()
    lag.execute(proposal_id)
    factories.backdate(m.StepRecord.objects.get(phase="applied"), minutes=6)
    lag.reconcile()
    assert (lag.state_of(proposal_id), lag.real_status()) == ("stopped", "Inactive")
    assert lag.aws.changes() == 1


def test_a67_control_with_one_read_a_lucky_one_confirms(
    lag: LagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with one read a look the step counts as seen while a front end says Active."""
    lag.iam.reads = Reads.ALTERNATE
    monkeypatch.setattr(aws_iam, "READS", 1)
    proposal_id = lag.approved()
    lag.execute(proposal_id)
    for _ in range(2):
        if lag.state_of(proposal_id) == "executing":
            lag.reconcile()
    assert lag.state_of(proposal_id) == "succeeded"


def test_a67_a_lost_answer_is_not_settled_by_a_stale_read(lag: LagWorld) -> None:
    proposal_id = lag.approved()
    lag.iam.lost = True
    lag.execute(proposal_id)
    assert (lag.state_of(proposal_id), lag.real_status()) == ("unknown", "Inactive")
    lag.reconcile()
    assert lag.state_of(proposal_id) == "unknown"
    lag.iam.spread()
    _due_again(proposal_id)
    lag.reconcile()
    # People were told that it was unknown: settled as applied, then confirmed.
    assert (lag.state_of(proposal_id), lag.real_status()) == ("succeeded", "Inactive")
    assert lag.aws.changes() == 1


def test_a67_control_settled_at_once_the_stale_read_says_not_applied(
    lag: LagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the wait the record says failed, nothing changed, and that is false."""
    monkeypatch.setattr(settle, "_may_spread", lambda *_: False)
    proposal_id = lag.approved()
    lag.iam.lost = True
    lag.execute(proposal_id)
    lag.reconcile()
    assert (lag.state_of(proposal_id), lag.real_status()) == ("failed", "Inactive")


def _due_again(proposal_id: object) -> None:
    """Let the pause before the next reading of an unknown run be over."""
    from django.core.cache import cache

    cache.clear()
