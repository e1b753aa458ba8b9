"""A report built from records, with its context, as the worker passes both to the checks."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from hitlportal.demo.agent.pglog import Line
from hitlportal.demo.agent.records import canonical
from remediation.domain.checks import CheckInput, Neighbour
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan, Target
from remediation.domain.report import parse
from remediation.domain.scope import Scope, ScopeService, ScopeTarget
from tests.checks.records import Body

# Default pointers of claims: who, what, when, from where.
USUAL = ("userIdentity/accessKeyId", "userIdentity/userName", "eventName", "eventTime")
USUAL_ALL = (*USUAL, "sourceIPAddress", "errorCode", "responseElements/ConsoleLogin")
ACTIONS = {
    "aws.iam.access_key": "aws.iam.deactivate_access_key",
    "postgres.role": "postgres.role.disable",
}


@dataclass
class Tale:
    """`report` is the JSON that the agent posts; `world` overrides what the worker adds."""

    report: dict[str, Any]
    world: dict[str, Any] = field(default_factory=dict)

    def given(self) -> CheckInput:
        taken = parse(json.dumps(self.report).encode(), protected=frozenset())
        assert taken.plan is not None
        newest = taken.incident.detected_at
        base: dict[str, Any] = {
            "plan": taken.plan,
            "diagnosis": taken.diagnosis,
            "evidence": {artefact.sha256: artefact.content for artefact in taken.evidence},
            "identity_locators": (taken.incident.identity.locator,),
            "observations": {t.locator: seen(t) for t in taken.plan.targets},
            "known_locators": frozenset(t.locator for t in taken.plan.targets),
            "scope": scope(taken.plan),
            "title": taken.incident.title,
            "rationale": taken.rationale,
            "attacker_writable": frozenset(
                artefact.sha256 for artefact in taken.evidence if artefact.attacker_writable
            ),
            "neighbours": tuple(Neighbour(t.locator) for t in taken.plan.targets),
            "detected_at": taken.incident.detected_at,
            "assessed_at": newest + timedelta(hours=2),
        }
        return CheckInput(**{**base, **self.world})

    # -- the parts that flaws change -----------------------------------------------------------

    @property
    def steps(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.report["proposal"]["plan"]["steps"]
        return found

    @property
    def claims(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.report["diagnosis"]["claims"]
        return found

    def retarget(self, **fields: str) -> Tale:
        """Another target in plan, diagnosis and incident alike."""
        diagnosis, incident = self.report["diagnosis"], self.report["incident"]
        for place in (self.steps[0]["target"], diagnosis["identity"], incident["identity"]):
            place.update(fields)
        return self

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(artefact["content"]) for artefact in self.report["evidence"]]

    def rewrite(self, documents: Sequence[Any]) -> Tale:
        """Replace the artefacts and adapt the citations."""
        for artefact, document in zip(self.report["evidence"], documents, strict=True):
            old, content = artefact["sha256"], canonical(document)
            artefact.update(sha256=sha256(content).hexdigest(), content=content.decode())
            for claim in self.claims:
                for citation in claim["citations"]:
                    if citation["evidence"] == old:
                        citation["evidence"] = artefact["sha256"]
        return self

    def rename(self, names: dict[str, str]) -> Tale:
        """Replace names in evidence, claims and cited values; keep plan and identities."""

        def said(value: Any) -> Any:
            text = json.dumps(value, ensure_ascii=False)
            for old, new in names.items():
                text = text.replace(old, new)
            return json.loads(text)

        self.report["diagnosis"]["claims"] = said(self.claims)
        return self.rewrite([said(document) for document in self.documents()])

    def see(self, index: int = 0, **shown: Any) -> Tale:
        """What the worker shows of a step's target."""
        taken = parse(json.dumps(self.report).encode(), protected=frozenset())
        assert taken.plan is not None
        self.world.setdefault("observations", {t.locator: seen(t) for t in taken.plan.targets})
        target = taken.plan.targets[index]
        self.world["observations"][target.locator] = seen(target, **shown)
        return self


def told(report: dict[str, Any], **world: Any) -> Tale:
    """A report of the reference agent."""
    return Tale(copy.deepcopy(report), world)


def seen(target: Target, **shown: Any) -> Observation:
    if target.kind == "postgres.role":
        state: dict[str, Any] = {
            "login": True,
            "superuser": False,
            "member_of_managed": True,
            "oid": 16_400,
        }
        told = {"sessions": 0, "member_of": ["hitl_managed"], "members": [], **shown}
        return Observation(True, state, told, False)
    usual = {
        "created": "2019-01-01T00:00:00+00:00",
        "last_used": None,
        "last_used_service": None,
        "last_used_region": None,
        "other_keys": [],
    }
    status = shown.pop("status", "Active")
    return Observation(True, {"status": status}, {**usual, **shown}, True)


def scope(plan: Plan, environment: str = "") -> Scope:
    where = environment or plan.environment
    return Scope(
        tuple(ScopeTarget(t.locator, True, t.kind, where, "platform") for t in plan.targets),
        tuple(
            ScopeService(n, f"service {n}", t.locator, 1, where, "high", False, False, "platform")
            for n, t in enumerate(plan.targets, 1)
        ),
        (),
    )


def key(record: Body, **changes: str) -> dict[str, str]:
    """The access key that made a call, as a target."""
    who = record["userIdentity"]
    return {
        "kind": "aws.iam.access_key",
        "account": str(record.get("recipientAccountId") or who["accountId"]),
        "user": str(who["userName"]),
        "access_key_id": str(who["accessKeyId"]),
        **changes,
    }


def made_key(record: Body) -> dict[str, str]:
    """The access key that a CreateAccessKey call made, as a target."""
    made = record["responseElements"]["accessKey"]
    return {
        "kind": "aws.iam.access_key",
        "account": str(record["recipientAccountId"]),
        "user": made["userName"],
        "access_key_id": made["accessKeyId"],
    }


Said = tuple[str, Iterable[int]]


def aws(
    records: Sequence[Body],
    targets: Sequence[dict[str, str]],
    claims: Sequence[Said],
    *,
    title: str = "",
    summary: str = "The key is used by somebody else than its owner.",
    rationale: str = "Deactivating can be undone; it stops the calls within minutes.",
    **world: Any,
) -> Tale:
    """A report on CloudTrail records; each claim cites the usual fields of records by number."""
    content = canonical({"Records": list(records)}).decode()
    digest = sha256(content.encode()).hexdigest()
    name = targets[0]["access_key_id"]
    return _tale(
        targets,
        [(content, digest, "AWS CloudTrail")],
        [_claim(text, digest, "Records", records, numbers) for text, numbers in claims],
        title or f"Access key {name} in account {targets[0]['account']}",
        summary,
        rationale,
        max(_time(record["eventTime"]) for record in records),
        world,
    )


def postgres(
    lines: Sequence[Line], role: str, claims: Sequence[Said], *, title: str = "", **world: Any
) -> Tale:
    """A report on a server's log; each claim cites whole lines by number."""
    shown = [{"user": line.user, "text": line.text, "message": line.message} for line in lines]
    content = canonical({"Lines": shown}).decode()
    digest = sha256(content.encode()).hexdigest()
    return _tale(
        [{"kind": "postgres.role", "cluster": "orders-db", "role": role}],
        [(content, digest, "PostgreSQL server log of cluster orders-db")],
        [
            {
                "text": text,
                "citations": [_cite(digest, f"/Lines/{n}/text", shown[n]["text"]) for n in numbers],
            }
            for text, numbers in claims
        ],
        title or f"Role {role} on cluster orders-db",
        f"Role {role} does what it never did.",
        "Without login the role opens no session; enabling it undoes that.",
        _time(lines[-1].text[:19].replace(" ", "T") + "Z"),
        world,
    )


def _tale(
    targets: Sequence[dict[str, str]],
    artefacts: Sequence[tuple[str, str, str]],
    claims: Sequence[dict[str, Any]],
    title: str,
    summary: str,
    rationale: str,
    newest: datetime,
    world: dict[str, Any],
) -> Tale:
    found = (newest + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    return Tale(
        {
            "incident": {
                "kind": "credential-misuse",
                "title": title,
                "identity": dict(targets[0]),
                "detected_at": found,
            },
            "evidence": [
                {
                    "sha256": digest,
                    "source": source,
                    "media_type": "application/json",
                    "collected_at": found,
                    "attacker_writable": True,
                    "content": content,
                    "encoding": "utf-8",
                }
                for content, digest, source in artefacts
            ],
            "diagnosis": {
                "summary": summary,
                "identity": dict(targets[0]),
                "confidence": 80,
                "claims": list(claims),
            },
            "proposal": {
                "plan": {
                    "version": 1,
                    "environment": "production",
                    "steps": [
                        {"action": ACTIONS[t["kind"]], "target": dict(t), "parameters": {}}
                        for t in targets
                    ],
                },
                "rationale": rationale,
            },
        },
        world,
    )


def _claim(
    text: str, digest: str, top: str, records: Sequence[Body], numbers: Iterable[int]
) -> dict[str, Any]:
    citations = []
    for number in numbers:
        for path in USUAL_ALL:
            value: Any = records[number]
            for part in path.split("/"):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                citations.append(_cite(digest, f"/{top}/{number}/{path}", value))
    return {"text": text, "citations": citations[:20]}


def _cite(digest: str, pointer: str, value: Any) -> dict[str, Any]:
    return {"evidence": digest, "pointer": pointer, "value": value}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
