"""Parse an agent's report and validate every field before anything is stored."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from audit.tlog.canonical import Json, encode
from remediation.domain.catalogue import TARGETS
from remediation.domain.catalogue.locators import is_plain
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import (
    BadValue,
    EvidenceDigestMismatch,
    TooLarge,
    WrongType,
)
from remediation.domain.fields import Fields
from remediation.domain.plan import Plan, Target, parse_target
from remediation.domain.plan import parse as parse_plan
from remediation.domain.secrets.detector import look
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 8 * 1024 * 1024
MAX_ARTEFACT_BYTES = 1024 * 1024
MAX_ARTEFACTS = 50
MAX_CLAIMS = 200
MAX_CITATIONS = 20
# People compare them side by side.
MIN_ALTERNATIVES, MAX_ALTERNATIVES = 2, 3
MAX_DIAGNOSIS_BYTES = 2 * 1024 * 1024

_SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,100}", re.ASCII)
# RFC 6901 section 3: "" or tokens after "/", where "~" is only in "~0" and "~1".
_POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)*")


@dataclass(frozen=True)
class IncidentReport:
    """What happened, to which identity, and when it was detected."""

    kind: str
    title: str
    identity: Target
    detected_at: datetime
    external_id: str


@dataclass(frozen=True)
class Artefact:
    """One piece of evidence, whole, with the digest of its bytes."""

    sha256: str
    source: str
    media_type: str
    collected_at: datetime
    attacker_writable: bool
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Citation:
    """A value that a claim relies on, with its artefact and its JSON pointer."""

    evidence: str
    pointer: str
    value: bool | int | str | None

    def to_json(self) -> dict[str, Json]:
        return {"evidence": self.evidence, "pointer": self.pointer, "value": self.value}


@dataclass(frozen=True)
class Claim:
    text: str
    citations: tuple[Citation, ...]

    def to_json(self) -> dict[str, Json]:
        return {"text": self.text, "citations": [item.to_json() for item in self.citations]}


@dataclass(frozen=True)
class Diagnosis:
    """The agent's account of what happened; `body` is its canonical form, `digest` its digest."""

    summary: str
    identity: Target
    confidence: int
    claims: tuple[Claim, ...]
    body: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True)
class Alternative:
    """One of several plans that an agent offers for one incident; at most one of them runs."""

    plan: Plan
    rationale: str


@dataclass(frozen=True)
class Report:
    """Everything that an agent posts at once.

    Without a proposal (no action of the catalogue fits) `plan` is None and `rationale` is empty;
    the incident still gets an owner and a deadline. With `alternatives` the plans are there.
    """

    incident: IncidentReport
    evidence: tuple[Artefact, ...]
    diagnosis: Diagnosis
    plan: Plan | None
    rationale: str
    alternatives: tuple[Alternative, ...] = ()

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Return every plan of the report."""
        own = (self.plan,) if self.plan else ()
        return (*own, *(one.plan for one in self.alternatives))


def parse(raw: bytes, *, protected: frozenset[str], allow_test: bool = False) -> Report:
    """Parse a report from the request's bytes. Raises a subclass of BadInput."""
    return from_json(
        parse_json(raw, max_bytes=MAX_BYTES), protected=protected, allow_test=allow_test
    )


def from_json(value: Json, *, protected: frozenset[str], allow_test: bool = False) -> Report:
    """Build a report from strictly parsed JSON. Raises a subclass of BadInput."""
    top = Fields(
        value, required=("incident", "evidence", "diagnosis"), optional=("proposal", "proposals")
    )
    evidence = top.array("evidence", _artefact, least=1, most=MAX_ARTEFACTS)
    _refuse_repeated(evidence)
    incident = _incident(top.value("incident"), "/incident", allow_test=allow_test)
    diagnosis = parse_diagnosis(top.value("diagnosis"), "/diagnosis", allow_test=allow_test)
    _refuse_secret(incident.identity, "/incident/identity")
    _refuse_secret(diagnosis.identity, "/diagnosis/identity")
    if "proposals" in top:
        offered = _alternatives(top, protected=protected, allow_test=allow_test)
        return Report(incident, evidence, diagnosis, None, "", offered)
    if "proposal" not in top:
        return Report(incident, evidence, diagnosis, plan=None, rationale="")
    plan, rationale = parse_proposal(
        top.value("proposal"), "/proposal", protected=protected, allow_test=allow_test
    )
    return Report(incident, evidence, diagnosis, plan, rationale)


def parse_proposal(
    value: Json, at: str = "", *, protected: frozenset[str], allow_test: bool = False
) -> tuple[Plan, str]:
    """Read `{"plan", "rationale"}`. Raises a subclass of BadInput."""
    source = Fields(value, at, required=("plan", "rationale"))
    plan = parse_plan(
        source.value("plan"), protected=protected, allow_test=allow_test, at=source.at("plan")
    )
    return plan, source.text("rationale", 4_000)


def _alternatives(
    top: Fields, *, protected: frozenset[str], allow_test: bool
) -> tuple[Alternative, ...]:
    """Read `proposals`: different plans, instead of `proposal`. Raises a subclass of BadInput."""
    if "proposal" in top:
        raise BadValue("send proposal or proposals, not both", pointer=top.at("proposals"))

    def read(value: Json, at: str) -> Alternative:
        return Alternative(*parse_proposal(value, at, protected=protected, allow_test=allow_test))

    found = top.array("proposals", read, least=MIN_ALTERNATIVES, most=MAX_ALTERNATIVES)
    seen: set[str] = set()
    for index, one in enumerate(found):
        if one.plan.digest in seen:
            raise BadValue("the plan occurs twice", pointer=f"{top.at('proposals')}/{index}/plan")
        seen.add(one.plan.digest)
    return found


def parse_diagnosis(value: Json, at: str = "", *, allow_test: bool = False) -> Diagnosis:
    """Read a diagnosis. Raises a subclass of BadInput."""
    source = Fields(value, at, required=("summary", "identity", "confidence", "claims"))
    summary = source.text("summary", 4_000, least=1)
    identity = parse_target(source.value("identity"), source.at("identity"), allow_test=allow_test)
    confidence = source.integer("confidence", 0, 100)
    claims = source.array("claims", _claim, most=MAX_CLAIMS)
    body = encode(
        {
            "summary": summary,
            "identity": identity.to_json(),
            "confidence": confidence,
            "claims": [claim.to_json() for claim in claims],
        }
    )
    if len(body) > MAX_DIAGNOSIS_BYTES:
        raise TooLarge(f"the diagnosis has {len(body)} bytes", pointer=at)
    return Diagnosis(summary, identity, confidence, claims, body, digest(Kind.DIAGNOSIS, body))


def load_diagnosis(body: bytes, *, allow_test: bool = False) -> Diagnosis:
    """Parse a stored diagnosis. Raises BadInput unless it is canonical and well-formed."""
    value = parse_json(body, max_bytes=MAX_DIAGNOSIS_BYTES)
    diagnosis = parse_diagnosis(value, allow_test=allow_test)
    if diagnosis.body != body:
        raise BadValue("the diagnosis is not canonical")
    return diagnosis


def _refuse_secret(identity: Target, at: str) -> None:
    """Refuse a secret as an identity's name, because names are recorded unmasked.

    Applies to new input only; a stored diagnosis must stay readable.
    """
    spec = TARGETS[identity.kind]
    for name, value in identity.fields.items():
        # In letters alone a free value is a name; with more it may be a connection string.
        free = name == spec.free or (name in spec.escaped and not is_plain(value))
        if free and look(value.encode(), frozenset()).found.secrets:
            raise BadValue("it looks like a secret; say what it is called", pointer=f"{at}/{name}")


def _incident(value: Json, at: str, *, allow_test: bool) -> IncidentReport:
    source = Fields(
        value, at, required=("kind", "title", "identity", "detected_at"), optional=("external_id",)
    )
    return IncidentReport(
        kind=source.matching("kind", _SLUG, "a slug of at most 64 characters"),
        title=source.text("title", 200, least=1),
        identity=parse_target(
            source.value("identity"), source.at("identity"), allow_test=allow_test
        ),
        detected_at=source.instant("detected_at"),
        external_id=source.text("external_id", 200) if "external_id" in source else "",
    )


def _artefact(value: Json, at: str) -> Artefact:
    source = Fields(
        value,
        at,
        required=(
            "sha256", "source", "media_type", "collected_at", "attacker_writable", "content",
            "encoding",
        ),
    )  # fmt: skip
    content = _content(source)
    stated = source.sha256("sha256")
    found = sha256(content).hexdigest()
    if found != stated:
        raise EvidenceDigestMismatch(f"the content has {found}", pointer=source.at("sha256"))
    return Artefact(
        sha256=stated,
        source=source.text("source", 200, least=1),
        media_type=source.matching("media_type", _MEDIA_TYPE, "a media type without parameters"),
        collected_at=source.instant("collected_at"),
        attacker_writable=source.boolean("attacker_writable"),
        content=content,
    )


def _content(source: Fields) -> bytes:
    text = source.text("content", MAX_BYTES)
    if source.one_of("encoding", ("utf-8", "base64")) == "utf-8":
        content = text.encode()
    else:
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise BadValue("not base64", pointer=source.at("content")) from None
    if len(content) > MAX_ARTEFACT_BYTES:
        raise TooLarge(
            f"{len(content)} bytes, {MAX_ARTEFACT_BYTES} allowed", pointer=source.at("content")
        )
    return content


def _refuse_repeated(evidence: tuple[Artefact, ...]) -> None:
    seen: set[str] = set()
    for index, artefact in enumerate(evidence):
        if artefact.sha256 in seen:
            raise BadValue("the artefact occurs twice", pointer=f"/evidence/{index}")
        seen.add(artefact.sha256)


def _claim(value: Json, at: str) -> Claim:
    source = Fields(value, at, required=("text", "citations"))
    return Claim(
        text=source.text("text", 2_000, least=1),
        citations=source.array("citations", _citation, most=MAX_CITATIONS),
    )


def _citation(value: Json, at: str) -> Citation:
    source = Fields(value, at, required=("evidence", "pointer", "value"))
    cited = source.value("value")
    if isinstance(cited, list | dict):
        raise WrongType("not text, an integer, true, false or null", pointer=source.at("value"))
    return Citation(
        evidence=source.sha256("evidence"),
        pointer=source.matching("pointer", _POINTER, "a JSON pointer (RFC 6901)"),
        value=cited,
    )
