"""One approved proposal with fixed people, keys and times, for tests of the domain.

alice (security) and bob (service owner) approved to disable a role of a production cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import checks, policy
from remediation.domain import plan as plans
from remediation.domain.b64url import encode as b64
from remediation.domain.checks import Check, CheckInput
from remediation.domain.digest import Digests
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.gate.evidence import AgentEvidence, Evidence, PersonEvidence
from remediation.domain.gate.reviewed import ReviewEvidence
from remediation.domain.observation import Observation, parse_pin, pin
from remediation.domain.plan import Plan
from remediation.domain.policy import Ruling
from remediation.domain.report import Diagnosis, parse_diagnosis
from remediation.domain.scope import Scope, ScopeService, ScopeTarget
from remediation.domain.statement import Decision, Reason, Statement, Verdicts
from tests.domain import record
from tests.passkey import SoftPasskey

ALICE = "0a11ce00-0000-4000-8000-000000000001"
BOB = "00000b0b-0000-4000-8000-000000000002"
EVE = "00000e5e-0000-4000-8000-000000000003"
AGENT = "a6e00000-0000-4000-8000-000000000004"
PROPOSAL = "9109054c-0000-4000-8000-000000000005"
RP_ID = "localhost"
ORIGIN = "http://localhost:8000"

ASSESSED = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SIGNED = ASSESSED + timedelta(minutes=5)
APPROVED = ASSESSED + timedelta(minutes=6)
NOW = ASSESSED + timedelta(minutes=7)

LOCATOR = "postgres.role:billing-db/app_orders"
TARGET: dict[str, Json] = {
    "kind": "postgres.role",
    "cluster": "billing-db",
    "role": "app_orders",
}
ARTEFACT = json.dumps(
    {"role": "app_orders", "events": [{"client": "198.51.100.7", "count": 12, "odd": True}]}
).encode()
ARTEFACT_SHA = sha256(ARTEFACT).hexdigest()

# By the version of policy.
EVIDENCE_TYPE = {1: "hitlportal-evidence/v2", 2: "hitlportal-evidence/v3"}

KEYS: Mapping[str, SoftPasskey] = {
    person: SoftPasskey.from_seed(name)
    for person, name in ((ALICE, "alice"), (BOB, "bob"), (EVE, "eve"))
}


def plan_json(**changes: Json) -> dict[str, Json]:
    step: dict[str, Json] = {
        "action": "postgres.role.disable",
        "target": dict(TARGET),
        "parameters": {},
    }
    return {"version": 1, "environment": "production", "steps": [step], **changes}


def diagnosis_json(**changes: Json) -> dict[str, Json]:
    citation: dict[str, Json] = {
        "evidence": ARTEFACT_SHA,
        "pointer": "/events/0/client",
        "value": "198.51.100.7",
    }
    return {
        "summary": "The role is used from an address that it never used before.",
        "identity": dict(TARGET),
        "confidence": 90,
        "claims": [{"text": "Twelve logins from 198.51.100.7.", "citations": [citation]}],
        **changes,
    }


def report_json(**changes: Json) -> dict[str, Json]:
    return {
        "incident": {
            "kind": "credential-misuse",
            "title": "Role app_orders used from an unknown address",
            "identity": dict(TARGET),
            "detected_at": "2026-11-22T09:58:00Z",
        },
        "evidence": [artefact_json(ARTEFACT)],
        "diagnosis": diagnosis_json(),
        "proposal": {"plan": plan_json(), "rationale": "Stop the misuse first."},
        **changes,
    }


def artefact_json(content: bytes) -> dict[str, Json]:
    return {
        "sha256": sha256(content).hexdigest(),
        "source": "billing-db log",
        "media_type": "application/json",
        "collected_at": "2026-11-22T09:59:00Z",
        "attacker_writable": False,
        "content": content.decode(),
        "encoding": "utf-8",
    }


def a_plan(**changes: Json) -> Plan:
    """Return the plan that was signed: the stored vectors hold version 1 of the action."""
    value = plan_json(**changes)
    for step in value["steps"]:  # type: ignore[union-attr]
        if isinstance(step, dict) and step["action"] == "postgres.role.disable":
            step.setdefault("executor", 1)
    return plans.parse(value, protected=frozenset(), allow_test=True, earlier=True)


def a_diagnosis(**changes: Json) -> Diagnosis:
    return parse_diagnosis(diagnosis_json(**changes))


def a_service(**changes: Any) -> ScopeService:
    service = ScopeService(
        id=7,
        name="orders",
        via=LOCATOR,
        depth=1,
        environment="production",
        criticality="high",
        payment_path=False,
        external_partner=False,
        owner_team="orders team",
    )
    return replace(service, **changes)


def a_scope(**changes: Any) -> Scope:
    target = ScopeTarget(LOCATOR, True, "postgres.role", "production", "orders team")
    return replace(Scope((target,), (a_service(),), ()), **changes)


def an_observation(**state: Json) -> Observation:
    pinned: dict[str, Json] = {
        "login": True,
        "superuser": False,
        "member_of_managed": True,
        "oid": 16_400,
    }
    return Observation(True, {**pinned, **state}, {"sessions": 0}, False)


def a_check_input(**changes: Any) -> CheckInput:
    given = CheckInput(
        plan=a_plan(),
        diagnosis=a_diagnosis(),
        evidence={ARTEFACT_SHA: ARTEFACT},
        identity_locators=(LOCATOR,),
        observations={LOCATOR: an_observation()},
        known_locators=frozenset({LOCATOR}),
        scope=a_scope(),
        prechecks={0: ""},
        title="Role app_orders used from an unknown address",
        rationale="Stop the misuse first.",
    )
    return replace(given, **changes)


def a_read_input(**changes: Any) -> CheckInput:
    """Return the same with evidence in a form that the portal reads."""
    line = {
        "user": "app_orders",
        "text": "2026-11-22 09:57:00 UTC [7] LOG:  connection authorized: user=app_orders",
        "client": "198.51.100.7",
    }
    artefact = json.dumps({"events": [line]}).encode()
    citation: Json = {
        "evidence": sha256(artefact).hexdigest(),
        "pointer": "/events/0/client",
        "value": "198.51.100.7",
    }
    claim: Json = {"text": "Twelve logins from 198.51.100.7.", "citations": [citation]}
    read = {
        "evidence": {sha256(artefact).hexdigest(): artefact},
        "diagnosis": a_diagnosis(claims=[claim]),
    }
    return a_check_input(**(read | changes))


# Checks that came after the vectors were stored; what was signed once is never rewritten.
LATER_CHECKS = frozenset({"sessions_left_open"})


def checks_as_stored() -> tuple[Check, ...]:
    """Return the findings as they were before the state "not read"."""
    given = a_check_input()
    found = checks.CHECKS.items()
    return tuple(Check(name, *run(given)) for name, run in found if name not in LATER_CHECKS)


def an_approver(person: str, *roles: str, **changes: Any) -> Approver:
    entry = Approver(
        person=person,
        credential_id=b64(KEYS[person].credential_id),
        cose_key=b64(KEYS[person].cose_key),
        rp_id=RP_ID,
        origin=ORIGIN,
        roles=roles,
        since=ASSESSED - timedelta(days=30),
        until=None,
    )
    return replace(entry, **changes)


def approvers() -> Approvers:
    return Approvers((an_approver(ALICE, "security"), an_approver(BOB, "service_owner")))


@dataclass
class Story:
    """The parts of an evidence file. Change a part, then call `evidence()`."""

    plan: Plan = field(default_factory=a_plan)
    diagnosis: Diagnosis = field(default_factory=a_diagnosis)
    scope: Scope = field(default_factory=a_scope)
    checks: tuple[Check, ...] = field(default_factory=checks_as_stored)
    observation: Observation = field(default_factory=an_observation)
    round: int = 1
    ruling: Ruling | None = None
    # The stored vectors are of version 1 of policy; `Story(version=2)` is of today's.
    version: int = 1

    def facts(self) -> policy.Facts:
        seen = dict.fromkeys(self.locators, self.observation)
        return policy.facts(self.plan, self.scope, self.checks, seen, self.version)

    @property
    def locators(self) -> tuple[str, ...]:
        return tuple(target.locator for target in self.plan.targets)

    def the_ruling(self) -> Ruling:
        asked = replace(policy.evaluate(self.facts()), version=self.version)
        return self.ruling or policy.rule(asked, ASSESSED)

    def pin(self) -> bytes:
        return pin(self.plan, dict.fromkeys(self.locators, self.observation))

    def digests(self) -> Digests:
        return Digests.of(
            plan=self.plan.body,
            diagnosis=self.diagnosis.body,
            scope=self.scope.body(),
            ruling=self.the_ruling().body(),
            pin=self.pin(),
            checks=checks.body(self.checks),
        )

    def statement(self, person: str, slot: str, **changes: Any) -> Statement:
        statement = Statement(
            proposal=PROPOSAL,
            round=self.round,
            digests=self.digests(),
            decision=Decision.APPROVE,
            verdicts=Verdicts(diagnosis=True, scope=True, action=True),
            reason=Reason("", ""),
            slot=slot,
            person=person,
            nonce=sha256(f"{person}{slot}".encode()).hexdigest(),
            expires=SIGNED + timedelta(minutes=5),
            rp_id=RP_ID,
            origin=ORIGIN,
        )
        return replace(statement, **changes)

    def evidence(self, *reviews: ReviewEvidence, **changes: Any) -> Evidence:
        """Return the evidence; by default with the reviews of alice and bob."""
        given = Evidence(
            proposal_id=PROPOSAL,
            round=self.round,
            plan=self.plan.body.decode(),
            diagnosis=self.diagnosis.body.decode(),
            scope=self.scope.body().decode(),
            checks=checks.body(self.checks).decode(),
            ruling=self.the_ruling().body().decode(),
            pin=self.pin().decode(),
            facts=self.facts(),
            reviews=reviews or self.reviews(),
            people=self.people(),
            type=EVIDENCE_TYPE[self.version],
            excluded=(),
            agent=AgentEvidence(AGENT, True),
            frozen="",
            observations=parse_pin(self.pin()),
            unobservable=(),
            step=0,
            applied=(),
            approved_at=APPROVED,
            database_now=NOW,
            worker_now=NOW + timedelta(milliseconds=3),
            token=1,
        )
        given = replace(given, **changes)
        return given if "log" in changes else replace(given, log=record.proven(given))

    def people(self) -> tuple[PersonEvidence, ...]:
        services = None if self.version == 1 else tuple(s.name for s in self.scope.services)
        return (
            PersonEvidence(ALICE, True, ("security",), services),
            PersonEvidence(BOB, True, ("service_owner",), services),
        )

    def reviews(self) -> tuple[ReviewEvidence, ...]:
        owner = "service_owner" if self.version == 1 else self.the_ruling().slots[-1]
        return (
            sign(self.statement(ALICE, "security")),
            sign(self.statement(BOB, owner)),
        )


def sign(statement: Statement, *, key: SoftPasskey | None = None, **changes: Any) -> ReviewEvidence:
    """Sign a statement with the person's own key or another."""
    signer = key or KEYS[statement.person]
    record.signed_by(signer)
    review = ReviewEvidence(
        person=statement.person,
        slot=statement.slot,
        statement=statement.body().decode(),
        assertion=signer.assertion(statement.challenge(), statement.rp_id, statement.origin),
        recorded_at=SIGNED,
    )
    return replace(review, **changes)
