"""The approvers file: who may approve or halt, by which key. Only the worker's host has it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from audit.tlog.canonical import Json
from remediation.domain import b64url, instant
from remediation.domain.errors import BadValue, SignatureInvalid, WrongType
from remediation.domain.fields import Fields
from remediation.domain.gate.signature import load_key
from remediation.domain.slots import ANY, KEY_ROLES, LEAD, ROLES
from remediation.domain.strict import parse as parse_json

TYPE = "hitlportal-approvers/v1"
MAX_BYTES = 4 * 1024 * 1024
_RP_ID = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
# Scheme, host and port only: an origin has no path (RFC 6454 section 6.2).
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Approver:
    """One key of one person. `person` is opaque; ids and keys are base64url."""

    person: str
    credential_id: str
    cose_key: str
    rp_id: str
    origin: str
    roles: tuple[str, ...]
    since: datetime
    until: datetime | None

    @property
    def key(self) -> bytes:
        return b64url.decode(self.cose_key)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)

    def may_fill(self, slot: str) -> bool:
        """Return whether the file gives this key the role of the slot. A lead's key fills none."""
        return bool(set(self.roles) & set(ROLES)) if slot == ANY else slot in self.roles

    def may_halt(self, slots: Collection[str]) -> bool:
        """Return whether the file lets this key halt a run that was approved in these slots."""
        return LEAD in self.roles or any(self.may_fill(slot) for slot in slots)

    def valid(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)

    def to_json(self) -> dict[str, Json]:
        return {
            "person": self.person,
            "credential_id": self.credential_id,
            "cose_key": self.cose_key,
            "rp_id": self.rp_id,
            "origin": self.origin,
            "roles": list(self.roles),
            "since": instant.dump(self.since),
            "until": None if self.until is None else instant.dump(self.until),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Approver:
        source = Fields(
            value,
            at,
            required=(
                "person", "credential_id", "cose_key", "rp_id", "origin", "roles", "since",
                "until",
            ),
        )  # fmt: skip
        roles = source.texts("roles", most=len(KEY_ROLES))
        if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(KEY_ROLES):
            raise BadValue(f"roles are of {', '.join(KEY_ROLES)}", pointer=source.at("roles"))
        return cls(
            person=source.uuid("person"),
            credential_id=_credential_id(source),
            cose_key=_cose_key(source),
            rp_id=source.matching("rp_id", _RP_ID, "a domain"),
            origin=source.matching("origin", _ORIGIN, "an origin"),
            roles=roles,
            since=source.instant("since"),
            until=None if source.value("until") is None else source.instant("until"),
        )


@dataclass(frozen=True)
class Approvers:
    """The whole file. No credential or key occurs twice, so each key belongs to one person."""

    entries: tuple[Approver, ...]

    def __post_init__(self) -> None:
        _refuse_repeated("credential id", (entry.credential_id for entry in self.entries))
        _refuse_repeated("key", (entry.cose_key for entry in self.entries))

    @classmethod
    def parse(cls, raw: bytes) -> Approvers:
        """Parse the file. Raises a subclass of BadInput; an invalid file approves nothing."""
        source = Fields(parse_json(raw, max_bytes=MAX_BYTES), required=("type", "approvers"))
        source.one_of("type", (TYPE,))
        return cls(source.array("approvers", Approver.from_json, most=10_000))

    def dump(self) -> bytes:
        """Return the file's bytes, in a stable layout that an operator can read."""
        value = {"type": TYPE, "approvers": [entry.to_json() for entry in self.entries]}
        return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).encode() + b"\n"

    def find(self, person: str, credential_id: str, at: datetime | None = None) -> Approver | None:
        """Return the entry of this person and credential; with `at`, only if it is valid then."""
        for entry in self.entries:
            if (entry.person, entry.credential_id) == (person, credential_id):
                return entry if at is None or entry.valid(at) else None
        return None


def fingerprint(cose_key: bytes) -> str:
    """Return a key's fingerprint, which two people can read to each other.

    The first 32 hex characters of its SHA-256, in groups of four: with 128 bits nobody can find a
    second key with the same fingerprint.
    """
    text = sha256(cose_key).hexdigest()[:32]
    return " ".join(text[start : start + 4] for start in range(0, 32, 4))


def _credential_id(source: Fields) -> str:
    # WebAuthn section 4: a credential id has at most 1023 bytes.
    text = source.text("credential_id", 1_364, least=1)
    b64url.decode(text, source.at("credential_id"))
    return text


def _cose_key(source: Fields) -> str:
    text = source.text("cose_key", 8_192, least=1)
    try:
        load_key(b64url.decode(text, source.at("cose_key")))
    except SignatureInvalid as error:
        raise WrongType(error.detail, pointer=source.at("cose_key")) from None
    return text


def _refuse_repeated(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise BadValue(f"a {what} occurs twice")
        seen.add(value)
