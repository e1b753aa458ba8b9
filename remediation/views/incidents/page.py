"""The data of the pages about incidents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from audit.reading import Row
from remediation.views.cards.comments import Comments
from remediation.views.cards.containment import Containment
from remediation.views.cards.diagnosis import DiagnosisCard
from remediation.views.cards.history import HistoryRow
from remediation.views.cards.live import LiveCard
from remediation.views.cards.outcomes import OutcomesCard
from remediation.views.cards.proposal_rows import ProposalRow
from remediation.views.cards.scope import ScopeCard
from remediation.views.forms import CloseForm
from remediation.views.incidents.filters import Filter


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
    plan_due: datetime | None
    late: bool
    contained_after: float | None  # seconds from the detection
    assignee: str


@dataclass(frozen=True)
class IncidentsPage:
    """A part of a list of incidents."""

    rows: tuple[IncidentRow, ...]
    may_audit: bool
    heading: str
    explain: str
    next_page: str  # the query of the next part; empty on the last one
    chosen: Filter
    # To choose from.
    states: tuple[str, ...]
    kinds: tuple[str, ...]
    acts: bool  # for people who act on incidents, not for auditors


@dataclass(frozen=True)
class Owner:
    """A team that owns services which use the identity; empty where the inventory has none."""

    team: str
    services: tuple[str, ...]
    more: int
    people: tuple[str, ...]  # service owners who may review there


@dataclass(frozen=True)
class Related:
    """Another incident that may belong to this one."""

    incident_id: UUID
    title_untrusted: str
    locator_untrusted: str
    state: str
    detected_at: datetime
    same: bool  # of the same identity


@dataclass(frozen=True)
class Aside:
    """What stands beside the incident."""

    detected_at: datetime
    contained_at: datetime | None
    span: float  # seconds from the detection until it was contained or closed, or until now
    plan_due: datetime | None  # None where it needs no plan now
    plan_why: str
    plan_late: bool
    had_plans: bool  # it had proposals, and all of them have ended
    decide_by: datetime | None
    assignee: str
    assignee_id: str
    mine: bool
    may_assign: bool
    people: tuple[tuple[UUID, str], ...]  # to whom one can give it
    owners: tuple[Owner, ...]
    related: tuple[Related, ...]


@dataclass(frozen=True)
class Item:
    """One line of the timeline; ``times`` equal ones are folded, from ``since`` to ``at``."""

    at: datetime
    since: datetime
    kind: str
    word: str
    title: str
    actor: str
    cause: str
    text: str
    language: str
    proposal: UUID | None
    sentence: str  # what that proposal does
    run: bool  # it happened in the proposal's run
    review: int
    entry: int
    times: int = 1

    def same(self, other: Item) -> bool:
        """Return whether both say the same."""
        return self.kind == other.kind == "note" and (
            self.title,
            self.actor,
            self.text,
            self.proposal,
        ) == (other.title, other.actor, other.text, other.proposal)

    def and_then(self, other: Item) -> Item:
        """Return both as one."""
        return replace(other, since=self.since, times=self.times + 1)


@dataclass(frozen=True)
class Ahead:
    """A proposal with its state and what comes next."""

    row: ProposalRow
    next_step: str
    run: bool  # the link leads to the run


@dataclass(frozen=True)
class IncidentPage:
    """One incident: what happened, what to do next, and who does it."""

    incident: IncidentRow
    proposals: tuple[Ahead, ...]
    aside: Aside
    timeline: tuple[Item, ...]
    earlier_items: bool
    comments: Comments
    diagnosis: DiagnosisCard | None
    scope: ScopeCard
    first_proposal: UUID | None  # through which its evidence can be opened
    reports: int
    earlier: UUID | None
    report_only: str  # why the portal cannot contain the identity; empty where it can
    form: CloseForm | None  # None when this person may not close it
    containment: Containment
    live: LiveCard
    outcomes: OutcomesCard
    alive: tuple[ProposalRow, ...]  # those that do not run any more when it is closed
    may_plan: bool = False


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
