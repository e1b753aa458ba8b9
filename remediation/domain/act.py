"""The statement that a person signs, once, for an act that is no decision on a plan or a run.

A session cookie may be stolen; the passkey is not in it. The record keeps statement and assertion
(docs/attacks.md A76).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

VERSION = "hitlportal-act/v1"
MAX_BYTES = 4 * 1024
_NAMES = ("act", "expires", "input", "nonce", "object", "person", "v")


class ActName(StrEnum):
    """The acts that a person signs."""

    REVEAL = "reveal"
    OBSERVE_AGAIN = "observe_again"
    REPORT_AGENT = "report_agent"
    END_SESSIONS = "end_sessions"
    SET_RIGHT = "set_right"
    CREATE_ACCOUNT = "create_account"
    CHANGE_ACCOUNT = "change_account"
    CREATE_GROUP = "create_group"


@dataclass(frozen=True, slots=True)
class Act:
    """What is done: the act, on what, and with what input."""

    name: ActName
    object: str
    input: Mapping[str, Json]

    @property
    def digest(self) -> str:
        """Return the digest of the input; the entry of the act says the input itself."""
        return digest(Kind.ACT_INPUT, self.body())

    def body(self) -> bytes:
        """Return the input's canonical bytes."""
        return encode(dict(self.input))


@dataclass(frozen=True, slots=True)
class ActStatement:
    """An act, by this person, once (nonce), before it expires."""

    act: str
    object: str
    input: str
    person: str
    nonce: str
    expires: datetime

    def is_about(self, act: Act, person: str) -> bool:
        """Return whether it is about exactly this act of this person."""
        asked = (act.name.value, act.object, act.digest, person)
        return (self.act, self.object, self.input, self.person) == asked

    def to_json(self) -> dict[str, Json]:
        return {
            "act": self.act,
            "expires": instant.dump(self.expires),
            "input": self.input,
            "nonce": self.nonce,
            "object": self.object,
            "person": self.person,
            "v": VERSION,
        }

    def body(self) -> bytes:
        return encode(self.to_json())

    def challenge(self) -> bytes:
        """Return what the passkey signs."""
        return bytes.fromhex(digest(Kind.ACT, self.body()))

    @classmethod
    def parse(cls, body: bytes) -> ActStatement:
        """Parse a statement. Raises BadInput; also when the bytes are not the canonical form."""
        fields = Fields(parse_json(body, max_bytes=MAX_BYTES), required=_NAMES)
        fields.one_of("v", (VERSION,))
        found = cls(
            act=fields.one_of("act", tuple(ActName)),
            object=fields.text("object", 300, least=1),
            input=fields.text("input", 64, least=64),
            person=fields.text("person", 36, least=36),
            nonce=fields.text("nonce", 64, least=32),
            expires=instant.parse(fields.text("expires", 40, least=1), "/expires"),
        )
        if found.body() != body:
            raise BadValue("not in the canonical form")
        return found
