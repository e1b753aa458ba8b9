"""All that checks may look at."""

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
from remediation.domain.secrets.covering import masked, names_of, quotable
from remediation.domain.secrets.detector import Found, Looked, look, with_known


@dataclass(frozen=True)
class Neighbour:
    """An identity of the inventory near a target, or the target itself: what it is called there."""

    locator: str
    name: str = ""


@dataclass(frozen=True)
class OpenProposal:
    """Another proposal that can still run, with its actions and their targets' locators."""

    id: str
    state: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Rejection:
    """An earlier proposal on the same targets that people rejected, and why, in their words."""

    proposal: str
    reason: str = ""


@dataclass(frozen=True)
class CheckInput:
    """What the worker knows of a proposal when it assesses it.

    `evidence` holds the artefacts by SHA-256, `attacker_writable` those that an intruder could
    have written in; `identity_locators` the identities that the incident names, `observations`
    None where the target could not be observed; `protected` says of a locator why it is
    protected, `prechecks` of a step why its executor would refuse it now; `title` and `rationale`
    are the agent's texts outside plan and diagnosis.
    `assessed_at` is the database's time, and None only where no check of times is wanted.
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
    def covered(self) -> Mapping[str, bytes]:
        """The artefacts with their secrets covered, as the values that citations quote were when
        they were handed in: no reason of a check may quote a secret (A61)."""
        return {
            sha256: masked(content, self.found[sha256]) for sha256, content in self.evidence.items()
        }

    @cached_property
    def found(self) -> Mapping[str, Found]:
        """The secrets in each artefact; looking takes time, so it is done once."""
        return {
            sha256: with_known(content, self._looked[sha256].found, self.secrets)
            for sha256, content in self.evidence.items()
        }

    @cached_property
    def _looked(self) -> Mapping[str, Looked]:
        return {sha256: look(content, self.spared) for sha256, content in self.evidence.items()}

    @cached_property
    def spared(self) -> frozenset[str]:
        """Names that are no secrets, whatever field an intruder wrote them into."""
        targets = (*self.plan.targets, self.diagnosis.identity)
        known = (target for target in targets if target.locator in self.known_locators)
        return names_of(known) | {service.name for service in self.scope.services}

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The secrets of all artefacts, as the agent's texts were covered of them."""
        return frozenset().union(*(quotable(one, self.spared) for one in self._looked.values()))

    @cached_property
    def documents(self) -> Mapping[str, Json | Unreadable]:
        """Each artefact of the incident as JSON, or why it cannot be read as that."""
        return {sha256: read_artefact(content) for sha256, content in self.covered.items()}

    @cached_property
    def cited(self) -> frozenset[str]:
        """The artefacts that some claim cites."""
        return frozenset(
            citation.evidence for claim in self.diagnosis.claims for citation in claim.citations
        )

    @cached_property
    def records(self) -> Mapping[str, Records]:
        """The records of each artefact; none in one that cannot be read."""
        return {
            sha256: Records.of(sha256, document)
            for sha256, document in self.documents.items()
            if not isinstance(document, Unreadable)
        }

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Every record of the evidence, cited or not."""
        return tuple(event for records in self.records.values() for event in records.found.values())

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """All that each artefact says, one value a line; the bytes of what is no JSON."""
        return {
            sha256: self.covered[sha256].decode(errors="replace")
            if isinstance(document, Unreadable)
            else "\n".join(text for _, text in strings_in(document))
            for sha256, document in self.documents.items()
        }

    def cited_events(self, claim: Claim) -> tuple[Event, ...]:
        """The records that a claim cites, each once, in the order of the citations."""
        found = (
            self.records[citation.evidence].at(citation.pointer)
            for citation in claim.citations
            if citation.evidence in self.records
        )
        return tuple(dict.fromkeys(event for event in found if event is not None))

    @cached_property
    def all_cited(self) -> tuple[Event, ...]:
        """The records that some claim cites, each once."""
        return tuple(
            dict.fromkeys(
                event for claim in self.diagnosis.claims for event in self.cited_events(claim)
            )
        )
