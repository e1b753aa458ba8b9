"""The evidence bundle of an incident: everything that a court or an auditor needs, in one file.

The form, and who checks it, stand in `audit.tlog.bundle`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit import inclusion as included
from audit import log, reading
from audit.tlog import b64, bundle
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
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
    Incident,
    IncidentReport,
    IncidentTransition,
    Notice,
    ObservationRequest,
    Proposal,
    Refusal,
    Review,
    StepRecord,
    Transition,
)
from remediation.services import inclusion
from remediation.services.actors import Actor, PersonActor


def make(
    incident_id: UUID,
    *,
    actor: Actor,
    using: str = "default",
    seen: Checkpoint | None = None,
    with_artefacts: bool = True,
) -> bytes:
    """The bundle's bytes; that it is made is on record before it is read.

    ``using`` is the login that reads (an auditor's page: the auditor's). ``seen`` is a head of
    the caller's: the way from it is put in. Raises NoSuchObject, and AuditUnavailable while the
    log does not cover the incident.
    """
    incident = Incident.objects.using(using).filter(pk=incident_id).first()
    if incident is None:
        raise NoSuchObject(f"incident {incident_id}")
    with transaction.atomic():
        log.append(
            action=Event.PERSON_BUNDLE_EXPORTED
            if isinstance(actor, PersonActor)
            else Event.OPERATOR_BUNDLE_EXPORTED,
            actor=actor.ref,
            object=f"incident:{incident_id}",
            data={"artefacts": with_artefacts},
        )
    return _Making(incident, using).bundle(seen, with_artefacts)


class _Making:
    """One bundle while it is collected, through one login."""

    def __init__(self, incident: Incident, using: str) -> None:
        self.incident, self.using = incident, using
        self.proposals = list(
            Proposal.objects.using(using).filter(incident=incident).order_by("recorded_at")
        )
        keys = [proposal.pk for proposal in self.proposals]
        self.assessments = list(Assessment.objects.using(using).filter(proposal__in=keys))
        self.executions = list(Execution.objects.using(using).filter(proposal__in=keys))

    def bundle(self, seen: Checkpoint | None, with_artefacts: bool) -> bytes:
        ids = sorted(self._entries())
        policy = inclusion.policy()
        try:
            included.wait(
                ids, policy=policy, wait_s=settings.AUDIT_WAIT_MS / 1000, using=self.using
            )
            found = included.prove(ids, policy=policy, seen=None, using=self.using)
        except TlogError as error:
            raise AuditUnavailable(str(error)) from error
        entries = sorted(found.entries, key=lambda one: one.index)
        size = Checkpoint.parse(Note.parse(found.note).text).size
        return bundle.dump(
            incident=str(self.incident.pk),
            checkpoint=found.note,
            entries=[
                {
                    "index": one.index,
                    "body": one.body.decode(),
                    "proof": [b64.encode(value) for value in one.hashes],
                }
                for one in entries
            ],
            heads=self._heads(size, seen),
            documents=_once(self._documents(with_artefacts)),
            opened=self._opened([one.body for one in entries]),
        )

    def _entries(self) -> set[int]:
        """By the rows that point to them, and by what the list says that they are about."""
        keys = [proposal.pk for proposal in self.proposals]
        found = {self.incident.entry}
        of_incident: tuple[Any, ...] = (
            *(IncidentReport, IncidentTransition),
            *(Evidence, Diagnosis),
        )
        of_proposal: tuple[Any, ...] = (
            *(Transition, Assessment, Review, ObservationRequest),
            *(Refusal, Notice, Execution),
        )
        for model in of_incident:
            rows = model._base_manager.using(self.using).filter(incident=self.incident)
            found.update(rows.values_list("entry", flat=True))
        for model in of_proposal:
            rows = model._base_manager.using(self.using).filter(proposal__in=keys)
            found.update(rows.values_list("entry", flat=True))
        steps = StepRecord.objects.using(self.using).filter(execution__proposal__in=keys)
        found.update(steps.values_list("entry", flat=True))
        found.update(proposal.entry for proposal in self.proposals)
        objects = [f"incident:{self.incident.pk}", *(f"proposal:{key}" for key in keys)]
        found.update(reading.about(objects, self.using))
        return found

    def _heads(self, size: int, seen: Checkpoint | None) -> list[dict[str, Any]]:
        """The heads under which the gate let something run, and the caller's own."""
        notes: dict[int, str] = {}
        for execution in self.executions:
            given = json.loads(bytes(execution.evidence)).get("log") or {}
            note = given.get("checkpoint")
            if note:
                notes.setdefault(Checkpoint.parse(Note.parse(note).text).size, note)
        if seen is not None and 0 < seen.size < size:
            rows = included.stored(seen.size, self.using)
            notes.update({seen.size: rows} if rows else {})
        return [
            {
                "note": note,
                "consistency": [b64.encode(o) for o in included.way(old, size, self.using)],
            }
            for old, note in sorted(notes.items())
        ]

    def _documents(self, with_artefacts: bool) -> Iterator[dict[str, Any]]:
        for proposal in self.proposals:
            yield _document(Kind.PLAN, bytes(proposal.plan))
        for diagnosis in Diagnosis.objects.using(self.using).filter(incident=self.incident):
            yield _document(Kind.DIAGNOSIS, bytes(diagnosis.body))
        for row in self.assessments:
            yield _document(Kind.SCOPE, bytes(row.scope))
            yield _document(Kind.CHECKS, bytes(row.checks))
            yield _document(Kind.RULING, bytes(row.ruling))
            yield _document(Kind.PIN, bytes(row.pin))
            yield _document(Kind.OBSERVATION, bytes(row.observation))
            yield _document(None, bytes(row.facts))
        for execution in self.executions:
            yield _document(None, bytes(execution.evidence))
        yield from self._artefacts(with_artefacts)

    def _artefacts(self, with_artefacts: bool) -> Iterator[dict[str, Any]]:
        """Each artefact's digest; its bytes unless they were erased or are left out."""
        rows = Evidence.objects.using(self.using).filter(incident=self.incident)
        for sha256 in sorted(rows.values_list("sha256", flat=True)):
            blob = (
                EvidenceBlob.objects.using(self.using).filter(pk=sha256).first()
                if with_artefacts
                else None
            )
            if blob is None:
                yield {"domain": "", "digest": sha256, "body": None, "encoding": "utf-8"}
            else:
                yield _document(None, bytes(blob.content))

    def _opened(self, bodies: Iterable[bytes]) -> list[dict[str, Any]]:
        named = {c for body in bodies for c in _commitments(json.loads(body))}
        return [
            {"commitment": commitment, "salt": salt, "value": value}
            for commitment, salt, value in reading.secrets(sorted(named), self.using)
        ]


def _document(kind: Kind | None, body: bytes) -> dict[str, Any]:
    try:
        text, encoding = body.decode(), "utf-8"
        if "\0" in text:
            raise ValueError("NUL has no place in canonical JSON")
    except ValueError:
        text, encoding = b64.encode(body), "base64"
    return {
        "domain": f"hitlportal/{kind}/v1" if kind else "",
        "digest": digest(kind, body) if kind else hashlib.sha256(body).hexdigest(),
        "body": text,
        "encoding": encoding,
    }


def _once(documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found = {(one["domain"], one["digest"]): one for one in documents}
    return [found[key] for key in sorted(found)]


def _commitments(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.keys() == {log.COMMITTED}:
            yield str(value[log.COMMITTED])
        for inner in value.values():
            yield from _commitments(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _commitments(inner)
