"""The four tiles of the first screen: what happened, breaks, changes, and is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from remediation.views.cards.agent_record import AgentRecord
from remediation.views.cards.assessed import Assessed
from remediation.views.cards.checks import CheckRow
from remediation.views.cards.diagnosis import ClaimRow, DiagnosisCard
from remediation.views.cards.fields import Field
from remediation.views.cards.folding import Folded, fold
from remediation.views.cards.limits import LimitRow
from remediation.views.cards.owners import Contact, contacts
from remediation.views.cards.plan_waits import PlanFlow, PlannedWait
from remediation.views.cards.scope import ScopeCard, ScopeRow
from remediation.views.cards.step import StepCard

# What a tile shows; the rest of each list is one click away.
SERVICES, TEAMS, STEPS, LIMITS, CHECKS, QUOTES = 3, 2, 3, 2, 3, 3
# Values that say that a target does not record the use.
UNRECORDED = ("null", "", "N/A")


@dataclass(frozen=True)
class Quote:
    """A cited value, cut out of the artefact by the citation's pointer."""

    value: Folded
    holds: bool


@dataclass(frozen=True)
class Happened:
    """The diagnosis in a line, and its strongest claim with what the evidence says."""

    summary: Folded
    claim: Folded | None
    source: Folded | None
    attacker_writable: bool
    quotes: tuple[Quote, ...]
    claims: int
    confidence: int
    record: AgentRecord | None


@dataclass(frozen=True)
class Affected:
    """A service that the action reaches."""

    name: Folded
    row: ScopeRow


@dataclass(frozen=True)
class Team:
    """An owner team, and the people to ask."""

    name: Folded
    contacts: tuple[Contact, ...]


@dataclass(frozen=True)
class LastUse:
    """What the worker read about the use of a target."""

    target_untrusted: str
    # Fields with a value; none when the target records no use.
    fields: tuple[tuple[str, Folded], ...]


@dataclass(frozen=True)
class Breaks:
    """Services, directly affected ones first, whom the plan cuts, the last use of the targets."""

    direct: int
    downstream: int
    payment: int
    partners: int
    unknown: tuple[str, ...]
    shown: tuple[Affected, ...]
    more: tuple[Affected, ...]
    teams: tuple[Team, ...]
    more_teams: tuple[Team, ...]
    unowned: int
    used: tuple[LastUse, ...]
    more_used: tuple[LastUse, ...]
    # Whom the plan cuts, as the worker saw it at the targets.
    cut: tuple[Folded, ...] = ()
    more_cut: tuple[Folded, ...] = ()


@dataclass(frozen=True)
class Change:
    """A step: its target, and each field that changes."""

    number: int
    target: Folded
    fields: tuple[Field, ...]
    unobservable: bool
    exists: bool
    simulated: bool
    what: Folded | None = None  # the step in a few words, where a target alone does not say it
    creates: bool = False
    left_by: int = 0  # the number of the earlier step that leaves the state before
    wait: PlannedWait | None = None  # after this step
    changes_state: bool = True


@dataclass(frozen=True)
class Changes:
    """Before and after of each step, its undoing, and what stays as it is."""

    order: str  # "Cut first" or "Move first"; empty where no credential is moved
    order_text: str

    shown: tuple[Change, ...]
    more: tuple[Change, ...]
    back: str  # what undoing gives back; empty when steps differ in it
    not_undone: tuple[int, ...]
    ends_sessions: tuple[Folded, ...]
    stays: tuple[Folded, ...]
    more_stays: tuple[Folded, ...]
    # What the worker's logins can do besides the plan, each sentence once; none: it is all cut.
    uncut: tuple[str, ...]
    cut: tuple[str, ...]


@dataclass(frozen=True)
class Wrong:
    """Checks that failed or warn; how many passed."""

    shown: tuple[CheckRow, ...]
    more: tuple[CheckRow, ...]
    passed: tuple[CheckRow, ...]


def happened(card: DiagnosisCard) -> Happened:
    """Return the tile of the diagnosis."""
    claim = strongest(card.claims)
    cited = claim.citations if claim else ()
    first = cited[0] if cited else None
    return Happened(
        summary=fold(card.summary_untrusted, 150, 3),
        claim=fold(claim.text_untrusted, 120, 2) if claim else None,
        source=fold(first.source_untrusted, 36, 1) if first else None,
        attacker_writable=bool(first and first.attacker_writable),
        quotes=tuple(
            Quote(
                fold(one.excerpt.value if one.excerpt else one.value_untrusted, 48, 1),
                one.outcome == "pass",
            )
            for one in cited
            if first and one.sha256 == first.sha256
        )[:QUOTES],
        claims=len(card.claims),
        confidence=card.confidence,
        record=card.record,
    )


def strongest(claims: tuple[ClaimRow, ...]) -> ClaimRow | None:
    """Return the best supported claim; of equals the first."""
    return max(claims, key=lambda claim: claim.strength, default=None)


def breaks(scope: ScopeCard, steps: tuple[StepCard, ...]) -> Breaks:
    """Return the tile of the scope."""
    rows = sorted(scope.services, key=lambda row: (row.depth, not row.payment_path))
    teams = _teams(rows)
    found = tuple(Affected(fold(row.name, 48, 1), row) for row in rows)
    used = tuple(
        LastUse(
            step.name_untrusted,
            tuple(
                (field.name, fold(field.value, 90, 2))
                for field in step.observed.last_use
                if field.value not in UNRECORDED
            ),
        )
        for step in steps
        if step.observed and step.observed.last_use
    )
    cut = tuple(fold(text, 110, 2) for text in dict.fromkeys(_cut(steps)))
    return Breaks(
        direct=scope.direct,
        downstream=scope.downstream,
        payment=sum(row.payment_path for row in rows),
        partners=sum(row.external_partner for row in rows),
        unknown=scope.unknown,
        shown=found[:SERVICES],
        more=found[SERVICES:],
        teams=teams[:TEAMS],
        more_teams=teams[TEAMS:],
        unowned=sum(not row.owner_team for row in rows),
        used=used[:1],
        more_used=used[1:],
        cut=cut[:LIMITS],
        more_cut=cut[LIMITS:],
    )


def _cut(steps: tuple[StepCard, ...]) -> list[str]:
    """Return whom the steps cut: what was seen, then what was not looked at."""
    rows = [row for step in steps for row in step.does_not_stop.cuts if not row.absent]
    return [row.text_untrusted for row in sorted(rows, key=lambda row: row.unknown)]


def _teams(rows: list[ScopeRow]) -> tuple[Team, ...]:
    """Return the owner teams, nearest service first, with the people of all their services."""
    people = contacts(row.service_id for row in rows)
    found: dict[str, dict[Contact, None]] = {}
    for row in rows:
        if row.owner_team:
            found.setdefault(row.owner_team, {}).update(
                dict.fromkeys(people.get(row.service_id, ()))
            )
    return tuple(Team(fold(name, 28, 1), tuple(some)) for name, some in found.items())


def changes(steps: tuple[StepCard, ...], flow: PlanFlow) -> Changes:
    """Return the tile of the plan."""
    told = bool(flow.waits) or len({step.locator for step in steps}) < len(steps)
    rows = tuple(_change(step, flow.wait_after(step.number), told) for step in steps)
    stays = tuple(fold(text, 80, 1) for text in dict.fromkeys(_stays(steps)))
    undone = {step.undone for step in steps}
    return Changes(
        order=flow.title,
        order_text=flow.text,
        shown=rows[:STEPS],
        more=rows[STEPS:],
        back=undone.pop() if len(undone) == 1 else "",
        not_undone=tuple(step.number for step in steps if not step.undone),
        ends_sessions=tuple(
            fold(text, 140, 3) for text in dict.fromkeys(step.ends_sessions for step in steps)
        ),
        stays=stays[:LIMITS],
        more_stays=stays[LIMITS:],
        uncut=_credentials(steps, cut=False),
        cut=_credentials(steps, cut=True),
    )


def _credentials(steps: tuple[StepCard, ...], *, cut: bool) -> tuple[str, ...]:
    rows = (step.credential for step in steps)
    return tuple(dict.fromkeys(row.text_untrusted for row in rows if row and row.cut is cut))


def wrong(assessed: Assessed) -> Wrong:
    """Return the tile of the checks."""
    found = assessed.unpassed
    return Wrong(found[:CHECKS], found[CHECKS:], assessed.passed)


def _change(step: StepCard, wait: PlannedWait | None, told: bool) -> Change:
    return Change(
        number=step.number,
        target=fold(step.name_untrusted, 64, 1),
        fields=step.observed.changes if step.observed else (),
        unobservable=bool(step.unobservable) or step.observed is None,
        exists=step.observed.exists if step.observed else True,
        simulated=bool(step.observed and step.observed.simulated),
        what=fold(step.headline, 90, 2) if told else None,
        creates=step.creates,
        left_by=step.observed.left_by if step.observed else 0,
        wait=wait,
        changes_state=step.changes_state,
    )


def _stays(steps: tuple[StepCard, ...]) -> list[str]:
    """Return what was seen to stay, then what was not looked at, then what always stays."""
    seen: list[LimitRow] = [row for step in steps for row in step.does_not_stop.seen]
    known = [row.text_untrusted for row in seen if not row.unknown and not row.absent]
    unknown = [row.text_untrusted for row in seen if row.unknown]
    return [*known, *unknown, *(text for step in steps for text in step.does_not_stop.never)]
