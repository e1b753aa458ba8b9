"""The input of the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from audit.tlog.canonical import Json
from remediation.domain.checks.budget import EVENT, Budget
from remediation.domain.citations import Unreadable, read_artefact
from remediation.domain.formats.body import strings_in
from remediation.domain.formats.record import Event, Records
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.domain.report import Claim, Diagnosis
from remediation.domain.scope import Scope
from remediation.domain.secrets.detector import Found, Looked, look, with_known
from remediation.domain.secrets.masking import masked, names_of, quotable
from remediation.domain.secrets.several import Known


@dataclass(frozen=True)
class Neighbour:
    """An identity of the inventory: a target itself, or one near it, with its name there."""

    locator: str
    name: str = ""


@dataclass(frozen=True)
class OpenProposal:
    """Another proposal that can still run, with its actions and the locators of their targets."""

    id: str
    state: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Rejection:
    """An earlier proposal on the same targets that people rejected, with their reason."""

    proposal: str
    reason: str = ""


@dataclass(frozen=True)
class CheckInput:
    """What the worker knows about a proposal when it assesses it.

    `evidence`: the artefacts by SHA-256. `attacker_writable`: artefacts that an intruder could
    have changed. `identity_locators`: the identities that the incident names. `observations`: None
    for a target that could not be observed. `protected`: why a locator is protected. `prechecks`:
    why a step's executor would refuse it now. `title` and `rationale`: the agent's texts outside
    plan and diagnosis. `assessed_at`: the database's time, or None to skip checks of times.
    `unread`: artefacts that were too many to read. `budget`: the work of the check that runs;
    what returns evidence counts it, and remembers that the check looked at evidence.
    """

    plan: Plan
    diagnosis: Diagnosis
    evidence: Mapping[str, bytes]
    identity_locators: tuple[str, ...]
    observations: Mapping[str, Observation | None]
    known_locators: frozenset[str]
    scope: Scope
    earlier_rejections: tuple[Rejection, ...] = ()
    title: str = ""
    rationale: str = ""
    attacker_writable: frozenset[str] = frozenset()
    neighbours: tuple[Neighbour, ...] = ()
    open_proposals: tuple[OpenProposal, ...] = ()
    protected: Mapping[str, str] = field(default_factory=dict)
    prechecks: Mapping[int, str] = field(default_factory=dict)
    detected_at: datetime | None = None
    assessed_at: datetime | None = None
    unread: frozenset[str] = frozenset()
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)

    def look(self, units: int = 1) -> None:
        """Count a look at evidence. Raises OutOfBudget."""
        self.budget.looked = True
        self.budget.spend(units)

    @cached_property
    def masked(self) -> Mapping[str, bytes]:
        """Return the artefacts with their secrets masked, like the values in stored citations.

        The reason of a check must not quote a secret (A61).
        """
        return {
            sha256: masked(content, self._found[sha256])
            for sha256, content in self.evidence.items()
        }

    @property
    def found(self) -> Mapping[str, Found]:
        """Return the secrets in each artefact."""
        self.look()
        return self._found

    @cached_property
    def _found(self) -> Mapping[str, Found]:
        known = Known(self.secrets)
        return {
            sha256: with_known(content, self._looked[sha256].found, known)
            for sha256, content in self.evidence.items()
        }

    @cached_property
    def _looked(self) -> Mapping[str, Looked]:
        return {sha256: look(content, self.exempt) for sha256, content in self.evidence.items()}

    @cached_property
    def exempt(self) -> frozenset[str]:
        """Return names that never count as secrets, whatever field an intruder writes them into."""
        targets = (*self.plan.targets, self.diagnosis.identity)
        known = (target for target in targets if target.locator in self.known_locators)
        return names_of(known) | {service.name for service in self.scope.services}

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Return the secrets of all artefacts that are masked in the agent's texts."""
        return frozenset().union(*(quotable(one, self.exempt) for one in self._looked.values()))

    @property
    def documents(self) -> Mapping[str, Json | Unreadable]:
        """Return each artefact of the incident as JSON, or why it cannot be parsed."""
        self.look()
        return self._documents

    @cached_property
    def _documents(self) -> Mapping[str, Json | Unreadable]:
        return {sha256: read_artefact(content) for sha256, content in self.masked.items()}

    @cached_property
    def cited(self) -> frozenset[str]:
        """Return the artefacts that a claim cites."""
        return frozenset(
            citation.evidence for claim in self.diagnosis.claims for citation in claim.citations
        )

    @cached_property
    def records(self) -> Mapping[str, Records]:
        """Return the records of each artefact; none for an artefact that cannot be parsed."""
        return {
            sha256: Records.of(sha256, document)
            for sha256, document in self._documents.items()
            if not isinstance(document, Unreadable)
        }

    @property
    def events(self) -> tuple[Event, ...]:
        """Return every record of the evidence, cited or not; counts a loop over them."""
        self.budget.all_records = True
        self.look(EVENT * len(self._events) + 1)
        return self._events

    @cached_property
    def _events(self) -> tuple[Event, ...]:
        return tuple(event for records in self.records.values() for event in records.found.values())

    @cached_property
    def by_key(self) -> Mapping[str, tuple[Event, ...]]:
        """Return the records by the access key that they name."""
        found: dict[str, list[Event]] = {}
        for event in self._events:
            found.setdefault(event.key, []).append(event)
        return {key: tuple(events) for key, events in found.items()}

    def of_key(self, key: str) -> tuple[Event, ...]:
        """Return the records of an access key; counts a loop over them."""
        self.budget.all_records = True
        found = self.by_key.get(key, ())
        self.look(EVENT * len(found) + 1)
        return found

    @property
    def texts(self) -> Mapping[str, str]:
        """Return the values of each artefact, one per line; the text itself if it is not JSON.

        A check that searches them counts that by itself, by their length.
        """
        self.look()
        return self._texts

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        return {
            sha256: self.masked[sha256].decode(errors="replace")
            if isinstance(document, Unreadable)
            else "\n".join(text for _, text in strings_in(document))
            for sha256, document in self._documents.items()
        }

    def cited_events(self, claim: Claim) -> tuple[Event, ...]:
        """Return the records that a claim of the diagnosis cites, each once, in their order."""
        self.budget.cited_records = True
        self.look(len(claim.citations) + 1)
        return self._cited_events[id(claim)]

    @cached_property
    def _cited_events(self) -> dict[int, tuple[Event, ...]]:
        # The diagnosis keeps its claims, so no other claim gets the id of one of them.
        return {id(claim): self._cited_by(claim) for claim in self.diagnosis.claims}

    def _cited_by(self, claim: Claim) -> tuple[Event, ...]:
        found = (
            self.records[citation.evidence].at(citation.pointer)
            for citation in claim.citations
            if citation.evidence in self.records
        )
        return tuple(dict.fromkeys(event for event in found if event is not None))

    @property
    def all_cited(self) -> tuple[Event, ...]:
        """Return the records that any claim cites, each once; counts a loop over them."""
        self.budget.cited_records = True
        self.look(EVENT * len(self._all_cited) + 1)
        return self._all_cited

    @cached_property
    def _all_cited(self) -> tuple[Event, ...]:
        return tuple(
            dict.fromkeys(
                event for claim in self.diagnosis.claims for event in self._cited_events[id(claim)]
            )
        )
