"""What the portal has on record, read with the auditor's own login, past the portal's code."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from hitlportal.demo.installation import Installation


class Record:
    """Questions to the portal's tables; each opens a connection of its own."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def state(self, proposal: str) -> str:
        return str(self._one("SELECT state FROM remediation_proposal WHERE id = %s", proposal))

    def round(self, proposal: str) -> int:
        return int(self._one("SELECT round FROM remediation_proposal WHERE id = %s", proposal))

    def approved_at(self, proposal: str) -> datetime:
        """When the last approval was counted."""
        found: datetime = self._one(
            "SELECT max(recorded_at) FROM remediation_transition"
            " WHERE proposal_id = %s AND to_state = 'approved'",
            proposal,
        )
        return found

    def reports(self) -> int:
        """How many reports agents made."""
        return int(self._one("SELECT count(*) FROM remediation_incidentreport"))

    def open_incidents(self) -> list[str]:
        """The titles of incidents that nobody contained or closed."""
        rows = self._rows(
            "SELECT i.title FROM remediation_incident i WHERE NOT EXISTS ("
            "  SELECT FROM remediation_incidenttransition t WHERE t.incident_id = i.id)"
            " ORDER BY i.recorded_at"
        )
        return [str(row[0]) for row in rows]

    def incidents(self) -> list[str]:
        """The ids of all incidents, oldest first."""
        rows = self._rows("SELECT id::text FROM remediation_incident ORDER BY recorded_at")
        return [str(row[0]) for row in rows]

    def incident(self, proposal: str) -> str:
        """The state of the proposal's incident."""
        found = self._one(
            "SELECT (SELECT t.to_state FROM remediation_incidenttransition t"
            "         WHERE t.incident_id = p.incident_id ORDER BY t.id DESC LIMIT 1)"
            "  FROM remediation_proposal p WHERE p.id = %s",
            proposal,
        )
        return str(found or "open")

    def refusals(self, proposal: str) -> list[str]:
        """The names of what was refused about the proposal, in order."""
        rows = self._rows(
            "SELECT reason FROM remediation_refusal WHERE proposal_id = %s ORDER BY id", proposal
        )
        return [str(row[0]) for row in rows]

    def entries(self) -> dict[str, int]:
        """How many entries the audit log holds, by who acted."""
        rows = self._rows(
            "SELECT split_part(data->>'actor', ':', 1), count(*) FROM audit.trail"
            " GROUP BY 1 ORDER BY 1"
        )
        return {str(source): int(count) for source, count in rows}

    def expired(self, locator: str) -> bool:
        """Whether the newest proposal on this target expired while its incident is open."""
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
