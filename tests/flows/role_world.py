"""A world whose target is a login role of a real PostgreSQL cluster."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import sql
from pytest_django import Settings

from remediation import models as m
from remediation.domain import plan, report
from remediation.services.execution import look
from tests import factories
from tests.executors.contract import PostgresWorld
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts
from tests.servers import Addresses


class RoleWorld(World):
    """A role of the cluster, used by a service in production."""

    pg: PostgresWorld

    def inject(self, failures: dict[str, dict[str, Any]]) -> None:
        self.write_targets(self.pg.toml())

    def write_targets(self, text: str) -> None:
        (self.directory / "targets.toml").write_text(text, encoding="utf-8")

    def plan(self) -> plan.Plan:
        step = {"action": self.pg.action, "target": self.pg.target, "parameters": {}}
        return plan.parse(
            {"version": 1, "environment": "production", "steps": [step]}, protected=frozenset()
        )

    def report(self, **changes: Any) -> report.Report:
        content = json.dumps({"role": self.pg.role})
        digest = sha256(content.encode()).hexdigest()
        cited = {"evidence": digest, "pointer": "/role", "value": self.pg.role}
        given: dict[str, Any] = {
            "incident": {
                "kind": "credential_misuse",
                "title": "Role misused",
                "identity": self.pg.target,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            "evidence": [
                {
                    "sha256": digest,
                    "source": "server log",
                    "media_type": "application/json",
                    "collected_at": "2026-11-22T10:00:00Z",
                    "attacker_writable": False,
                    "content": content,
                    "encoding": "utf-8",
                }
            ],
            "diagnosis": {
                "summary": "It is misused.",
                "identity": self.pg.target,
                "confidence": 90,
                "claims": [{"text": "The role is misused.", "citations": [cited]}],
            },
            **changes,
        }
        return super().report(**given)

    # -- the target -------------------------------------------------------------------------------

    def alter(self, option: str) -> None:
        """Change the role as an administrator of the cluster does."""
        with psycopg.connect(self.pg.superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} " + option).format(sql.Identifier(self.pg.role))
            )

    def can_log_in(self) -> bool:
        """Ask the target itself."""
        return bool(
            self.pg.ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", self.pg.role)[0]
        )

    # -- the incident -----------------------------------------------------------------------------

    def incident(self, proposal_id: UUID) -> m.Incident:
        return m.Incident.objects.get(proposals=proposal_id)

    def moves(self, incident: m.Incident) -> list[str]:
        return list(incident.transitions.order_by("pk").values_list("to_state", flat=True))

    def found(self, incident: m.Incident) -> list[str]:
        return list(incident.looks.order_by("pk").values_list("found", flat=True))

    def look(self) -> int:
        with acts(WORKER):
            return look.look(actor=WORKER_ACTOR)

    def let_pass(self, incident: m.Incident, **delta: float) -> None:
        """Let this time pass: every row about the incident's state becomes so much older."""
        for row in [*incident.transitions.all(), *incident.looks.all()]:
            factories.backdate(row, **delta)


W = TypeVar("W", bound=RoleWorld)


def make(directory: Path, settings: Settings, addresses: Addresses) -> RoleWorld:
    pg = PostgresWorld("postgres.role.disable", directory, addresses.target, addresses.target_log)
    return make_of(RoleWorld, pg, directory, settings)


def make_of(kind: type[W], pg: PostgresWorld, directory: Path, settings: Settings) -> W:
    """Return a world for the role and the action of ``pg``."""
    kind.pg = pg
    made = kind(directory, settings)
    locator = made.plan().steps[0].target.locator
    role = factories.identity(locator, kind="postgres.role", environment="production")
    factories.dependency(m.Service.objects.get(), role)
    factories.settle_inventory()
    made.approve_keys_of("alice", "bob", "mallory")
    made.people["lena"] = factories.person(f"lena{factories.number()}", roles=["lead"])
    return made
