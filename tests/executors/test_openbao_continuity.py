"""A service goes on without a failed request while its AppRole and database credential change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from audit.tlog.canonical import Json
from remediation.domain.conditions import Consumer, why_not_met
from remediation.domain.plan import Plan
from remediation.executors.base import Outcome, Question
from remediation.executors.run import executor_of, run_apply, run_verify
from tests.executors.asking import Asking, asking
from tests.executors.clusters import until
from tests.executors.contract import clearance, make_plan
from tests.executors.openbao import SERVER, BaoWorld, Place

HERE = Consumer("orders", "127.0.0.1", 0, "reload")


@pytest.fixture
def world(bao_place: Place, tmp_path: Path) -> Iterator[BaoWorld]:
    """An AppRole whose tokens may take credentials of a database role of the same name."""
    made = BaoWorld("openbao.approle.new_secret_id", tmp_path, bao_place)
    role, server = made.role, bao_place.server
    bao_place.lease(role)
    server.policy(f"use-{role}", f'path "database/creds/{role}" {{ capabilities = ["read"] }}')
    bao_place.role(role, token_policies=["default", f"use-{role}"])
    yield made
    made.close()


def run(world: BaoWorld, plan: Plan) -> Outcome:
    done = run_apply(clearance(plan), plan.body, 0, world.targets())
    run_verify(clearance(plan), plan.body, 0, world.targets())
    return done


def revoke(world: BaoWorld, lease: str) -> None:
    target: dict[str, Json] = {"kind": "openbao.lease", "server": SERVER, "lease": lease}
    run(world, make_plan("openbao.lease.revoke", target, {"end_sessions": True}))


def moved(world: BaoWorld, made: Outcome, since: datetime) -> bool:
    asked = Question("consumers_moved", since, made.made, {}, (HERE,))
    found = executor_of(world.step).look_for(asked, world.step, world.targets())
    return why_not_met(found, (HERE,), since=since, now=datetime.now(UTC)) is None


def see(service: Asking, *, but: str) -> tuple[str, str]:
    """Wait for requests with another version or lease; return both."""
    lines = service.wait_for(
        lambda found: (
            {one["how"] for one in found if but not in (one["version"], one["lease"])}
            >= {"pool", "sign_in", "token"}
        )
    )
    return lines[-1]["version"], lines[-1]["lease"]


def test_no_request_fails_while_the_secret_id_and_the_database_credential_change(
    world: BaoWorld,
) -> None:
    place, record = world.place, world.directory / "requests.jsonl"
    at = conninfo_to_dict(place.superuser)
    dsn = make_conninfo("", host=at["host"], port=at["port"], dbname=at["dbname"])
    held = world.directory / "files/orders/approle"
    given = (place.server.url, world.role_id, held, world.role, dsn)
    with asking("openbao_client", record, *given) as service:
        version, first = see(service, but="")
        since = datetime.now(UTC)
        made = run(world, world.plan())
        _, second = see(service, but=version)
        assert moved(world, made, since)
        target: dict[str, Json] = {
            "kind": "openbao.secret_id", "server": SERVER, "mount": "approle",
            "role": world.role, "accessor": world.accessor,
        }  # fmt: skip
        run(world, make_plan("openbao.secret_id.destroy", target, {"end_unclear_tokens": False}))
        # OpenBao ends the leases of a revoked token a moment after its answer.
        until(lambda: first not in leases(world), 20)
        see(service, but=first)
        service.say("renew")
        _, third = see(service, but=second)
        revoke(world, second)
        see(service, but=second)
        assert service.failed == []
        revoke(world, third)  # nothing overlaps: that is the outage, and it is measured
        service.wait_for(lambda lines: any(one["error"] for one in lines))
        assert {one["how"] for one in service.failed} <= {"pool", "sign_in"}


def leases(world: BaoWorld) -> list[str]:
    path = f"database/creds/{world.role}"
    found = world.place.server.ask("LIST", f"sys/leases/lookup/{path}")["data"]["keys"]
    return [f"{path}/{name}" for name in found]
