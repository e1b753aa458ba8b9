"""Export the evidence bundle of an incident: all that an auditor or a court needs, in one file.

`audit.tlog.bundle_form` defines the format, `audit.tlog.bundle` verifies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeAlias
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit import inclusion as included
from audit import log, reading
from audit.tlog import b64, bundle_form
from audit.tlog.canonical import read
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.incident import find, strings
from audit.tlog.note import Note
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import AuditUnavailable, NoSuchObject
from remediation.domain.events import Event
from remediation.models import (
    Assessment,
    Diagnosis,
    Evidence,
    EvidenceBlob,
    Execution,
    Halt,
    HaltVerdict,
    Incident,
    IncidentAssignment,
    IncidentComment,
    IncidentReport,
    IncidentTransition,
    Narrowing,
    Notice,
    ObservationRequest,
    Proposal,
    Refusal,
    Resumption,
    Review,
    SeenAgain,
    StepRecord,
    Transition,
    Wait,
    WaitLook,
    WaitOverdue,
)
from remediation.services.actors import Actor, PersonActor
from remediation.services.execution import inclusion
from remediation.services.reporting import secrets

# (domain, digest) -> the bytes; None for an artefact, whose bytes are read on output.
Documents: TypeAlias = dict[tuple[str, str], bytes | None]

_COMMITMENT = re.compile("[0-9a-f]{64}")


def make(
    incident_id: UUID,
    *,
    actor: Actor,
    using: str = "default",
    seen: Checkpoint | None = None,
    with_artefacts: bool = True,
) -> Bundle:
    """Record the export and return the bundle, to be iterated.

    ``using`` is the login that reads (the auditor's, for an auditor's page). ``seen`` is a head
    that the caller knows: a consistency proof from it is included. All artefacts are left out when
    the file would otherwise exceed the length that a verifier accepts. Raises NoSuchObject, and
    AuditUnavailable while the log does not cover the incident or is behind a head that the gate
    accepted.
    """
    incident = Incident.objects.using(using).filter(pk=incident_id).first()
    if incident is None:
        raise NoSuchObject(f"incident {incident_id}")
    made = _Making(incident, using).bundle(seen, with_artefacts)
    with transaction.atomic():
        log.append(
            action=Event.PERSON_BUNDLE_EXPORTED
            if isinstance(actor, PersonActor)
            else Event.OPERATOR_BUNDLE_EXPORTED,
            actor=actor.ref,
            object=f"incident:{incident_id}",
            data={"size": made.size, "artefacts": made.with_artefacts},
        )
    return made


@dataclass
class Bundle:
    """A bundle in memory, except for its artefacts, which may be large and many."""

    parts: dict[str, Any]
    documents: Documents
    # The artefacts to include; each is read twice, for the length and for the file.
    artefacts: frozenset[str]
    size: int
    using: str

    @property
    def with_artefacts(self) -> bool:
        return bool(self.artefacts)

    @cached_property
    def octets(self) -> int:
        """Return the bundle's length in bytes."""
        return sum(len(piece) for piece in self)

    def __iter__(self) -> Iterator[bytes]:
        return bundle_form.pieces(**self.parts, documents=self._documents())

    def _documents(self) -> Iterator[dict[str, Any]]:
        for domain, stated in sorted(self.documents):
            body = self.documents[domain, stated]
            if body is None and stated in self.artefacts:
                # If it was erased just now, the file ends here; the stated length shows that.
                body = bytes(EvidenceBlob.objects.using(self.using).get(pk=stated).content)
            yield bundle_form.document(domain, stated, body)


class _Making:
    """Collects one bundle through one login.

    The web process can append any entry. Invented entries about the incident are in the bundle,
    where a reader sees them. Entries about other objects, and documents that no entry names, would
    make the file invalid and stay out.
    """

    def __init__(self, incident: Incident, using: str) -> None:
        self.incident, self.using = incident, using
        self.proposals = list(
            Proposal.objects.using(using).filter(incident=incident).order_by("recorded_at")
        )
        keys = [proposal.pk for proposal in self.proposals]
        self.objects = {f"incident:{incident.pk}", *(f"proposal:{key}" for key in keys)}
        self.assessments = list(Assessment.objects.using(using).filter(proposal__in=keys))
        self.executions = list(Execution.objects.using(using).filter(proposal__in=keys))
        self.resumptions = list(
            Resumption.objects.using(using).filter(wait__execution__proposal__in=keys)
        )

    def bundle(self, seen: Checkpoint | None, with_artefacts: bool) -> Bundle:
        found = self._proven()
        head = Checkpoint.parse(Note.parse(found.note).text)
        bodies = {one.index: read(one.body) or {} for one in found.entries}
        entries = sorted(
            (one for one in found.entries if bodies[one.index].get("object") in self.objects),
            key=lambda one: one.index,
        )
        named = {text for one in entries for text in strings(bodies[one.index])}
        documents = self._documents()
        parts = {
            "incident": str(self.incident.pk),
            "checkpoint": found.note,
            "entries": [
                {
                    "index": one.index,
                    "body": one.body.decode(),
                    "proof": [b64.encode(value) for value in one.hashes],
                }
                for one in entries
            ],
            "heads": self._heads(head, seen),
            "opened": self._opened(named),
        }
        made = Bundle(
            parts=parts,
            documents={key: body for key, body in documents.items() if key[1] in named},
            artefacts=self._blobs(documents) if with_artefacts else frozenset(),
            size=head.size,
            using=self.using,
        )
        if made.octets > bundle_form.MAX_BYTES:
            made.artefacts = frozenset()
            del made.octets
        return made

    def _proven(self) -> included.Included:
        ids, policy = sorted(self._entries()), inclusion.policy()
        try:
            included.wait(
                ids, policy=policy, wait_s=settings.AUDIT_WAIT_MS / 1000, using=self.using
            )
            return included.prove(ids, policy=policy, seen=None, using=self.using)
        except TlogError as error:
            raise AuditUnavailable(str(error)) from error

    def _entries(self) -> set[int]:
        """Return the entries that rows of the incident refer to, and those about its objects."""
        keys = [proposal.pk for proposal in self.proposals]
        found = {self.incident.entry}
        of_incident: tuple[Any, ...] = (
            *(IncidentReport, IncidentTransition, IncidentAssignment, IncidentComment),
            *(Evidence, Diagnosis),
        )
        of_proposal: tuple[Any, ...] = (
            *(Transition, Assessment, Review, Narrowing, ObservationRequest, SeenAgain),
            *(Refusal, Notice, Execution, Halt),
        )
        for model in of_incident:
            rows = model._base_manager.using(self.using).filter(incident=self.incident)
            found.update(rows.values_list("entry", flat=True))
        for model in of_proposal:
            rows = model._base_manager.using(self.using).filter(proposal__in=keys)
            found.update(rows.values_list("entry", flat=True))
        steps = StepRecord.objects.using(self.using).filter(execution__proposal__in=keys)
        found.update(steps.values_list("entry", flat=True))
        waits = Wait.objects.using(self.using).filter(execution__proposal__in=keys)
        found.update(waits.values_list("entry", flat=True))
        of_wait: tuple[Any, ...] = (WaitLook, WaitOverdue, Resumption)
        for model in of_wait:
            rows = model._base_manager.using(self.using).filter(wait__execution__proposal__in=keys)
            found.update(rows.values_list("entry", flat=True))
        verdicts = HaltVerdict.objects.using(self.using).filter(halt__proposal__in=keys)
        found.update(verdicts.values_list("entry", flat=True))
        found.update(proposal.entry for proposal in self.proposals)
        found.update(reading.about(sorted(self.objects), self.using))
        return found

    def _cleared(self) -> list[Execution | Resumption]:
        """Return what holds evidence by which the gate cleared a step."""
        return [*self.executions, *self.resumptions]

    def _heads(self, newest: Checkpoint, seen: Checkpoint | None) -> list[dict[str, Any]]:
        """Return the heads under which the gate cleared a step, and the caller's own.

        Heads of an earlier origin (the log was reopened under another name) stay out: a verifier
        of the present log may not have their key.
        """
        notes: dict[int, str] = {}
        for cleared in self._cleared():
            note = find(read(bytes(cleared.evidence)), "log.checkpoint")
            head = Checkpoint.parse(Note.parse(str(note)).text) if note else None
            if head is not None and head.origin == newest.origin:
                notes.setdefault(head.size, str(note))
        if seen is not None and 0 < seen.size < newest.size:
            stored = included.stored(seen.size, self.using)
            if stored:
                notes.setdefault(seen.size, stored)
        if notes and max(notes) > newest.size:
            raise AuditUnavailable(f"rollback: the gate accepted a head of {max(notes)}")
        return [
            {
                "note": note,
                "consistency": [
                    b64.encode(one) for one in included.way(old, newest.size, self.using)
                ],
            }
            for old, note in sorted(notes.items())
        ]

    def _documents(self) -> Documents:
        found: Documents = {}
        for artefact in Evidence.objects.using(self.using).filter(incident=self.incident):
            found["", artefact.sha256] = None
        for proposal in self.proposals:
            _put(found, Kind.PLAN, proposal.plan)
        for diagnosis in Diagnosis.objects.using(self.using).filter(incident=self.incident):
            _put(found, Kind.DIAGNOSIS, diagnosis.body)
        for row in self.assessments:
            _put(found, Kind.SCOPE, row.scope)
            _put(found, Kind.CHECKS, row.checks)
            _put(found, Kind.RULING, row.ruling)
            _put(found, Kind.PIN, row.pin)
            _put(found, Kind.OBSERVATION, row.observation)
            _put(found, None, row.facts)
        for cleared in self._cleared():
            _put(found, None, cleared.evidence)
        return found

    def _blobs(self, documents: Documents) -> frozenset[str]:
        """Return the artefacts that are stored and hold no secrets.

        The file is passed on, so secrets must not be in it (A61).
        """
        digests = [stated for (_, stated), body in documents.items() if body is None]
        rows = Evidence.objects.using(self.using).filter(incident=self.incident)
        found = secrets.found_in(list(rows), self.using)
        digests = [one for one in digests if not found.get(one)]
        blobs = EvidenceBlob.objects.using(self.using).filter(pk__in=digests)
        return frozenset(blobs.values_list("pk", flat=True))

    def _opened(self, named: Iterable[str]) -> list[dict[str, Any]]:
        commitments = sorted(text for text in named if _COMMITMENT.fullmatch(text))
        return [
            {"commitment": commitment, "salt": salt, "value": value}
            for commitment, salt, value in reading.secrets(commitments, self.using)
        ]


def _put(documents: Documents, kind: Kind | None, body: bytes | memoryview) -> None:
    whole = bytes(body)
    if kind is None:
        documents["", sha256(whole).hexdigest()] = whole
    else:
        documents[f"hitlportal/{kind}/v1", digest(kind, whole)] = whole
