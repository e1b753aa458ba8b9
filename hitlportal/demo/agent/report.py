"""Turn findings into the JSON of ``POST /api/v1/reports``.

A finding becomes a report with a plan when access keys are to be deactivated. Principals without an
action in the portal's catalogue (root, a console password, a role's sessions) are reported without
a proposal, so that the incident still gets an owner and a deadline.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import islice

from hitlportal.demo.agent.detect import Finding
from hitlportal.demo.agent.evidence import Evidence
from hitlportal.demo.agent.links import Link
from hitlportal.demo.agent.principal import Kind, Principal, key_target
from hitlportal.demo.agent.records import Json, Record
from hitlportal.demo.agent.signals import Path, Signal
from hitlportal.demo.agent.words import GENTLER, rationale, summary, title

# Records kept as evidence per signal: readers need the pattern, not every call.
PER_SIGNAL = 64
MAX_CITATIONS = 20
MAX_STEPS = 16
WHAT: tuple[Path, ...] = (("eventName",),)
WHEN_AND_WHERE: tuple[Path, ...] = (("eventTime",), ("sourceIPAddress",))
WHO: dict[Kind, tuple[Path, ...]] = {
    Kind.KEY: (("userIdentity", "accessKeyId"), ("userIdentity", "userName")),
    Kind.SESSION: (("userIdentity", "arn"), ("userIdentity", "accessKeyId")),
    Kind.USER: (("userIdentity", "userName"), ("userIdentity", "arn")),
    Kind.ROOT: (("userIdentity", "type"), ("userIdentity", "arn")),
}
SLUGS = {
    Kind.KEY: "aws.access-key-compromise",
    Kind.SESSION: "aws.role-compromise",
    Kind.USER: "aws.user-compromise",
    Kind.ROOT: "aws.root-compromise",
}
# IAM API reference, types of UserName and AccessKeyId.
USER = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}")


def reports(
    findings: Iterable[Finding], environment: str, now: str, *, alternatives: bool = False
) -> list[dict[str, Json]]:
    """Return one or two reports per finding.

    In: the account's environment, as set by the agent's operator, the time of collection (RFC 3339,
    Z), and whether to offer a gentler plan where there is one. There are two reports when the plan
    does not act on the origin, which then stays exposed.
    """
    made = []
    for finding in findings:
        targets = plan_targets(finding)
        if targets:
            identity = next((t for t in targets if t == finding.origin.target()), targets[0])
            report = _report(finding, identity, Kind.KEY, targets, environment, now)
            if alternatives:
                report = with_gentler(report, finding, targets, environment)
            made.append(report)
        if finding.origin.kind is not Kind.KEY:
            origin = finding.origin
            made.append(_report(finding, origin.target(), origin.kind, [], environment, now))
    return made


def plan_targets(finding: Finding) -> list[dict[str, Json]]:
    """Return the access keys to deactivate: first the created ones, then the compromised ones.

    In this order, because an intruder who notices the first step must not have a spare key.
    """
    made = [(key.account, key.user, key.key_id) for key in finding.created]
    held = [
        (who.account, who.name, who.key_id)
        for who in finding.members
        if who.kind is Kind.KEY and _is_involved(who, finding)
    ]
    ordered = dict.fromkeys((*made, *held))
    return [
        key_target(account, user, key_id)
        for account, user, key_id in islice(ordered, MAX_STEPS)
        if USER.fullmatch(user) and KEY_ID.fullmatch(key_id)
    ]


def _is_involved(who: Principal, finding: Finding) -> bool:
    """Return whether it acted itself, or another member was derived from it."""
    acted = any(signal.principal == who for signal in finding.signals)
    return acted or any(link.parent == who for link in finding.links)


def _report(
    finding: Finding,
    identity: dict[str, Json],
    kind: Kind,
    targets: Sequence[dict[str, Json]],
    environment: str,
    now: str,
) -> dict[str, Json]:
    evidence = Evidence(_kept(finding))
    report: dict[str, Json] = {
        "incident": {
            "kind": SLUGS[kind],
            "title": title(finding, identity),
            "identity": dict(identity),
            "detected_at": now,
            "external_id": _external_id(finding, identity),
        },
        "evidence": [artefact.to_json(now) for artefact in evidence.artefacts],
        "diagnosis": {
            "summary": summary(finding, targets),
            "identity": dict(identity),
            "confidence": finding.confidence,
            "claims": [
                *(_claim(signal, evidence) for signal in finding.signals),
                *(_link_claim(link, evidence) for link in finding.links),
            ],
        },
    }
    if targets:
        report["proposal"] = {
            "plan": plan(targets, environment),
            "rationale": rationale(finding, targets),
        }
    return report


def with_gentler(
    report: dict[str, Json],
    finding: Finding,
    targets: Sequence[dict[str, Json]],
    environment: str,
) -> dict[str, Json]:
    """Return the report with two plans to choose from, where a gentler one exists.

    The gentler one deactivates only the keys that the intruder made: nobody else uses them.
    """
    made = {key.key_id for key in finding.created}
    only_made = [target for target in targets if target["access_key_id"] in made]
    if not 0 < len(only_made) < len(targets):
        return report
    whole = {name: part for name, part in report.items() if name != "proposal"}
    gentler: dict[str, Json] = {"plan": plan(only_made, environment), "rationale": GENTLER}
    return {**whole, "proposals": [report["proposal"], gentler]}


def plan(targets: Sequence[dict[str, Json]], environment: str) -> dict[str, Json]:
    """Return a plan that deactivates each key; version and rollback come from the catalogue."""
    return {
        "version": 1,
        "environment": environment,
        "steps": [
            {"action": "aws.iam.deactivate_access_key", "target": dict(target), "parameters": {}}
            for target in targets
        ],
    }


def _kept(finding: Finding) -> list[Record]:
    """Return the records for the evidence, the most significant first."""
    kept = [link.record for link in finding.links] + [key.record for key in finding.created]
    for signal in sorted(finding.signals, key=lambda s: -s.weight):
        kept += _shown(signal.records)
    return kept + list(finding.context)


def _shown(records: Sequence[Record]) -> list[Record]:
    """Return all records, or the first ones and the last."""
    if len(records) <= PER_SIGNAL:
        return list(records)
    return [*records[: PER_SIGNAL - 1], records[-1]]


def _claim(signal: Signal, evidence: Evidence) -> dict[str, Json]:
    shown = _shown(signal.records)
    who = WHO[signal.principal.kind]
    citations = list(evidence.cite(shown[0], (*who, *WHAT, *WHEN_AND_WHERE, *signal.cite)))
    if len(shown) > 1:
        citations += evidence.cite(shown[-1], (*WHAT, ("eventTime",), *signal.cite))
    for record in shown[1:-1]:
        more = list(evidence.cite(record, signal.cite or WHAT))
        if len(citations) + len(more) > MAX_CITATIONS:
            break
        citations += more
    text = f"{signal.principal.who} {signal.says}. {_counted(signal.records)}"
    return {"text": text[:2000], "citations": citations[:MAX_CITATIONS]}


def _link_claim(link: Link, evidence: Evidence) -> dict[str, Json]:
    paths = (*WHO[link.parent.kind], *WHAT, *WHEN_AND_WHERE, *link.cite)
    citations = list(evidence.cite(link.record, paths))[:MAX_CITATIONS]
    text = f"{link.parent.who} {link.says}. {_counted((link.record,))}"
    return {"text": text[:2000], "citations": citations}


def _counted(records: Sequence[Record]) -> str:
    """Describe the calls: number, names, times and addresses."""
    names = ", ".join(sorted({r.call.replace(":", " ") for r in records})[:6])
    failed = sum(r.failed for r in records)
    words = f"{len(records)} call{'s' if len(records) > 1 else ''} ({names}"
    words += f"; {failed} failed)" if failed else ")"
    first, last = records[0].text("eventTime"), records[-1].text("eventTime")
    words += f", {first}" if first == last else f", {first} to {last}"
    places = sorted({r.address for r in records if r.address})
    words += f", from {', '.join(places[:3])}" if places else ""
    words += f" and {len(places) - 3} more addresses" if len(places) > 3 else ""
    shown = len(_shown(records))
    return words + (f". {shown} of them are in the evidence." if shown < len(records) else ".")


def _external_id(finding: Finding, identity: dict[str, Json]) -> str:
    """Derive a stable id from the identity and its first significant record."""
    first = finding.signals[0].records[0].digest
    named = "/".join(str(value) for value in identity.values())
    return "cloudtrail-" + hashlib.sha256(f"{named} {first}".encode()).hexdigest()[:32]
