"""A worker dies while it delivers a new password: what it staged is promoted or discarded (A30)."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings

from remediation import models as m
from remediation.domain import plan
from remediation.executors.postgres_rotate import RotatePassword
from remediation.executors.stores.file import FileStore
from remediation.services.actors import operator
from remediation.services.execution import freeze
from tests import factories
from tests.executors.contract import PostgresWorld
from tests.factories import WORKER
from tests.flows import role_world
from tests.flows.role_world import RoleWorld
from tests.flows.world import acts
from tests.servers import Addresses

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "orders/database"


class Crash(BaseException):
    """The worker is gone: no handler runs."""


class RotateWorld(RoleWorld):
    """A role whose password is rotated into a store of files."""

    def plan(self) -> plan.Plan:
        return self.pg.plan()

    def age_steps(self) -> None:
        """Let the time pass in which a change may spread, and the pause between two readings."""
        cache.clear()
        with factories.unguarded("remediation_steprecord"), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE remediation_steprecord SET recorded_at = recorded_at - interval '1 minute'"
            )

    def write_targets(self, text: str) -> None:
        super().write_targets(text + self.pg.store_toml())


@pytest.fixture
def world(
    transactional_db: None, tmp_path: Path, settings: Settings, addresses: Addresses
) -> RotateWorld:
    cache.clear()
    pg = PostgresWorld("postgres.role.rotate_password", tmp_path, addresses.target,
                       addresses.target_log)  # fmt: skip
    return role_world.make_of(RotateWorld, pg, tmp_path, settings)


def died(world: RotateWorld, monkeypatch: pytest.MonkeyPatch, *, changed: bool) -> None:
    """Let the worker die before or after it changes the password at the target."""
    real = RotatePassword._set

    def dies(*given: object) -> None:
        if changed:
            real(*given)  # type: ignore[arg-type]
        raise Crash

    monkeypatch.setattr(RotatePassword, "_set", dies)


@pytest.mark.parametrize("changed", [False, True])
def test_what_a_dead_worker_staged_is_settled(
    world: RotateWorld, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    store = FileStore("apps", world.directory / "store")
    proposal_id = world.approved()
    died(world, monkeypatch, changed=changed)
    with pytest.raises(Crash):
        world.execute(proposal_id)
    assert store.look(PATH).staged is not None and not store.look(PATH).promoted
    if not changed:  # while all is frozen nothing is called, and nothing is given up
        with acts(WORKER):
            freeze.freeze(actor=operator(), reason="Wait.")
        world.age_steps()
        world.reconcile()
        assert store.look(PATH).staged is not None
        with acts(WORKER):
            freeze.lift(actor=operator(), reason="Go on.")
    for _ in range(3):
        world.age_steps()
        world.reconcile()
    held = store.look(PATH)
    assert held.staged is None
    assert bool(held.promoted) is changed
    assert world.state_of(proposal_id) == ("succeeded" if changed else "failed")
    assert m.StepRecord.objects.filter(phase="applied").exists() is changed
