"""A leaked database credential of OpenBao is rotated from report to effect, by real consumers."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from pytest_django import Settings

from remediation.executors.openbao_credential_calls import CredentialCalls
from remediation.executors.run import run_apply
from remediation.executors.secret import SecretValue
from tests.executors import clusters
from tests.executors.consumer import consumer
from tests.executors.contract import clearance, make_plan
from tests.executors.flow import Rotation
from tests.executors.openbao import Place
from tests.executors.openbao_credential import NEW_CREDENTIAL, PLACE, CredentialWorld

SERVICE = "orders-api"


class CredentialRotation(Rotation):
    """New credential → wait until the consumer was seen on it → old lease revoked."""

    bao: CredentialWorld

    def begin(self, bao: CredentialWorld) -> None:
        self.bao = bao
        path = bao.directory / "targets.toml"
        path.write_text(bao.toml(), encoding="utf-8")
        self.identity = bao.lease_target
        self.steps = [
            {
                "action": NEW_CREDENTIAL,
                "target": bao.target,
                "parameters": bao.parameters,
                "wait": self.wait("consumers_moved"),
            },
            {
                "action": "openbao.lease.revoke",
                "target": bao.lease_target,
                "parameters": {"end_sessions": True},
            },
        ]
        self.at(path, bao.lease_target, bao.target, consumers=[SERVICE])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao_place: Place,
    django_capture_on_commit_callbacks: object,
) -> CredentialRotation:
    (tmp_path / "bao").mkdir()
    bao = CredentialWorld(NEW_CREDENTIAL, tmp_path / "bao", bao_place)
    made = CredentialRotation(tmp_path, settings, ("orders",), "production")
    made.targets = (bao.old_lease,)  # what the evidence names
    made.begin(bao)
    return made


def test_the_old_lease_ends_when_the_consumer_was_seen_on_the_new_credential(
    world: CredentialRotation,
) -> None:
    bao = world.bao
    at = bao.directory / "files" / PLACE / "current"
    intruder = bao.open_old()
    with consumer(bao.place.superuser, at, SERVICE, "signal") as service:
        proposal_id = world.approved()
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting", world.refusals(proposal_id)
        assert len(bao.leases) == 2
        service.settle()
        assert world.unmet() == {"consumers_moved": f"not_moved {SERVICE}"}
        assert world.state_of(proposal_id) == "waiting"
        assert bao.old_lease in bao.leases, "nothing is cut before the consumer moved"

        service.reload()
        clusters.until(lambda: _moved(world, proposal_id), 60)
        service.settle()
        assert service.failures == [] and service.answers > 0
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert bao.leases == [bao.delivered()["lease_id"]]
    with pytest.raises(psycopg.OperationalError):
        intruder.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        bao.open_old()
    bao.open_new().close()


def _moved(world: CredentialRotation, proposal_id: UUID) -> bool:
    world.tick()
    return world.state_of(proposal_id) == "succeeded"


def test_a_credential_that_the_store_does_not_take_is_revoked_and_there_is_no_second_one(
    world: CredentialRotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    bao, store = world.bao, world.bao.directory / "files"
    make, made = CredentialCalls.make, []

    def away(calls: CredentialCalls) -> SecretValue:
        value = make(calls)
        made.append(value.reveal("username"))
        store.rename(store.with_name("away"))
        return value

    proposal_id = world.approved()
    with monkeypatch.context() as patched:
        patched.setattr(CredentialCalls, "make", away)
        world.execute(proposal_id)
    assert world.state_of(proposal_id) == "failed", world.phases(proposal_id)
    assert "store files" in world.why_failed(proposal_id)
    assert len(made) == 1 and bao.leases == [bao.old_lease]
    store.with_name("away").rename(store)
    assert bao.delivered()["username"] == bao.credential["username"]
    bao.open_old().close()


def test_a_worker_that_dies_with_the_credential_in_hand_leaves_a_lease_that_a_plan_revokes(
    world: CredentialRotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has its password. The run stays unknown, and makes no second one."""
    bao, make = world.bao, CredentialCalls.make

    def dies(calls: CredentialCalls) -> SecretValue:
        make(calls)
        raise KeyboardInterrupt

    proposal_id = world.approved()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(CredentialCalls, "make", dies)
        world.execute(proposal_id)
    [lost] = set(bao.leases) - {bao.old_lease}
    world.tick(2)
    assert world.state_of(proposal_id) == "unknown", world.phases(proposal_id)
    assert set(bao.leases) == {bao.old_lease, lost}
    target = {**bao.lease_target, "lease": lost}
    plan = make_plan("openbao.lease.revoke", target, {"end_sessions": True})
    run_apply(clearance(plan), plan.body, 0, bao.targets())
    assert bao.leases == [bao.old_lease]
    assert bao.delivered()["username"] == bao.credential["username"]
