"""Record, mask, reveal and erase secrets in evidence.

`submit` records what the detector finds. Artefacts that an older detector scanned are scanned
again when they are read. Bytes with secrets leave the portal only through `reveal`, to people
with the security role, after that is on record (docs/attacks.md A61).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from audit.tlog.inert import alike
from remediation.domain.act import Act, ActName
from remediation.domain.citations import Stored
from remediation.domain.errors import BadInput, BadValue, NoSuchObject, NotEntitled, ReasonRequired
from remediation.domain.events import Event
from remediation.domain.plan import Target
from remediation.domain.report import load_diagnosis
from remediation.domain.secrets import detector, masking, places, several
from remediation.domain.secrets.detector import Found, Secret
from remediation.domain.secrets.several import Known
from remediation.models import (
    Evidence,
    EvidenceBlob,
    EvidenceErasure,
    EvidenceScan,
    Identity,
    Incident,
    Proposal,
    Service,
    User,
)
from remediation.services.access import visibility
from remediation.services.actors import Actor, ProcessActor
from remediation.services.load_plan import read_plan
from remediation.services.people import stepup

REASON_LEAST, REASON_MOST = 10, 500
# Reports may add to an incident without end, and a person's request must not wait for that. Of the
# artefacts that hold secrets, a text is compared with at most so many bytes, the oldest first: so
# later artefacts cannot displace earlier ones.
MOST_BYTES = 32 * 1024 * 1024
# Of these, artefacts that hold too many secrets to list are searched again, up to so many bytes.
MOST_SEARCHED = 2 * 1024 * 1024
# Half of what one search takes: the rest is for the secrets of a new report.
MOST_KNOWN = several.MOST_CHARS // 2


def record(evidence: Evidence, found: Found) -> None:
    """Record what the detector found in a newly submitted artefact, under the artefact's entry."""
    EvidenceScan.objects.create(
        evidence=evidence,
        detector=detector.VERSION,
        secrets=[[one.offset, one.length, one.rule] for one in found.secrets],
        whole=found.whole,
        entry=evidence.entry,
    )


def found_in(rows: Sequence[Evidence], using: str = "default") -> dict[str, Found]:
    """Return the secrets of these artefacts of one incident, by SHA-256; scan those that have no
    record of the present detector."""
    scans = EvidenceScan.objects.using(using).filter(
        evidence__in=[row.pk for row in rows], detector=detector.VERSION
    )
    recorded = {scan.evidence_id: _found(scan) for scan in scans}
    rest = {row.sha256: row for row in rows if row.pk not in recorded}
    found = {row.sha256: recorded[row.pk] for row in rows if row.pk in recorded}
    if rest:
        blobs = EvidenceBlob.objects.using(using).filter(sha256__in=list(rest))
        names = exempt_of(next(iter(rest.values())).incident)
        content = {blob.sha256: bytes(blob.content) for blob in blobs}
        looked = {sha256: detector.look(one, names) for sha256, one in content.items()}
        known = Known(frozenset().union(*(masking.quotable(one, names) for one in looked.values())))
        found |= {
            sha256: detector.with_known(content[sha256], one.found, known)
            for sha256, one in looked.items()
        }
    return found


def masked(rows: Sequence[Evidence]) -> dict[str, bytes]:
    """Return the artefacts that are still stored, by SHA-256, with every secret masked."""
    found = found_in(rows)
    blobs = EvidenceBlob.objects.filter(sha256__in=[row.sha256 for row in rows])
    return {
        blob.sha256: masking.masked(bytes(blob.content), found.get(blob.sha256, _NOT_LOOKED_AT))
        for blob in blobs
    }


# An artefact without findings is masked as a whole.
_NOT_LOOKED_AT = Found((), whole=False)


def _found(scan: EvidenceScan) -> Found:
    return Found(tuple(Secret(*one) for one in scan.secrets), whole=scan.whole)


def known_values(incident: Incident) -> frozenset[str]:
    """Return the secret values in the incident's evidence, to mask them where a text quotes them.

    Reads the recorded places. Searches at most MOST_SEARCHED of the artefacts whose places do not
    say it all, reads at most MOST_BYTES of those that hold secrets, and takes at most MOST_KNOWN
    characters of values, always the oldest artefacts first: so nothing that comes later can
    displace what is known, or keep people from giving a reason.
    """
    rows = list(incident.evidence.order_by("pk"))
    found = found_in(rows)
    holding = [row for row in rows if row.sha256 in found and _holds(found[row.sha256])]
    if not holding:
        return frozenset()
    names = exempt_of(incident)
    sums = accumulate(row.size for row in holding)
    first = [row.sha256 for row, size in zip(holding, sums, strict=True) if size <= MOST_BYTES]
    known: set[str] = set()
    length, searched = 0, 0
    for content, sha256 in _read(first):
        values = places.values(content, found[sha256], names)
        if values is None and searched + len(content) <= MOST_SEARCHED:
            searched += len(content)
            values = masking.values(content, names)
        new = (values or frozenset()) - known
        more = sum(map(len, new))
        if length + more > MOST_KNOWN:
            continue  # one artefact full of secrets must not leave those of all others unknown
        length += more
        known |= new
    return frozenset(known)


def _holds(found: Found) -> bool:
    return bool(found) or not found.whole


def _read(digests: Sequence[str]) -> Iterator[tuple[bytes, str]]:
    """Yield the artefacts that are still stored, in this order, a few at a time in memory."""
    for at in range(0, len(digests), 8):
        some = digests[at : at + 8]
        blobs = {one.pk: bytes(one.content) for one in EvidenceBlob.objects.filter(pk__in=some)}
        yield from ((blobs[sha256], sha256) for sha256 in some if sha256 in blobs)


def exempt(targets: Iterable[Target]) -> frozenset[str]:
    """Return the names of the targets that the inventory knows, and of the services that use them.

    They are exempt: no secrets, in whatever field they appear. A name that only an agent gives
    is not exempt.
    """
    by_locator = {target.locator: target for target in targets}
    rows = Identity.objects.filter(locator__in=list(by_locator))
    known = [by_locator[locator] for locator in rows.values_list("locator", flat=True)]
    services = Service.objects.filter(dependencies__identity__in=rows).values_list(
        "name", flat=True
    )
    return masking.names_of(known) | frozenset(services)


def exempt_of(incident: Incident) -> frozenset[str]:
    """Return the exempt names of all targets that the incident's diagnoses and proposals name."""
    targets: list[Target] = []
    for body in incident.diagnoses.values_list("body", flat=True):
        with suppress(BadInput):  # of another catalogue: then none of its names is exempt
            targets.append(load_diagnosis(bytes(body), allow_test=True).identity)
    for body in incident.proposals.values_list("plan", flat=True).distinct():
        with suppress(BadInput):
            targets += read_plan(bytes(body)).targets
    return exempt(targets)


def stored(incident: Incident) -> Stored:
    """Return access to the incident's stored artefacts, for citations; reads them on demand."""
    rows = incident.evidence

    def read(sha256: str) -> bytes | None:
        blob = EvidenceBlob.objects.filter(pk=sha256).first()
        return bytes(blob.content) if blob and rows.filter(sha256=sha256).exists() else None

    known: list[frozenset[str]] = []

    def secrets() -> frozenset[str]:
        if not known:
            known.append(known_values(incident))
        return known[0]

    return Stored(read, secrets)


def said(found: Found) -> str:
    """Describe the findings: "2 secrets: AWS secret access key, private key"."""
    if not found.whole:
        return f"more than {detector.MOST} secrets, or too many to search for"
    count = len(found.secrets)
    kinds = dict.fromkeys(detector.TITLES.get(one.rule, one.rule) for one in found.secrets)
    return f"{count} secret{'' if count == 1 else 's'}: {', '.join(kinds)}"


def revealing(proposal: Proposal, sha256: str, reason: str) -> Act:
    """Return the act of `reveal`, to be signed."""
    said: dict[str, Json] = {"artefact": sha256, "reason": masked_reason(proposal, reason)}
    return Act(ActName.REVEAL, f"proposal:{proposal.pk}", said)


def masked_reason(proposal: Proposal, reason: str) -> str:
    """Return a person's reason as the record keeps it: without the secrets of the incident."""
    return masking.mask_text(" ".join(reason.split()), known_values(proposal.incident))


def reveal(
    *, actor: User, proposal: Proposal, sha256: str, reason: str, proof: stepup.Proof | None
) -> bytes:
    """Return the unmasked bytes of an artefact.

    Who reveals them, and why, is committed to the record before they are read. A crash between
    the two leaves an entry although nobody saw the bytes, never the other way round.
    Raises NotEntitled, ReasonRequired, NoSuchObject, and what `stepup.check` raises.
    """
    if not visibility.may_reveal(actor, proposal):
        raise NotEntitled("only the security role with the right to review every affected service")
    act = revealing(proposal, sha256, reason)
    reason = str(act.input["reason"])
    if not REASON_LEAST <= len(reason) <= REASON_MOST:
        raise ReasonRequired(f"say why in {REASON_LEAST} to {REASON_MOST} characters")
    row = Evidence.objects.filter(incident_id=proposal.incident_id, sha256=sha256).first()
    if row is None or not EvidenceBlob.objects.filter(pk=sha256).exists():
        raise NoSuchObject("the artefact is not stored")
    with transaction.atomic(durable=True):
        signed = stepup.check(actor=actor, act=act, proof=proof)
        entry = log.append(
            action=Event.PERSON_EVIDENCE_REVEALED,
            actor=actor.actor,
            object=f"incident:{proposal.incident_id}",
            data={
                "proposal": str(proposal.pk),
                "artefact": sha256,
                "secrets": said(found_in([row])[sha256]),
                "reason": reason,
                "step_up": signed.data,
            },
        )
        signed.use(entry.id)
    try:
        return bytes(EvidenceBlob.objects.get(pk=sha256).content)
    except EvidenceBlob.DoesNotExist:  # erased since; the entry records the attempt
        raise NoSuchObject("the artefact is not stored (any more)") from None


def erase(
    *, actor: Actor, digests: Sequence[str], ground: str, by: str, second: str
) -> Mapping[str, int]:
    """Erase the bytes of artefacts under law; facts, digests and entries stay.

    Two named people are responsible. Returns the number of erased artefacts by incident. One
    transaction: a crash before its commit erases and records nothing. If the same bytes are
    submitted again, they are not stored. Raises NotEntitled, BadValue, NoSuchObject.
    """
    if not (isinstance(actor, ProcessActor) and actor.ref.startswith("operator:")):
        raise NotEntitled("this needs an operator of the host")
    _two_people(ground, by, second)
    wanted = sorted(set(digests))
    with transaction.atomic():
        places = _places(wanted)
        entries: dict[str, int] = {}
        for incident, erased in places.items():
            entry = log.append(
                action=Event.OPERATOR_EVIDENCE_ERASED,
                actor=actor.ref,
                object=f"incident:{incident}",
                data={"erased": list(erased), "ground": ground, "by": by, "second": second},
            )
            entries |= dict.fromkeys(erased, entry.id)
        for sha256 in wanted:
            EvidenceErasure.objects.create(sha256=sha256, entry=entries[sha256])
        EvidenceBlob.objects.filter(pk__in=wanted).delete()
    return {incident: len(erased) for incident, erased in places.items()}


def _places(wanted: Sequence[str]) -> dict[str, list[str]]:
    """Return the digests that each incident holds. Raises NoSuchObject unless all are stored."""
    found: dict[str, list[str]] = {}
    rows = Evidence.objects.filter(sha256__in=wanted).order_by("incident_id", "sha256")
    for incident_id, sha256 in rows.values_list("incident_id", "sha256"):
        found.setdefault(str(incident_id), []).append(sha256)
    kept = EvidenceBlob.objects.filter(pk__in=wanted).values_list("pk", flat=True)
    known = {sha256 for erased in found.values() for sha256 in erased}
    missing = set(wanted) - (known & set(kept))
    if missing or not wanted:
        raise NoSuchObject(f"{len(missing)} of the artefacts are not stored (any more)")
    return found


def _two_people(ground: str, by: str, second: str) -> None:
    if not ground.strip() or not by.strip() or not second.strip():
        raise BadValue("give the legal ground and the names of two people")
    if alike(by) == alike(second):
        raise BadValue("an erasure needs two different people")
