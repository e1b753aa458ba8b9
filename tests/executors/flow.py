"""A rotation at a real target by the portal's own run: from the report to its end."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain import plan, report
from remediation.domain.plan import Plan
from tests import factories
from tests.executors import clusters
from tests.flows.waiting import Waiting
from tests.flows.world import World


class Rotation(Waiting):
    """A plan at a target that a test brings; `identity` is what the incident is about."""

    identity: dict[str, Json]

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.consumers = []

    def at(self, targets: Path, *known: dict[str, Json], consumers: Iterable[str]) -> None:
        """Use this targets file, and an inventory in which these consumers use each target.

        Each consumer is a service of this name, which records show by its name.
        """
        self.settings.TARGETS_FILE = str(targets)
        self.consumers = [
            factories.service(name, environment=self.environment) for name in consumers
        ]
        for target in known:
            locator = plan.parse_target(target).locator
            identity = factories.identity(
                locator, kind=str(target["kind"]), environment=self.environment
            )
            for service in self.consumers:
                factories.dependency(service, identity, seen_as=service.name, period_s=0)
        for someone in self.people.values():
            for service in self.consumers:
                factories.grant(someone.user, "review_service", service)
        factories.settle_inventory()

    def report(self, **changes: Any) -> report.Report:
        name = self.targets[0]
        cited = {
            "evidence": sha256(factories.artefact(name)).hexdigest(),
            "pointer": "/target",
            "value": name,
        }
        return super().report(
            incident={
                "kind": "credential_misuse",
                "title": "Credential misused",
                "identity": self.identity,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            diagnosis={
                "summary": "It is misused.",
                "identity": self.identity,
                "confidence": 90,
                "claims": [{"text": f"{name} is misused", "citations": [cited]}],
            },
            **changes,
        )

    def plan(self) -> Plan:
        steps: list[Json] = [*self.steps]
        value: Json = {
            "version": 2, "environment": self.environment, "order": self.order, "steps": steps
        }  # fmt: skip
        return plan.parse(value, protected=frozenset())

    # -- what the worker saw ----------------------------------------------------------------------

    def unmet(self) -> dict[str, str]:
        """Let the worker look; return by condition why it is not met, as the page shows it."""
        self.tick()
        look = m.WaitLook.objects.last()
        assert look is not None
        return {
            one["condition"]: f"{one['name']} {one['detail']}".strip() for one in look.unmet
        }  # fmt: skip

    def until_unmet(self, **wanted: str) -> None:
        """Look until exactly these conditions are not met, each for a reason that begins so."""

        def seen() -> bool:
            found = self.unmet()
            return found.keys() == wanted.keys() and all(
                found[name].startswith(why) for name, why in wanted.items()
            )

        clusters.until(seen, 60)

    def why_failed(self, proposal_id: UUID) -> str:
        """Return the words of the record of the step that failed."""
        row = m.StepRecord.objects.get(execution__proposal_id=proposal_id, phase="failed")
        return str(row.data["detail"])
