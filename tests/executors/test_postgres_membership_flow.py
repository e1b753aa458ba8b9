"""A misused membership from the report to its end at a real cluster, and back by a reversal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors.conftest import Cluster
from tests.executors.flow import Rotation
from tests.executors.postgres_membership import MembershipWorld
from tests.factories import WEB
from tests.flows.world import acts


class Revoked(Rotation):
    """One step: the membership is revoked."""

    postgres: MembershipWorld

    def begin(self, postgres: MembershipWorld) -> None:
        self.postgres, self.order = postgres, "none"
        path = postgres.directory / "targets.toml"
        path.write_text(postgres.toml() + postgres.store_toml(), encoding="utf-8")
        self.identity = postgres.target
        self.steps = [
            {"action": "postgres.membership.revoke", "target": postgres.target, "parameters": {}}
        ]
        self.at(path, postgres.target, consumers=["reporting"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    newest_cluster: Cluster,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Revoked]:
    (tmp_path / "postgres").mkdir()
    postgres = MembershipWorld(
        "postgres.membership.revoke",
        tmp_path / "postgres",
        newest_cluster.superuser,
        newest_cluster.log,
    )
    made = Revoked(tmp_path, settings, (postgres.role,), "production")
    made.begin(postgres)
    made.approve_keys_of("alice", "bob", "mallory")
    yield made
    postgres.close()


def test_a_membership_is_revoked_after_people_decided(world: Revoked) -> None:
    postgres = world.postgres
    read = f"SELECT count(*) FROM {postgres.table}".encode()
    before = postgres.rows()
    with psycopg.connect(postgres.own_dsn, autocommit=True) as session:
        proposal_id = world.in_review()
        world.decide("alice", proposal_id)
        assert postgres.changes() == 0 and session.execute(read).fetchone() == (10,)
        world.decide("bob", proposal_id)
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        with pytest.raises(InsufficientPrivilege):
            session.execute(read)
    assert postgres.rows() is None and postgres.changes() == 1
    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a mistake."
        )
    world.assess(back)
    world.decide("mallory", back)
    world.execute(back)
    assert postgres.rows() is None, "one approval gives nothing back"
    world.decide("bob", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert postgres.rows() == before
