"""A small incident and its bundle in memory, with a fixed key."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from audit.tlog import b64, bundle_form
from audit.tlog.canonical import encode
from audit.tlog.merkle import consistency_proof, inclusion_proof
from tests.domain.record import Book

INCIDENT = "0b9d4c3e-2f11-4c7e-8a55-1f2e3d4c5b6a"
PROPOSAL = "7a1f0c9d-5b42-4e0e-9d6f-aa00bb11cc22"
KINDS = ("plan", "diagnosis", "scope", "ruling", "pin", "checks", "observation")
SALT = bytes(range(32))


def digest(domain: str, body: bytes) -> str:
    return sha256((domain.encode() + b"\0" if domain else b"") + body).hexdigest()


def document(domain: str, body: bytes | None, hexed: str = "") -> dict[str, Any]:
    return bundle_form.document(domain, hexed or digest(domain, body or b""), body)


@dataclass
class Case:
    """The parts of a bundle; tests change them and then `dump` it."""

    book: Book = field(default_factory=Book)
    mine: list[int] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)

    def add(
        self,
        action: str,
        about: str,
        data: dict[str, Any],
        actor: str = "worker:w",
        writer: str = "",
    ) -> int:
        """Add an entry of the incident, between unrelated ones."""
        self.book.filler(2)
        index = self.book.add(action, actor, about, data, writer)
        self.mine.append(index)
        return index

    def document(self, domain: str, body: bytes) -> str:
        self.documents.append(document(domain, body))
        return str(self.documents[-1]["digest"])

    def note(self, size: int) -> str:
        return self.notes.get(size) or self.book.note(size)

    def entries(self, size: int) -> list[dict[str, Any]]:
        read = self.book.reader(size)
        return [
            {
                "index": index,
                "body": self.book.bodies[index].decode(),
                "proof": [b64.encode(one) for one in inclusion_proof(read, index, size)],
            }
            for index in self.mine
        ]

    def dump(self, **changes: Any) -> bytes:
        size = len(self.book.bodies)
        read = self.book.reader(size)
        parts: dict[str, Any] = {
            "incident": INCIDENT,
            "checkpoint": self.note(size),
            "entries": self.entries(size),
            "heads": [
                {
                    "note": self.note(old),
                    "consistency": [b64.encode(one) for one in consistency_proof(read, old, size)],
                }
                for old in self.heads
            ],
            "documents": sorted(self.documents, key=lambda d: (d["domain"], d["digest"])),
            "opened": self.opened,
        }
        return b"".join(bundle_form.pieces(**{**parts, **changes}))


def case(proposed: str = "agent:proposal:submitted") -> Case:
    """Make an incident: reported, proposed, assessed, reviewed, approved, cleared, executed."""
    made = Case()
    incident, proposal = f"incident:{INCIDENT}", f"proposal:{PROPOSAL}"
    named = {kind: made.document(f"hitlportal/{kind}/v1", encode([kind, "☂"])) for kind in KINDS}
    artefact = made.document("", b"\x00\xffbytes of a log file")
    facts = made.document("", b'{"facts":1}')
    made.add("agent:incident:opened", incident, {"title": "key is used from elsewhere"}, "agent:a")
    made.add(
        "agent:report:submitted",
        incident,
        {"diagnosis": named["diagnosis"], "evidence": [artefact]},
        "agent:a",
    )
    plan = {"incident": INCIDENT, "plan": named["plan"], "diagnosis": named["diagnosis"]}
    made.add(proposed, proposal, plan, "agent:a")
    found = {k: v for k, v in named.items() if k not in ("plan", "diagnosis")}
    made.add("worker:proposal:assessed", proposal, {**found, "facts": facts})
    signed = {k: v for k, v in named.items() if k != "observation"}
    made.add("person:review:signed", proposal, {"statement": signed}, "person:p")
    made.add("person:proposal:approved", proposal, {"round": 1}, "person:p")
    made.heads.append(len(made.book.bodies))
    saw = encode({"log": {"checkpoint": made.book.note()}})
    made.add("worker:gate:cleared", proposal, {"evidence": made.document("", saw)})
    made.add("worker:proposal:executing", proposal, {"from": "approved", "to": "executing"})
    made.add("worker:step:recorded", proposal, {"step": 0, "phase": "applied"})
    made.add("worker:proposal:succeeded", proposal, {"from": "executing", "to": "succeeded"})
    value = "alice@example.org"
    commitment = hmac.digest(SALT, value.encode(), "sha256").hex()
    made.add("worker:notice:sent", proposal, {"to": {"hmac-sha256": commitment}})
    made.opened.append({"commitment": commitment, "salt": SALT.hex(), "value": value})
    made.book.filler(3)
    return made
