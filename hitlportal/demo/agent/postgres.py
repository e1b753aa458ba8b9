"""Detect a database role with unusual behaviour from the server's log.

In: a `pglog.Log` and the name of the cluster. Out: reports whose plan rotates the
role's password, or disables its login and ends its sessions (pgplan.py). The evidence is the log's
lines.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from hitlportal.demo.agent.evidence import Artefact, artefact, is_citable, to_pointer
from hitlportal.demo.agent.pglog import DEFAULT_PREFIX, Line, Log, NotALog, parse, read
from hitlportal.demo.agent.pgplan import proposal
from hitlportal.demo.agent.pgrules import Observation, Session, by_role, observe
from hitlportal.demo.agent.records import Json
from hitlportal.demo.agent.signals import THRESHOLD, certainty

__all__ = ["DEFAULT_PREFIX", "Log", "NotALog", "parse", "read", "reports"]

# A line with a clear-text password must not be passed on as evidence.
SECRET = re.compile(r"password\s+'", re.IGNORECASE)
MAX_LINE = 4000
PER_SIGNAL = 12
MAX_CITATIONS = 20


def reports(
    log: Log,
    cluster: str,
    environment: str,
    now: str,
    *,
    places: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, Json]]:
    """Return a report per role over the threshold, except the administrator's and the portal's.

    ``places``: by role, where in a store its programs read its password.
    """
    made = []
    for role, sessions in sorted(by_role(log).items()):
        seen = observe(sessions)
        if certainty(seen) >= THRESHOLD:
            report = _report(log, cluster, role, sessions, seen, now)
            target: dict[str, Json] = {"kind": "postgres.role", "cluster": cluster, "role": role}
            plan = proposal(target, sessions, seen, environment, places.get(role, ""))
            made.append({**report, "proposal": plan})
    return made


def _report(
    log: Log,
    cluster: str,
    role: str,
    sessions: Sequence[Session],
    seen: Sequence[Observation],
    now: str,
) -> dict[str, Json]:
    target: dict[str, Json] = {"kind": "postgres.role", "cluster": cluster, "role": role}
    kept = _kept(sessions, seen)
    made = _artefact(log, cluster, kept)
    first = min(line.number for item in seen for line in item.lines)
    marker = hashlib.sha256(f"{cluster}/{role}/{log.lines[0].text}/{first}".encode()).hexdigest()
    return {
        "incident": {
            "kind": "postgres.role-misuse",
            "title": f"Role {role} on PostgreSQL cluster {cluster}: {_rules(seen)}"[:200],
            "identity": dict(target),
            "detected_at": now,
            "external_id": f"pglog-{marker[:32]}",
        },
        "evidence": [made.to_json(now)],
        "diagnosis": {
            "summary": _summary(role, cluster, sessions, seen),
            "identity": dict(target),
            "confidence": certainty(seen),
            "claims": [_claim(role, item, made, kept) for item in seen],
        },
    }


def _rules(seen: Iterable[Observation]) -> str:
    return ", ".join(item.rule.replace("_", " ") for item in seen)


def _summary(
    role: str, cluster: str, sessions: Sequence[Session], seen: Sequence[Observation]
) -> str:
    lines = [line for item in seen for line in item.lines]
    alive = sum(session.is_open for session in sessions)
    first, last = min(line.time for line in lines), max(line.time for line in lines)
    return "\n".join(
        (
            f"Role {role} on PostgreSQL cluster {cluster} behaves as if its password were in "
            f"other hands: it {'; it '.join(item.says for item in seen)}. {first} to {last}.",
            f"At the end of the log {alive} of its {len(sessions)} connections were open.",
            "Not undone by the plan: what the role read stays known. If it is disabled, change its "
            "password before enabling it again.",
        )
    )[:4000]


def _kept(sessions: Sequence[Session], seen: Sequence[Observation]) -> list[Line]:
    """Return the lines for the evidence: the significant ones and the starts of their sessions."""
    significant = [line for item in seen for line in _shown(item.lines)]
    ids = {id(line) for line in significant}
    opened = [
        line
        for session in sessions
        if any(id(line) in ids for line in session.lines)
        for line in session.opened
    ]
    unique = {line.number: line for line in (*opened, *significant)}
    fit = (line for line in unique.values() if is_presentable(line))
    return sorted(fit, key=lambda line: line.number)


def is_presentable(line: Line) -> bool:
    """Return whether a line is short and contains no clear-text password."""
    return len(line.text) <= MAX_LINE and not SECRET.search(line.text)


def _shown(lines: Sequence[Line]) -> Sequence[Line]:
    return lines if len(lines) <= PER_SIGNAL else (*lines[: PER_SIGNAL - 1], lines[-1])


def _artefact(log: Log, cluster: str, kept: Sequence[Line]) -> Artefact:
    lines: list[Json] = [
        {
            "line": line.number,
            "text": line.text,
            "user": line.user,
            "message": line.message,
        }
        for line in kept
    ]
    source: Json = {"file": log.name, "sha256": log.sha256, "format": log.prefix}
    description = (
        f"PostgreSQL server log of cluster {cluster}, file {log.name[-60:]}, sha256 {log.sha256}"
    )
    return artefact(description, {"Lines": lines, "Source": source})


def _claim(role: str, item: Observation, made: Artefact, kept: Sequence[Line]) -> Json:
    """Make a claim that cites whole lines, or user and message where a line is long."""
    places = {line.number: index for index, line in enumerate(kept)}
    citations: list[Json] = []
    for line in _shown(item.lines):
        if line.number not in places:
            continue
        whole = [("text", line.text)] if is_citable(line.text) else []
        for name, value in whole or [("user", line.user), ("message", line.message)]:
            if is_citable(value):
                pointer = to_pointer(("Lines", places[line.number], name))
                citations.append({"evidence": made.sha256, "pointer": pointer, "value": value})
    count = f"{len(item.lines)} line{'s' if len(item.lines) > 1 else ''} of the log"
    return {"text": f"Role {role} {item.says} ({count}).", "citations": citations[:MAX_CITATIONS]}
