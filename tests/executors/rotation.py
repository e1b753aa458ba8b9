"""A role whose password is rotated, with the store that its consumers read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg

from audit.tlog.canonical import Json
from remediation.domain.catalogue import ACTIONS
from remediation.domain.conditions import Consumer, Sighting, Unmet, why_not_met
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Plan
from remediation.executors.base import Outcome, Question, Snapshot
from remediation.executors.run import executor_of, run_apply, run_observe, run_prepare, run_verify
from tests.executors import install
from tests.executors.contract import PostgresWorld, clearance

PLACE = "orders/database"
PROPOSAL = "5f0e3f1a-9d5c-4a53-9a55-2f9c6f1f7f11"


class RotationWorld(PostgresWorld):
    """A role and its store. `current` is the password that consumers read."""

    def __init__(
        self,
        directory: Path,
        superuser: str,
        log: Path,
        *,
        action: str = "postgres.role.rotate_password",
        end_sessions: bool = False,
    ) -> None:
        self.end_sessions = end_sessions
        super().__init__(action, directory, superuser, log)
        self.deliver(install.PASSWORD, self.first)

    @property
    def parameters(self) -> dict[str, Json]:
        more: dict[str, Json] = {}
        if "end_sessions" in ACTIONS[self.action].example:
            more = {"end_sessions": self.end_sessions}
        return {**super().parameters, **more}

    @property
    def place(self) -> Path:
        return self.directory / "store" / PLACE

    @property
    def current(self) -> str:
        return (self.place / "current" / "password").read_text()

    def deliver(self, password: str, user: str, version: str = "by-hand") -> None:
        """Put a password into the store, as somebody else than the portal."""
        held = self.place / "versions" / version
        held.mkdir(parents=True)
        (held / "password").write_text(password)
        (held / "username").write_text(user)
        (self.place / "current").symlink_to(Path("versions") / version)

    def prepare(self, plan: Plan | None = None) -> Snapshot:
        plan = plan or self.plan()
        seen = run_observe(plan.steps[0], self.targets())
        return run_prepare(cleared(plan), plan.body, 0, self.targets(), seen)

    def run(
        self, plan: Plan | None = None, snapshot: Snapshot | None = None, proposal: str = PROPOSAL
    ) -> Outcome:
        """Apply and verify."""
        plan = plan or self.plan()
        given = cleared(plan, proposal=proposal)
        snapshot = self.prepare(plan) if snapshot is None else snapshot
        outcome = run_apply(given, plan.body, 0, self.targets(), snapshot)
        run_verify(given, plan.body, 0, self.targets())
        return outcome

    def signs_in(self, password: str, role: str = "") -> bool:
        try:
            psycopg.connect(self.own_dsn, password=password, user=role or self.role).close()
        except psycopg.OperationalError as error:
            assert "password authentication failed" in str(error)
            return False
        return True

    def sighting(
        self,
        condition: str,
        outcome: Outcome,
        snapshot: Snapshot,
        *consumers: Consumer,
        previous: Sighting | None = None,
    ) -> tuple[Sighting, Unmet | None]:
        """Look once, and judge."""
        since = datetime.now(UTC)
        question = Question(condition, since, outcome.made, snapshot, consumers, previous)
        found = executor_of(self.step).look_for(question, self.step, self.targets())
        now = max(found.at, datetime.now(UTC))
        return found, why_not_met(found, consumers, since=since, now=now)


def cleared(plan: Plan, *, rollback: bool = False, proposal: str = PROPOSAL) -> Clearance:
    """Make a clearance, for one and the same proposal: a store notes whose version it is."""
    return clearance(plan, proposal=proposal, rollback=rollback)


def service(name: str, seen_as: str = "", period_s: int = 0) -> Consumer:
    return Consumer(name, seen_as or name, period_s, "reload")
