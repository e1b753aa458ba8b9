"""The world of flow tests: people, agent, inventory, noop targets, and the worker's files.

Every step calls the services, each with the login of its process.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.core.cache import cache
from django.db import connection, transaction
from pytest import MonkeyPatch
from pytest_django import Settings

from audit.sequencer import Sequencer
from audit.tlog.head import HeadFile
from remediation import models as m
from remediation.domain import b64url, report
from remediation.domain.approval_conditions import Conditions
from remediation.domain.gate.approvers import Approvers
from remediation.domain.plan import Plan
from remediation.services.access import authorize, looks
from remediation.services.actors import AgentActor, ProcessActor
from remediation.services.assessment import assess
from remediation.services.execution import execute, halt, in_flight, reconcile
from remediation.services.outbox import deliver
from remediation.services.reporting import submit
from remediation.services.review import confirm_dissent, sign, statement
from remediation.services.review.old_page import Page
from tests import factories
from tests.domain import record
from tests.factories import WEB, WORKER, Person

SEQUENCER = "hitl_sequencer"
WORKER_ACTOR = ProcessActor("worker:test")
YES = {"diagnosis": "yes", "scope": "yes", "action": "yes"}


def acts(login: str) -> Any:
    """SET ROLE around a service call, without opening a transaction."""
    from tests.conftest import _as_login

    return _as_login(login)


@dataclass
class World:
    """alice (security) and bob (service_owner) decide; dave owns the agent; eve made its token."""

    directory: Path
    settings: Settings
    targets: tuple[str, ...] = ("t1",)
    environment: str = "production"
    kind: ClassVar[str] = "test.target"
    # The environment in the targets file, independent of the inventory.
    floor: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    agent: AgentActor = field(init=False)
    # Whether the sequencer runs; tests set False to stop it.
    sequencing: bool = True
    sequencer: Sequencer | None = None

    def __post_init__(self) -> None:
        (self.directory / "state").mkdir()
        self.inject({})
        self.settings.TARGETS_FILE = str(self.directory / "targets.toml")
        self.settings.APPROVERS_FILE = str(self.directory / "approvers.json")
        self.open_log()
        with factories.acting("hitl_web"):
            self.populate()
        self.approve_keys_of("alice", "bob", "dave", "eve")

    def populate(self) -> None:
        """Make the people, an agent, and a service that uses each target."""
        for name, roles in {
            "alice": ["security"],
            "bob": ["service_owner"],
            "mallory": ["security"],
            "dave": ["security"],
            "eve": ["service_owner"],
        }.items():
            self.people[name] = factories.person(f"{name}{factories.number()}", roles=roles)
        row = factories.agent(self.people["dave"])
        token = factories.token(row, self.people["eve"])
        self.agent = AgentActor(row.pk, token.pk, row.name)
        service = factories.service(environment=self.environment)
        for name in self.targets:
            locator = f"test.target:{name}"
            factories.dependency(service, factories.identity(locator, environment=self.environment))
        for someone in self.people.values():
            factories.grant(someone.user, "review_service", service)

    # -- the audit log ----------------------------------------------------------------------------

    def open_log(self) -> None:
        """Create a key, a policy with this key, and files for remembered heads."""
        self.signer = record.signer()
        (self.directory / "audit-policy").write_text(record.POLICY.dump(), encoding="utf-8")
        self.settings.AUDIT_POLICY_FILE = str(self.directory / "audit-policy")
        self.settings.AUDIT_HEAD_FILE = str(self.directory / "audit-head")
        # Waiting would be useless: the sequencer runs only when the test calls it.
        self.settings.AUDIT_WAIT_MS = 0

    def integrate(self) -> int:
        """Run the sequencer on the test's connection, where it also sees uncommitted rows."""
        connection.ensure_connection()
        if self.sequencer is None or self.sequencer._connection is not connection.connection:
            head = HeadFile(self.directory / "sequencer-head")
            self.sequencer = Sequencer(connection.connection, [self.signer], head)
            with acts(SEQUENCER):
                self.sequencer.start()
        with acts(SEQUENCER):
            count = self.sequencer.drain()
            self.sequencer.index()
        return count

    # -- the worker's host ------------------------------------------------------------------------

    def end_key_of(self, name: str) -> None:
        """End a person's key as `manage.py approver remove` does."""
        path = self.directory / "approvers.json"
        before = Approvers.parse(path.read_bytes())
        person = str(self.people[name].id)
        after = (
            replace(entry, until=datetime.now(UTC)) if entry.person == person else entry
            for entry in before.entries
        )
        path.write_bytes(Approvers(tuple(after)).dump())

    def approve_keys_of(self, *names: str, leads: Sequence[str] = ()) -> None:
        """Write the approvers file with the keys of these people, some for halting only."""
        both = (
            *factories.approvers(*(self.people[name] for name in names)).entries,
            *factories.approvers(*(self.people[name] for name in leads), roles=["lead"]).entries,
        )
        (self.directory / "approvers.json").write_bytes(Approvers(both).dump())

    def inject(self, failures: dict[str, dict[str, Any]]) -> None:
        lines = ["[test]", 'file = "calls.jsonl"', 'state_dir = "state"']
        if self.floor:
            lines.append(f'environment = "{self.floor}"')
        for name, played in failures.items():
            lines.append(f"[test.inject.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in played.items()]
        (self.directory / "targets.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def calls(self) -> list[dict[str, Any]]:
        """Return every changing call at the targets."""
        path = self.directory / "calls.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def set_state(self, name: str, state: str | None) -> None:
        body = {"exists": state is not None, "state": state or ""}
        (self.directory / "state" / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")

    def state(self, name: str = "t1") -> str:
        path = self.directory / "state" / f"{name}.json"
        return str(json.loads(path.read_text(encoding="utf-8"))["state"]) if path.exists() else "on"

    # -- the flow ---------------------------------------------------------------------------------

    def report(self, **changes: Any) -> report.Report:
        from hashlib import sha256

        artefacts = [factories.artefact(name) for name in self.targets]
        identity = {"kind": self.kind, "name": self.targets[0]}
        value: dict[str, Any] = {
            "incident": {
                "kind": "credential_misuse",
                "title": "Key misused",
                "identity": identity,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            "evidence": [
                {
                    "sha256": sha256(content).hexdigest(),
                    "source": "test log",
                    "media_type": "application/json",
                    "collected_at": "2026-11-22T10:00:00Z",
                    "attacker_writable": True,
                    "content": content.decode(),
                    "encoding": "utf-8",
                }
                for content in artefacts
            ],
            "diagnosis": {
                "summary": "It is misused.",
                "identity": identity,
                "confidence": 90,
                "claims": [
                    {
                        "text": f"{name} is misused",
                        "citations": [
                            {
                                "evidence": sha256(factories.artefact(name)).hexdigest(),
                                "pointer": "/target",
                                "value": name,
                            }
                        ],
                    }
                    for name in self.targets
                ],
            },
            "proposal": {
                "plan": json.loads(self.plan().body),
                "rationale": "Stop it.",
            },
        }
        return report.from_json({**value, **changes}, protected=frozenset(), allow_test=True)

    def plan(self) -> Plan:
        return factories.plan(*self.targets, environment=self.environment)

    def submit(self) -> UUID:
        with acts(WEB), transaction.atomic():
            submitted = submit.report(self.report(), actor=self.agent)
        assert submitted.proposal_id is not None
        return submitted.proposal_id

    def deliver(self) -> int:
        """Send everything that is due, as the worker's task does; no pause of an earlier one."""
        cache.clear()
        with acts(WORKER):
            return deliver.deliver_all(actor=WORKER_ACTOR)

    def assess(self, proposal_id: UUID, reason: str = "") -> None:
        with acts(WORKER):
            assess.assess(proposal_id, actor=WORKER_ACTOR, reason=reason)

    def decide(
        self,
        name: str,
        proposal_id: UUID,
        decision: str = "approve",
        *,
        verdicts: dict[str, str] | None = None,
        reason: dict[str, str] | None = None,
        slot: str = "",
    ) -> sign.Signed:
        """Start and sign a review as a browser with this person's passkey would."""
        someone = self.people[name]
        default = "security" if name in ("alice", "mallory", "dave") else "service_owner"
        if decision != "approve":
            verdicts = verdicts or {"diagnosis": "no", "scope": "yes", "action": "no"}
            codes = {"reject": "diagnosis_wrong", "return": "evidence_missing"}
            reason = reason or {"code": codes[decision], "text": "It does not hold."}
        with acts(WEB):
            page, looked = self.page(proposal_id)
            started = sign.start(
                actor=someone.user,
                proposal_id=proposal_id,
                page=page,
                decision=decision,
                verdicts=verdicts or YES,
                reason=reason or {"code": "", "text": ""},
                slot=slot or default,
                opened=looked.artefacts,
                typed=looked.names,
            )
            answer = self.assertion(name, started)
            return sign.sign(actor=someone.user, session_id=started.session_id, assertion=answer)

    def page(self, proposal_id: UUID) -> tuple[Page, Conditions]:
        """Return what a page that is opened now shows, and what it requires."""
        proposal = self.get(proposal_id)
        assessment = authorize.newest(proposal)
        if assessment is None:
            return Page(proposal.round), Conditions()
        page = Page(proposal.round, looks.mark(assessment))
        return page, statement.conditions(proposal, assessment)

    def conditions(self, proposal_id: UUID) -> Conditions:
        """Return the conditions that the page requires: opened artefacts and typed names."""
        return self.page(proposal_id)[1]

    def assertion(self, name: str, started: sign.Started | halt.Started) -> dict[str, Any]:
        challenge = b64url.decode(started.options["challenge"])
        passkey = self.people[name].passkey
        return passkey.authentication(challenge, self.settings.RP_ID, self.settings.ORIGIN)

    def halt(
        self, name: str, proposal_id: UUID, reason: str, decision: str = "undo", found: str = ""
    ) -> m.Halt:
        """Start and sign about a run as a browser with this person's passkey would."""
        user = self.people[name].user
        with acts(WEB):
            started = halt.start(
                actor=user,
                proposal_id=proposal_id,
                decision=decision,
                reason=reason,
                found=found,
            )
            answer = self.assertion(name, started)
            return halt.sign(actor=user, session_id=started.session_id, assertion=answer)

    def in_review(self) -> UUID:
        proposal_id = self.submit()
        self.assess(proposal_id)
        return proposal_id

    def approved(self) -> UUID:
        proposal_id = self.in_review()
        self.decide("alice", proposal_id)
        self.decide("bob", proposal_id)
        return proposal_id

    def execute(self, proposal_id: UUID) -> None:
        if self.sequencing:
            self.integrate()
        with acts(WORKER):
            execute.execute(proposal_id, actor=WORKER_ACTOR)

    def settle(self, proposal_id: UUID) -> None:
        with acts(WORKER):
            confirm_dissent.confirm(proposal_id, actor=WORKER_ACTOR)

    def reconcile(self) -> None:
        """Reconcile as if every lease had run out and this process had seen it for as long."""
        if self.sequencing:
            self.integrate()
        self.end_leases()
        with MonkeyPatch.context() as patch, acts(WORKER):
            patch.setattr(in_flight, "WATCH_S", 0.0)
            reconcile.reconcile(actor=WORKER_ACTOR)

    def end_leases(self) -> None:
        with factories.unguarded("public.remediation_lease"):
            m.Lease.objects.update(until="2000-01-01T00:00:00Z")

    # -- what became of it ------------------------------------------------------------------------

    def get(self, proposal_id: UUID) -> m.Proposal:
        return m.Proposal.objects.get(pk=proposal_id)

    def state_of(self, proposal_id: UUID) -> str:
        return self.get(proposal_id).state

    def refusals(self, proposal_id: UUID) -> list[str]:
        rows = m.Refusal.objects.filter(proposal_id=proposal_id).order_by("id")
        return list(rows.values_list("reason", flat=True))

    def phases(self, proposal_id: UUID) -> list[tuple[int, str]]:
        rows = m.StepRecord.objects.filter(execution__proposal_id=proposal_id).order_by("id")
        return list(rows.values_list("step", "phase"))
