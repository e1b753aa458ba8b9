"""The world of runs that wait: a test thing with a token, consumers of it, and a plan to rotate it.

The plan makes a new token, waits until every consumer was seen on it, and retires the old one.
Tests write what the target's record shows, and move time by moving the rows of the past.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain import instant, plan
from remediation.domain.plan import Plan
from remediation.services.execution import halt, waits
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts

OLD = "tk-000000000000"
WHY = "Both consumers were looked at by hand."


class Waiting(World):
    """A world whose plan waits; `steps` can be set before a proposal is made."""

    kind = "test.thing"
    order = "move_first"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.steps = [self.make(wait=self.wait("consumers_moved")), self.retire()]
        self.consumers = [factories.service(environment=self.environment) for _ in range(2)]
        for name in ("t1", "t2"):
            identity = factories.identity(f"test.thing:{name}", environment=self.environment)
            for service in self.consumers:
                factories.dependency(service, identity, seen_as=service.name, period_s=60)
        for someone in self.people.values():
            for service in self.consumers:
                factories.grant(someone.user, "review_service", service)

    # -- plans --------------------------------------------------------------------------------

    def make(self, name: str = "t1", **more: Json) -> dict[str, Json]:
        return self.step("make", name, {"store": "file:one"}, **more)

    def retire(self, name: str = "t1", token: Json = OLD, **more: Json) -> dict[str, Json]:
        return self.step("retire", name, {"token_id": token}, **more)

    def step(
        self, verb: str, name: str, parameters: dict[str, Json], **more: Json
    ) -> dict[str, Json]:
        target: Json = {"kind": "test.thing", "name": name}
        return {
            "action": f"test.thing.{verb}", "target": target, "parameters": parameters, **more
        }  # fmt: skip

    def wait(
        self, *conditions: str, step: int = 0, person: bool = False, within_s: int = 3600
    ) -> Json:
        asked: list[Json] = [{"condition": name, "step": step} for name in conditions]
        return {"conditions": asked, "person": person, "within_s": within_s}

    def plan(self) -> Plan:
        return plan.parse(
            {
                "version": 2, "environment": self.environment, "order": self.order,
                "steps": list(self.steps),
            },
            protected=frozenset(),
            allow_test=True,
        )  # fmt: skip

    # -- the target ---------------------------------------------------------------------------

    def thing(self, name: str = "t1") -> Mapping[str, Any]:
        path = self.directory / "state" / f"{name}.json"
        usual = {"exists": True, "announced": "", "off": [], "tokens": [OLD]}
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else usual

    def set_thing(self, name: str = "t1", **changed: Any) -> None:
        """Change the thing as somebody else would."""
        path = self.directory / "state" / f"{name}.json"
        path.write_text(json.dumps({**self.thing(name), **changed}), encoding="utf-8")

    def seen(self, name: str = "t1", **said: Any) -> None:
        """Write what the target's record shows from now on."""
        path = self.directory / "state" / f"{name}.seen.json"
        usual = {"covers_since": instant.dump(datetime.now(UTC) - timedelta(days=1))}
        path.write_text(json.dumps({**usual, **said}), encoding="utf-8")

    def moved(self, *services: m.Service, name: str = "t1", **said: Any) -> None:
        """Let these consumers, or all, sign in with the new token now; the others with the old."""
        now = instant.dump(datetime.now(UTC) + timedelta(seconds=1))
        new = {one.name for one in services or self.consumers}
        self.seen(
            name,
            consumers={
                one.name: {"use": "moved", "last_new": now}
                if one.name in new
                else {"use": "not_seen", "last_old": now}
                for one in self.consumers
            },
            **said,
        )

    # -- people -------------------------------------------------------------------------------

    def answer(
        self,
        name: str,
        proposal_id: UUID,
        decision: str = "go_on",
        *,
        longer_s: int = 0,
        reason: str = WHY,
        seen: str = "",
    ) -> m.Halt:
        """Answer to the wait as a browser with this person's passkey would."""
        user = self.people[name].user
        with acts(WEB):
            wait = waits.newest(proposal_id)
            assert wait is not None
            page = waits.shown(wait)
            started = halt.start(
                actor=user,
                proposal_id=proposal_id,
                decision=decision,
                reason=reason,
                answer=halt.Answer(wait.step, seen or page.digest, longer_s),
            )
            signed = self.assertion(name, started)
            return halt.sign(actor=user, session_id=started.session_id, assertion=signed)

    def statement(self, signed: m.Halt) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(bytes(signed.statement))
        return said

    # -- time ---------------------------------------------------------------------------------

    def tick(self, times: int = 1) -> None:
        """Let the reconciler look, as if the pause since its last look were over."""
        from django.core.cache import cache

        for _ in range(times):
            cache.clear()
            self.reconcile()

    def pass_deadline(self) -> None:
        """Let the deadline of each wait be a second ago."""
        self._update("wait", "deadline = clock_timestamp() - interval '1 second'")

    def age(self, table: str, **ago: float) -> None:
        """Move the rows of a table into the past by so much time."""
        seconds = timedelta(**ago).total_seconds()
        self._update(table, f"recorded_at = recorded_at - interval '{seconds} seconds'")

    def _update(self, table: str, change: str) -> None:
        name = f"remediation_{table}"
        with factories.unguarded(name), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {name} SET {change}")

    # -- what became of it --------------------------------------------------------------------

    def reason_of(self, proposal_id: UUID) -> str:
        end = m.Transition.objects.filter(proposal_id=proposal_id).order_by("-id").first()
        assert end is not None
        return end.reason

    def working_time_left(self, proposal_id: UUID) -> timedelta:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT remediation.run_deadline_v1(%s) - clock_timestamp()", [proposal_id]
            )
            left: timedelta = cursor.fetchone()[0]
        return left

    def moves(self, proposal_id: UUID) -> list[str]:
        rows = m.Transition.objects.filter(proposal_id=proposal_id).order_by("id")
        return [row.to_state for row in rows if row.from_state not in ("submitted", "in_review")]

    def applied(self) -> list[str]:
        """Return the targets of the calls that applied a step, in order."""
        return [call["target"] for call in self.calls() if call["call"] == "apply"]
