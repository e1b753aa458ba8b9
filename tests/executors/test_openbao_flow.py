"""A leaked secret id is rotated from report to effect: the portal, a real OpenBao, a consumer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain import plan, report
from remediation.domain.plan import Plan
from remediation.executors.stores.store import OpenPlace
from tests import factories
from tests.executors.openbao import SERVER, BaoWorld, Place
from tests.flows.waiting import Waiting
from tests.flows.world import World


class Rotation(Waiting):
    """New secret id → the consumer signed in with it → a person → the old one destroyed."""

    bao: BaoWorld

    def __post_init__(self) -> None:
        World.__post_init__(self)

    def begin(self, bao: BaoWorld) -> None:
        self.bao = bao
        (bao.directory / "targets.toml").write_text(bao.toml())
        self.settings.TARGETS_FILE = str(bao.directory / "targets.toml")
        service = factories.service(environment=self.environment)
        for kind in ("approle", "secret_id"):
            located = plan.parse_target(self.target(kind)).locator
            identity = factories.identity(located, environment=self.environment)
            factories.dependency(service, identity, seen_as="127.0.0.1", period_s=0)
        for someone in self.people.values():
            factories.grant(someone.user, "review_service", service)

    def target(self, kind: str) -> dict[str, Json]:
        fields: dict[str, Json] = {"server": SERVER, "mount": "approle", "role": self.bao.role}
        if kind == "secret_id":
            fields["accessor"] = self.bao.accessor
        return {"kind": f"openbao.{kind}", **fields}

    def report(self, **changes: Any) -> report.Report:
        identity = self.target("secret_id")
        return super().report(
            incident={
                "kind": "credential_misuse",
                "title": "Secret id misused",
                "identity": identity,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            diagnosis=self._diagnosis(identity),
            **changes,
        )

    def _diagnosis(self, identity: dict[str, Json]) -> dict[str, Any]:
        from hashlib import sha256

        name = self.targets[0]
        cited = {
            "evidence": sha256(factories.artefact(name)).hexdigest(),
            "pointer": "/target",
            "value": name,
        }
        return {
            "summary": "It is misused.",
            "identity": identity,
            "confidence": 90,
            "claims": [{"text": f"{name} is misused", "citations": [cited]}],
        }

    def plan(self) -> Plan:
        steps: list[Json] = [
            {
                "action": "openbao.approle.new_secret_id",
                "target": self.target("approle"),
                "parameters": {"store": "files:orders/approle"},
                "wait": self.wait("consumers_moved", person=True),
            },
            {
                "action": "openbao.secret_id.destroy",
                "target": self.target("secret_id"),
                "parameters": {"end_unclear_tokens": False},
            },
        ]
        value: Json = {
            "version": 2, "environment": self.environment, "order": "move_first", "steps": steps
        }  # fmt: skip
        return plan.parse(value, protected=frozenset())


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao_place: Place,
    django_capture_on_commit_callbacks: object,
) -> Rotation:
    (tmp_path / "bao").mkdir()
    bao = BaoWorld("openbao.approle.new_secret_id", tmp_path / "bao", bao_place)
    made = Rotation(tmp_path, settings, (bao.accessor,), "production")
    made.begin(bao)
    return made


def test_a_secret_id_is_rotated_and_the_old_one_ends_when_its_consumer_moved(
    world: Rotation,
) -> None:
    bao, place = world.bao, world.bao.place
    old = place.sign_in(bao.role_id, bao.value)
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "waiting", world.refusals(proposal_id)
    assert len(place.accessors(bao.role)) == 3

    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    look = m.WaitLook.objects.last()
    assert look is not None and [one["name"] for one in look.unmet] == ["not_moved"]
    assert place.is_valid(old["client_token"]), "nothing is cut before the consumer moved"

    value = (bao.directory / "files/orders/approle/current/secret_id").read_text()
    new = place.sign_in(bao.role_id, value)  # the consumer reads the store anew
    world.tick(2)
    look = m.WaitLook.objects.last()
    assert look is not None and look.unmet == []
    assert world.state_of(proposal_id) == "waiting", "a person is asked"
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert bao.accessor not in place.accessors(bao.role)
    assert not place.is_valid(old["client_token"]) and place.is_valid(new["client_token"])


def test_a_worker_that_dies_before_it_promotes_leaves_no_consumer_behind(
    world: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret id is at the target: the reconciler lets consumers read it, and makes no other."""
    bao, place = world.bao, world.bao.place
    before = len(place.accessors(bao.role))
    current = bao.directory / "files/orders/approle/current/secret_id"
    old = current.read_text()

    def dies(self: OpenPlace) -> None:
        raise KeyboardInterrupt

    proposal_id = world.approved()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(OpenPlace, "promote", dies)
        world.execute(proposal_id)
    assert len(place.accessors(bao.role)) == before + 1 and current.read_text() == old
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting", world.phases(proposal_id)
    assert len(place.accessors(bao.role)) == before + 1
    assert current.read_text() != old and place.sign_in(bao.role_id, current.read_text())
