"""The data of the pages about incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.reading import Row
from remediation.views.cards.containment import Containment
from remediation.views.cards.history import HistoryRow
from remediation.views.cards.live import LiveCard
from remediation.views.cards.outcomes import OutcomesCard
from remediation.views.cards.proposal_rows import ProposalRow
from remediation.views.forms import CloseForm


@dataclass(frozen=True)
class IncidentRow:
    """One line of a list of incidents."""

    incident_id: UUID
    title_untrusted: str
    kind_untrusted: str
    locator_untrusted: str
    state: str
    detected_at: datetime
    agent: str
    owner: str
    decide_by: datetime | None
    proposals: int
    open_proposals: int


@dataclass(frozen=True)
class IncidentsPage:
    """A part of a list of incidents."""

    rows: tuple[IncidentRow, ...]
    may_audit: bool
    heading: str
    explain: str
    next_page: str  # the query of the next part; empty on the last one
    # The state that the list is limited to; empty for all that it shows.
    state: str = ""
    # The states to choose from; empty where the list has no filter.
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class IncidentPage:
    """One incident, and the form to close it."""

    incident: IncidentRow
    proposals: tuple[ProposalRow, ...]
    moves: tuple[HistoryRow, ...]
    reports: int
    earlier: UUID | None
    report_only: str  # why the portal cannot contain the identity; empty where it can
    form: CloseForm | None  # None when this person may not close it
    containment: Containment
    live: LiveCard
    outcomes: OutcomesCard
    alive: tuple[ProposalRow, ...]  # those that do not run any more when it is closed


@dataclass(frozen=True)
class IncidentHistoryPage:
    """Everything on record about an incident and its proposals."""

    incident_id: UUID
    title_untrusted: str
    state: str
    rows: tuple[HistoryRow, ...]
    may_audit: bool
    several: bool  # whether it has several proposals that this person may see
    others: int  # how many proposals this person may not see


@dataclass(frozen=True)
class RecordPage:
    """The entries of the audit log about an incident, for auditors."""

    incident_id: UUID
    title_untrusted: str
    lines: tuple[tuple[Row, str], ...]
    cut: int  # how many are shown if there are more; 0 if these are all
