"""Step 7 of the gate: what the proven entries say must be exactly what is about to run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from audit.tlog.canonical import encode
from remediation.domain import b64url
from remediation.domain.gate.inclusion import LogEvidence
from remediation.domain.gate.steps import log as log_step
from tests.domain import record
from tests.domain.gate.logs import GOOD, book, holds, refused
from tests.domain.story import ALICE, BOB, EVE, KEYS, PROPOSAL, Story, sign
from tests.every import every


def telling(number: int, change: Callable[[dict[str, Any]], None]) -> LogEvidence:
    """Return evidence of a log in which one needed entry says something else."""
    made, needed = book()
    said = json.loads(made.bodies[needed[number]])
    change(said)
    made.bodies[needed[number]] = encode(said)
    return made.prove(needed)


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        for key in path[:-1]:
            said = said[key]
        said[path[-1]] = value

    return change


def test_the_control_without_a_change_holds() -> None:
    holds(telling(0, lambda said: None))
    holds(telling(2, lambda said: None))


OTHER_PROPOSAL = f"proposal:{PROPOSAL[:-1]}6"


@every(
    "change",
    [
        put("action", value="person:review:started"),
        put("action", value="person:proposal:approved"),
        put("action", value=["person:review:signed"]),
        put("actor", value=f"person:{BOB}"),
        put("actor", value=f"worker:{ALICE}"),
        put("actor", value=None),
        put("object", value=OTHER_PROPOSAL),
        put("object", value="incident:1"),
        put("data", value=None),
        put("data", value=[]),
        put("data", "statement", value=None),
        put("data", "statement", "round", value=2),
        put("data", "statement", "slot", value="securitx"),
        put("data", "statement", "nonce", value="00"),
        put("data", "statement", "more", value=1),
        put("data", "assertion", value=None),
        put("data", "assertion", "signature", value="AA"),
        put("data", "assertion", "more", value=1),
        put("data", "cose_key", value=""),
        put("data", "cose_key", value="AA"),
        put("data", "cose_key", value=None),
        lambda said: said.pop("data"),
        lambda said: said["data"].pop("cose_key"),
        lambda said: said["data"]["assertion"].pop("signature"),
    ],
)
def test_a_review_entry_that_says_something_else_is_refused(
    change: Callable[[dict[str, Any]], None],
) -> None:
    refused(telling(0, change), match="no entry of the review")


@every(
    "change",
    [
        put("action", value="person:proposal:withdrawn"),
        put("action", value="worker:proposal:executing"),
        put("actor", value=f"person:{EVE}"),
        put("actor", value="system:portal"),
        put("actor", value=["x"]),
        put("object", value=OTHER_PROPOSAL),
        put("data", value=[]),
        put("data", "from", value="submitted"),
        put("data", "to", value="executing"),
        put("data", "round", value=2),
        put("data", "round", value=True),
        put("data", "round", value="1"),
        put("data", "round", value=None),
        lambda said: said.pop("data"),
        lambda said: said["data"].pop("round"),
        lambda said: said["data"].pop("from"),
    ],
)
def test_an_approval_entry_that_says_something_else_is_refused(
    change: Callable[[dict[str, Any]], None],
) -> None:
    refused(telling(2, change), match="no entry of this approval")


def test_the_same_persons_review_of_another_round_is_refused() -> None:
    """Alice's valid review of round 2 is in the log; this is round 1."""
    second = Story(round=2)
    made, needed = record.told(replace(second.evidence(), round=1))
    refused(made.prove(needed), match="no entry of the review")


def test_each_slot_needs_the_entry_of_its_own_review() -> None:
    made, needed = record.told(replace(GOOD, reviews=(GOOD.reviews[0], GOOD.reviews[0])))
    refused(made.prove(needed), match=BOB)


def test_a_statement_that_differs_by_one_byte_is_refused() -> None:
    """Tries every byte: the recorded statement must be the signed one."""
    made, needed = book()
    body = made.bodies[needed[0]]
    statement = GOOD.reviews[0].statement.encode()
    start = body.index(statement)
    for at in range(len(statement)):
        changed = bytearray(body)
        changed[start + at] ^= 1
        made.bodies[needed[0]] = bytes(changed)
        try:
            given_ = made.prove(needed)
        except UnicodeDecodeError:  # no text, so no evidence
            continue
        refused(given_)


def test_an_entry_with_another_key_than_the_signing_one_is_refused() -> None:
    """Outsiders read the record too: it must name the key that verifies the review."""
    other = telling(0, put("data", "cose_key", value=b64url.encode(KEYS[EVE].cose_key)))
    refused(other, match="no entry of the review")


BODIES = [
    b"[]", b'""', b"1", b"null", b"{}", b'{"action":1}', b"{", b"", b"\xc3\xa9", b'{"a":1.5}',
    b'{"action":"person:review:signed","action":"person:review:signed"}',
    b'{"\xc3\xa9":1}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b"[" * 5_000, b'{"a":' * 40,
]  # fmt: skip


@every("body", BODIES)
def test_only_named_refusals_escape_for_any_entry(body: bytes) -> None:
    made, needed = book()
    made.bodies[needed[0]] = body
    refused(made.prove(needed))


def test_a_statement_by_the_right_key_from_another_session_is_refused() -> None:
    """Alice signed in two sessions: the row holds one, the log the other."""
    other = sign(Story().statement(ALICE, "security", nonce="ab" * 32), key=KEYS[ALICE])
    made, needed = record.told(replace(GOOD, reviews=(other, GOOD.reviews[1])))
    refused(made.prove(needed), match=ALICE)


@every("writer", ["hitl_worker", "hitl_eraser", "hitl_owner", "postgres", "", None, 7])
@every("number", [0, 2])
def test_a69_an_entry_that_its_writer_may_not_write_counts_nothing(
    number: int, writer: object
) -> None:
    """A review's entry and the approval's are a person's, so hitl_web writes them."""
    refused(telling(number, put("writer", value=writer)), match="the log holds no entry of")


def test_an_entry_by_the_web_login_counts_and_so_does_one_from_before_writers() -> None:
    for number in (0, 2):
        holds(telling(number, put("writer", value="hitl_web")))


def test_the_control_that_reads_no_writer_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_step, "why_forged", lambda *_: "")
    holds(telling(0, put("writer", value="hitl_worker")))
