"""A leaked access key is rotated from report to effect: the portal, and AWS simulated by moto."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from pytest_django import Settings

from audit.tlog.canonical import Json
from remediation.executors import aws_key_calls
from remediation.executors.secret import SecretValue
from tests import factories
from tests.executors import moto
from tests.executors.contract import UserKeysWorld
from tests.executors.flow import Rotation
from tests.executors.test_aws_secrets_manager import SecretsWorld

CREATE = "aws.user_keys.create_key"


class Trailed(SecretsWorld):
    """Secrets Manager is the store, and CloudTrail tells consumers apart."""

    cloudtrail = True


class KeyRotation(Rotation):
    """Second key → consumers moved, by the record of uses → a person → old key Inactive."""

    aws: UserKeysWorld

    def begin(self, aws: UserKeysWorld, *consumers: str) -> None:
        self.aws = aws
        path = aws.directory / "targets.toml"
        path.write_text(aws.toml(), encoding="utf-8")
        self.identity = {
            "kind": "aws.iam.access_key",
            "account": moto.ACCOUNT,
            "user": aws.user.name,
            "access_key_id": aws.user.key,
        }
        parameters: dict[str, Json] = {**aws.parameters}
        self.steps = [
            {
                "action": CREATE,
                "target": aws.target,
                "parameters": parameters,
                "wait": self.wait("consumers_moved", person=True),
            },
            {"action": "aws.iam.deactivate_access_key", "target": self.identity, "parameters": {}},
        ]
        self.at(path, self.identity, aws.target, consumers=consumers)

    @property
    def keys(self) -> dict[str, str]:
        return self.aws.moto.keys_of(self.aws.user.name)

    @property
    def new(self) -> str:
        return self.aws.delivered()["access_key_id"]

    def use_old(self, app: str) -> None:
        """Call AWS as a consumer that keeps the key it has."""
        user = self.aws.user
        self.aws.moto.client(user.key, user.secret, app=app).list_account_aliases()

    def use_new(self, app: str) -> None:
        """Call AWS as a consumer that read the store anew."""
        self.aws.moto.client(*self.aws.delivered().values(), app=app).list_account_aliases()

    def intrude(self) -> str:
        """Let an intruder with rights of an administrator put an own key in the new one's place."""
        admin = self.aws.moto.admin()
        admin.delete_access_key(UserName=self.aws.user.name, AccessKeyId=self.new)
        made = admin.create_access_key(UserName=self.aws.user.name)["AccessKey"]
        return str(made["AccessKeyId"])


@pytest.fixture
def make(
    db: None,
    tmp_path: Path,
    settings: Settings,
    simulator: moto.Moto,
    django_capture_on_commit_callbacks: object,
) -> Callable[..., KeyRotation]:
    """`make(kind, consumer, ...)` returns a world with this store and these consumers."""

    def made(kind: type[UserKeysWorld], *consumers: str) -> KeyRotation:
        (tmp_path / "aws").mkdir()
        aws = kind(CREATE, tmp_path / "aws", simulator)
        world = KeyRotation(tmp_path, settings, (aws.user.key,), "production")
        world.begin(aws, *consumers)
        return world

    return made


def test_the_old_key_is_inactive_when_the_last_consumer_was_seen_on_the_new_one(
    make: Callable[..., KeyRotation],
) -> None:
    world = make(Trailed, "billing", "nightly")
    old = world.aws.user.key
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "waiting", world.refusals(proposal_id)
    assert world.keys == {old: "Active", world.new: "Active"}

    world.use_new("billing")
    world.use_old("nightly")
    assert world.unmet() == {"consumers_moved": "not_moved nightly"}
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    assert world.keys[old] == "Active", "it stays as long as one consumer does not move"

    world.use_new("nightly")
    assert world.unmet() == {} and world.state_of(proposal_id) == "waiting", "a person is asked"
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert world.keys == {old: "Inactive", world.new: "Active"}
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        world.use_old("nightly")
    world.use_new("nightly")


def test_a_freeze_keeps_it_waiting_and_it_goes_on_when_that_is_lifted(
    make: Callable[..., KeyRotation],
) -> None:
    """The only consumer is seen by the last use of each key, without CloudTrail."""
    world = make(UserKeysWorld, "billing")
    old = world.aws.user.key
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.use_new("billing")
    world.tick()
    world.answer("alice", proposal_id)
    factories.freeze()
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    assert world.refusals(proposal_id) == ["frozen"] and world.keys[old] == "Active"
    factories.freeze(False)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert world.keys == {old: "Inactive", world.new: "Active"}


def test_a_key_that_the_store_does_not_take_is_discarded_and_there_is_no_second_one(
    make: Callable[..., KeyRotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(UserKeysWorld, "billing")
    old, store = world.aws.user.key, world.aws.directory / "store"
    make_key, made = aws_key_calls.KeyCalls.make, []

    def away(calls: aws_key_calls.KeyCalls) -> SecretValue:
        value = make_key(calls)
        made.append(value.reveal("access_key_id"))
        store.rename(store.with_name("away"))
        return value

    proposal_id = world.approved()
    with monkeypatch.context() as patched:
        patched.setattr(aws_key_calls.KeyCalls, "make", away)
        world.execute(proposal_id)
    assert world.state_of(proposal_id) == "failed", world.phases(proposal_id)
    assert "store apps" in world.why_failed(proposal_id)
    assert len(made) == 1 and world.keys == {old: "Active"}
    store.with_name("away").rename(store)
    assert world.new == old and not (store / world.aws.path / "staged").is_symlink()
    world.use_old("billing")


def test_an_intruders_key_in_the_new_ones_place_stops_the_run_before_the_old_one_ends(
    make: Callable[..., KeyRotation],
) -> None:
    """The person said to go on without the consumer, not without the new key."""
    world = make(UserKeysWorld, "billing")
    old = world.aws.user.key
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.unmet() == {"consumers_moved": "not_moved billing"}
    world.answer("alice", proposal_id)
    intruders = world.intrude()
    world.tick()
    assert world.state_of(proposal_id) == "stopped", world.phases(proposal_id)
    assert world.reason_of(proposal_id) == "drift"
    assert world.keys == {old: "Active", intruders: "Active"}


def test_an_intruders_key_in_the_old_ones_place_is_no_key_to_end(
    make: Callable[..., KeyRotation],
) -> None:
    world = make(UserKeysWorld, "billing")
    user = world.aws.user
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.use_new("billing")
    admin = world.aws.moto.admin()
    admin.delete_access_key(UserName=user.name, AccessKeyId=user.key)
    intruders = admin.create_access_key(UserName=user.name)["AccessKey"]["AccessKeyId"]
    found = world.unmet()["consumers_moved"]
    assert found.startswith("not_observable") and intruders in found
    assert world.state_of(proposal_id) == "waiting"
    world.answer("bob", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.keys == {world.new: "Active", intruders: "Active"}
