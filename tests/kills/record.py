"""Read the portal's record and the target's state, as superuser, after a campaign."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from remediation.domain.errors import Refused
from remediation.domain.gate import signature
from remediation.domain.halt.statement import HaltStatement
from tests.kills import target_log
from tests.kills.history import Case, History, Look, Move, Permit, Phase, Role
from tests.kills.stack import Stack

STEPS = """
SELECT s.step, s.phase, s.data, pg_xact_commit_timestamp(s.xmin) AS at
  FROM remediation_steprecord s JOIN remediation_execution e ON e.id = s.execution_id
 WHERE e.proposal_id = %s ORDER BY s.id
"""
MOVES = """
SELECT from_state, to_state, reason, pg_xact_commit_timestamp(xmin) AS at
  FROM remediation_transition WHERE proposal_id = %s ORDER BY id
"""
HALTS = """
SELECT h.*, v.refusal, pg_xact_commit_timestamp(v.xmin) AS at
  FROM remediation_halt h LEFT JOIN remediation_haltverdict v ON v.halt_id = h.id
 WHERE h.proposal_id = %s ORDER BY h.id
"""
INCIDENT = """
SELECT t.to_state FROM remediation_incidenttransition t
  JOIN remediation_proposal p ON p.incident_id = t.incident_id WHERE p.id = %s ORDER BY t.id
"""
ENTRIES = """
SELECT convert_from(body, 'UTF8') AS body FROM audit.entry
 WHERE convert_from(body, 'UTF8')::jsonb ->> 'object' = %s ORDER BY id
"""
LOOKS = """
SELECT l.found, pg_xact_commit_timestamp(l.xmin) AS at FROM remediation_incidentlook l
  JOIN remediation_proposal p ON p.incident_id = l.incident_id WHERE p.id = %s ORDER BY l.id
"""
WAITS = """
SELECT position('"wait"' IN convert_from(plan, 'UTF8')) > 0 AS it
  FROM remediation_proposal WHERE id = %s
"""
REFUSALS = "SELECT reason, detail FROM remediation_refusal WHERE proposal_id = %s ORDER BY id"
LATE = """
SELECT s.step FROM remediation_lateresult s JOIN remediation_execution e ON e.id = s.execution_id
 WHERE e.proposal_id = %s
"""
UNSEQUENCED = """
SELECT count(*) AS it FROM audit.entry e
 WHERE NOT EXISTS (SELECT FROM audit.leaf l WHERE l.entry_id = e.id)
"""
ROLES = """
SELECT r.rolname AS name, r.rolcanlogin AS login,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid) AS sessions
  FROM pg_roles r WHERE r.rolname = ANY (%s)
"""
Connection = psycopg.Connection[dict[str, Any]]


def history(stack: Stack, runs: Mapping[str, Sequence[str]], keys: Mapping[str, bytes]) -> History:
    """Return everything about these proposals, each with the roles of its steps.

    ``keys`` are people's keys as their passkeys have them, not as the portal recorded them.
    """
    names = [role for roles in runs.values() for role in roles]
    with _open(stack.servers.target.superuser_dsn()) as target:
        found = {row["name"]: Role(**row) for row in target.execute(ROLES, [names])}
    with open(stack.servers.target.log, encoding="utf-8", errors="replace") as lines:
        calls = target_log.read(lines)
    with _open(stack.servers.portal.superuser_dsn("hitlportal")) as portal:
        cases = tuple(
            _case(portal, proposal, tuple(roles), keys) for proposal, roles in runs.items()
        )
    return History(calls, found, cases)


def unsequenced(stack: Stack) -> int:
    """Return how many audit entries have no place in the log's tree."""
    with _open(stack.servers.portal.superuser_dsn("hitlportal")) as portal:
        row = portal.execute(UNSEQUENCED).fetchone()
    assert row is not None  # an aggregate always returns one row
    return int(row["it"])


def _case(
    portal: Connection, proposal: str, roles: tuple[str, ...], keys: Mapping[str, bytes]
) -> Case:
    phases, moves = _entries(portal, proposal)
    return Case(
        proposal=proposal,
        roles=roles,
        phases=tuple(
            Phase(row["step"], row["phase"], _seconds(row["at"]), row["data"])
            for row in portal.execute(STEPS, [proposal])
        ),
        moves=tuple(
            Move(row["from_state"], row["to_state"], row["reason"], _seconds(row["at"]))
            for row in portal.execute(MOVES, [proposal])
        ),
        permits=tuple(_permit(row, keys) for row in portal.execute(HALTS, [proposal])),
        entered_phases=phases,
        entered_moves=moves,
        incident=("open", *(row["to_state"] for row in portal.execute(INCIDENT, [proposal]))),
        looks=tuple(
            Look(row["found"], _seconds(row["at"])) for row in portal.execute(LOOKS, [proposal])
        ),
        late=_late(portal, proposal),
        refusals=tuple(
            f"{row['reason']}: {row['detail']}" for row in portal.execute(REFUSALS, [proposal])
        ),
        waits=any(row["it"] for row in portal.execute(WAITS, [proposal])),
    )


def _permit(row: Mapping[str, Any], keys: Mapping[str, bytes]) -> Permit:
    """Return what a person signed. A halt of the first version asked for undoing."""
    decision = json.loads(row["statement"])["decision"]
    holds = row["refusal"] == "" and _is_signed(row, keys)
    return Permit(
        "undo" if decision == "halt" else decision, _seconds(row["at"]) if holds else None
    )


def _is_signed(row: Mapping[str, Any], keys: Mapping[str, bytes]) -> bool:
    """Verify the signature here, too, with the key of the person's own passkey."""
    names = ("credential_id", "authenticator_data", "client_data_json", "signature")
    try:
        statement = HaltStatement.parse(bytes(row["statement"]))
        signature.verify(
            signature.Assertion(*(bytes(row[name]) for name in names)),
            challenge=statement.challenge(),
            cose_key=keys[statement.person],
            rp_id=statement.rp_id,
            origin=statement.origin,
        )
    except (Refused, KeyError):
        return False
    return statement.proposal == str(row["proposal_id"])


def _entries(
    portal: Connection, proposal: str
) -> tuple[tuple[tuple[int, str], ...], tuple[tuple[str, str], ...]]:
    """Return the phases and the moves that the audit entries tell."""
    phases, moves = [], []
    for row in portal.execute(ENTRIES, [f"proposal:{proposal}"]):
        entry = json.loads(row["body"])
        data = entry["data"]
        if entry["action"] == "worker:step:recorded":
            phases.append((data["step"], data["phase"]))
        elif "from" in data and "to" in data:
            moves.append((data["from"], data["to"]))
    return tuple(phases), tuple(moves)


def _late(portal: Connection, proposal: str) -> frozenset[int]:
    return frozenset(row["step"] for row in portal.execute(LATE, [proposal]))


def _seconds(at: datetime | None) -> float:
    """Return the time of a commit; without one, a time that is later than any."""
    return at.timestamp() if at is not None else float("inf")


def _open(dsn: str) -> Connection:
    return psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
