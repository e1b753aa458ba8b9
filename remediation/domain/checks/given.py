"""The input of the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from audit.tlog.canonical import Json
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

    @cached_property
    def masked(self) -> Mapping[str, bytes]:
        """Return the artefacts with their secrets masked, like the values in stored citations.

        The reason of a check must not quote a secret (A61).
        """
        return {
            sha256: masked(content, self.found[sha256]) for sha256, content in self.evidence.items()
        }

    @cached_property
    def found(self) -> Mapping[str, Found]:
        """Return the secrets in each artefact, cached because the search takes time."""
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

    @cached_property
    def documents(self) -> Mapping[str, Json | Unreadable]:
        """Return each artefact of the incident as JSON, or why it cannot be parsed."""
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
            for sha256, document in self.documents.items()
            if not isinstance(document, Unreadable)
        }

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Return every record of the evidence, cited or not."""
        return tuple(event for records in self.records.values() for event in records.found.values())

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """Return the values of each artefact, one per line; the text itself if it is not JSON."""
        return {
            sha256: self.masked[sha256].decode(errors="replace")
            if isinstance(document, Unreadable)
            else "\n".join(text for _, text in strings_in(document))
            for sha256, document in self.documents.items()
        }

    def cited_events(self, claim: Claim) -> tuple[Event, ...]:
        """Return the records that a claim cites, each once, in the order of the citations."""
        found = (
            self.records[citation.evidence].at(citation.pointer)
            for citation in claim.citations
            if citation.evidence in self.records
        )
        return tuple(dict.fromkeys(event for event in found if event is not None))

    @cached_property
    def all_cited(self) -> tuple[Event, ...]:
        """Return the records that any claim cites, each once."""
        return tuple(
            dict.fromkeys(
                event for claim in self.diagnosis.claims for event in self.cited_events(claim)
            )
        )
