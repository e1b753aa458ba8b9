"""Deliver a new access key to Secrets Manager; both are simulated by moto."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.executors.errors import NotApplied
from remediation.executors.run import run_apply, run_observe, run_rollback, run_verify
from tests.executors import moto
from tests.executors.contract import UserKeysWorld, clearance


class SecretsWorld(UserKeysWorld):
    """A user whose key consumers read in Secrets Manager."""

    def deliver(self, version: str, key_id: str) -> None:
        value = {"access_key_id": key_id, "secret_access_key": self.user.secret}
        token = version.ljust(32, "0")
        self.moto.admin("secretsmanager").create_secret(
            Name=self.path,
            SecretString=json.dumps(value),
            ClientRequestToken=token,
        )

    def delivered(self) -> dict[str, str]:
        secrets = self.moto.admin("secretsmanager")
        found: dict[str, str] = json.loads(
            secrets.get_secret_value(SecretId=self.path)["SecretString"]
        )
        return found

    def toml(self, port: int | None = None) -> str:
        text = super().toml(port)
        logins = moto.logins("1")
        return text.replace(
            'kind = "file"\ndirectory = "store"\n',
            'kind = "aws_secrets_manager"\nregion = "us-east-1"\nsimulated = true\n'
            f'endpoint_url = "{self.moto.url}"\n'
            f'observe_access_key_id = "{logins["observer"]["id"]}"\n'
            'observe_secret_access_key = "observer"\n'
            f'operate_access_key_id = "{logins["operator"]["id"]}"\n'
            'operate_secret_access_key_file = "operate.secret"\n',
        )


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> SecretsWorld:
    return SecretsWorld("aws.user_keys.create_key", tmp_path, simulator)


def test_a_new_key_is_promoted_in_secrets_manager_and_taken_back(world: SecretsWorld) -> None:
    plan, targets = world.plan(), world.targets()
    before = run_observe(world.step, targets)
    made = run_apply(clearance(plan), plan.body, 0, targets).made
    assert run_verify(clearance(plan), plan.body, 0, targets).made == made
    assert world.delivered()["access_key_id"] == made["access_key_id"]
    assert world.delivered()["secret_access_key"] not in world.moto.log.read_text()
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before.state)
    assert world.delivered()["access_key_id"] == world.user.key
    assert world.moto.keys_of(world.user.name) == {world.user.key: "Active"}


def test_f25_a_schedule_of_secrets_manager_owns_the_rotation(world: SecretsWorld) -> None:
    plan, targets = world.plan(), world.targets()
    assert run_observe(world.step, targets).exists, "the twin: the same secret without a schedule"
    world.moto.admin("secretsmanager").rotate_secret(
        SecretId=world.path, RotationRules={"AutomaticallyAfterDays": 30}
    )
    with pytest.raises(TargetUnobservable, match=r"rotates robots/\S+ itself"):
        run_observe(world.step, targets)
    with pytest.raises(NotApplied, match="itself"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.moto.keys_of(world.user.name) == {world.user.key: "Active"}
