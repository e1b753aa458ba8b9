"""Read the portal's tables with the auditor's login, without the portal's code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from hitlportal.demo.installation import Installation
from remediation.domain import checks


@dataclass(frozen=True)
class Place:
    """A proposal in the demo's list."""

    state: str
    title: str
    corrected: bool
    failed_checks: int


class Record:
    """Queries of the portal's tables; each opens its own connection."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def state(self, proposal: str) -> str:
        return str(self._one("SELECT state FROM remediation_proposal WHERE id = %s", proposal))

    def round(self, proposal: str) -> int:
        return int(self._one("SELECT round FROM remediation_proposal WHERE id = %s", proposal))

    def approved_at(self, proposal: str) -> datetime:
        """Return when the last approval was counted."""
        found: datetime = self._one(
            "SELECT max(recorded_at) FROM remediation_transition"
            " WHERE proposal_id = %s AND to_state = 'approved'",
            proposal,
        )
        return found

    def phases(self, proposal: str, step: int) -> list[str]:
        """Return the recorded phases of a step of the proposal's run, oldest first."""
        rows = self._rows(
            "SELECT s.phase FROM remediation_steprecord s"
            "  JOIN remediation_execution e ON e.id = s.execution_id"
            " WHERE e.proposal_id = %s AND s.step = %s ORDER BY s.id",
            proposal,
            step,
        )
        return [str(row[0]) for row in rows]

    def consumers_seen(self, proposal: str) -> list[dict[str, Any]]:
        """Return what the worker saw last of the consumers for whom the run waits."""
        rows = self._rows(
            "SELECT l.sightings FROM remediation_waitlook l"
            "  JOIN remediation_wait w ON w.id = l.wait_id"
            "  JOIN remediation_execution e ON e.id = w.execution_id"
            " WHERE e.proposal_id = %s ORDER BY l.id DESC LIMIT 1",
            proposal,
        )
        return [one for row in rows for sighting in row[0] for one in sighting["consumers"]]

    def answers(self, proposal: str) -> list[str]:
        """Return the decisions about the run whose signatures the worker verified."""
        entries = self.entry_data("worker:answer:verified", f"proposal:{proposal}")
        return [str(entry["data"].get("decision")) for entry in entries]

    def reports(self) -> int:
        """Return how many reports agents made."""
        return int(self._one("SELECT count(*) FROM remediation_incidentreport"))

    def queue(self) -> list[Place]:
        """Return the proposals that wait for people or were returned, oldest first."""
        rows = self._rows(
            "SELECT p.state, i.title, p.editor IS NOT NULL,"
            "  (SELECT a.checks FROM remediation_assessment a"
            "    WHERE a.proposal_id = p.id AND a.round = p.round)"
            "  FROM remediation_proposal p JOIN remediation_incident i ON i.id = p.incident_id"
            " WHERE p.state IN ('submitted', 'in_review', 'returned') ORDER BY p.recorded_at"
        )
        return [Place(row[0], row[1], row[2], _failed(row[3])) for row in rows]

    def incidents(self) -> list[str]:
        """Return the ids of all incidents, oldest first."""
        rows = self._rows("SELECT id::text FROM remediation_incident ORDER BY recorded_at")
        return [str(row[0]) for row in rows]

    def incident_id(self, proposal: str) -> str:
        query = "SELECT incident_id::text FROM remediation_proposal WHERE id = %s"
        return str(self._one(query, proposal))

    def incident(self, proposal: str) -> str:
        """Return the state of the proposal's incident."""
        found = self._one(
            "SELECT (SELECT t.to_state FROM remediation_incidenttransition t"
            "         WHERE t.incident_id = p.incident_id ORDER BY t.id DESC LIMIT 1)"
            "  FROM remediation_proposal p WHERE p.id = %s",
            proposal,
        )
        return str(found or "open")

    def services(self) -> int:
        """Return how many services the inventory has."""
        return int(self._one("SELECT count(*) FROM remediation_service"))

    def reaches(self, proposal: str) -> set[str]:
        """Return the services in the scope of the proposal's newest assessment."""
        rows = self._rows(
            "SELECT s.name FROM remediation_assessmentservice x"
            "  JOIN remediation_service s ON s.id = x.service_id"
            " WHERE x.assessment_id = (SELECT id FROM remediation_assessment"
            "   WHERE proposal_id = %s ORDER BY round DESC LIMIT 1)",
            proposal,
        )
        return {str(row[0]) for row in rows}

    def targets(self, proposal: str) -> list[str]:
        """Return the locators of the plan's steps, in order."""
        rows = self._rows(
            "SELECT locator FROM remediation_proposaltarget WHERE proposal_id = %s ORDER BY step",
            proposal,
        )
        return [str(row[0]) for row in rows]

    def service_id(self, name: str) -> int:
        return int(self._one("SELECT id FROM remediation_service WHERE name = %s", name))

    def alternatives(self, proposal: str) -> list[tuple[str, str]]:
        """Return id and state of the other plans of the proposal's choice."""
        rows = self._rows(
            "SELECT o.id::text, o.state FROM remediation_proposal p"
            "  JOIN remediation_proposal o ON o.choice_id = p.choice_id AND o.id <> p.id"
            " WHERE p.id = %s",
            proposal,
        )
        return [(str(row[0]), str(row[1])) for row in rows]

    def replaced_by(self, proposal: str) -> str:
        """Return the proposal that superseded this one; "" when there is none."""
        query = "SELECT id::text FROM remediation_proposal WHERE supersedes_id = %s"
        return str(self._one(query, proposal) or "")

    def entry_data(self, action: str, object: str) -> list[dict[str, Any]]:
        """Return the entries with this action about this object, oldest first."""
        rows = self._rows(
            "SELECT data FROM audit.trail WHERE data->>'action' = %s AND data->>'object' = %s"
            " ORDER BY id",
            action,
            object,
        )
        return [dict(row[0]) for row in rows]

    def about(self, object: str) -> int:
        """Return how many entries are about this object."""
        query = "SELECT count(*) FROM audit.trail WHERE data->>'object' = %s"
        return int(self._one(query, object))

    def quoting(self, text: str) -> int:
        """Return how many entries of the log contain this text."""
        query = "SELECT count(*) FROM audit.trail WHERE position(%s IN data::text) > 0"
        return int(self._one(query, text))

    def refusals(self, proposal: str) -> list[str]:
        """Return the names of the refusals about the proposal, oldest first."""
        rows = self._rows(
            "SELECT reason FROM remediation_refusal WHERE proposal_id = %s ORDER BY id", proposal
        )
        return [str(row[0]) for row in rows]

    def entries(self) -> dict[str, int]:
        """Return the number of audit log entries by kind of actor."""
        rows = self._rows(
            "SELECT split_part(data->>'actor', ':', 1), count(*) FROM audit.trail"
            " GROUP BY 1 ORDER BY 1"
        )
        return {str(source): int(count) for source, count in rows}

    def expired(self, locator: str) -> bool:
        """Return whether the newest proposal on this target expired while its incident is open."""
        newest = self._rows(
            "SELECT p.id, p.state FROM remediation_proposal p"
            "  JOIN remediation_proposaltarget t ON t.proposal_id = p.id"
            " WHERE t.locator = %s ORDER BY p.recorded_at DESC LIMIT 1",
            locator,
        )
        return bool(newest) and newest[0][1] == "expired" and self.incident(newest[0][0]) == "open"

    def _one(self, query: str, *values: object) -> Any:
        rows = self._rows(query, *values)
        return rows[0][0] if rows else None

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        url = self._installation.login_url("auditor")
        with psycopg.connect(url, autocommit=True, application_name="demo") as connection:
            return connection.execute(query.encode(), values).fetchall()


def _failed(body: bytes | None) -> int:
    found = checks.parse(bytes(body)) if body is not None else ()
    return sum(check.outcome is checks.Outcome.FAIL for check in found)
