"""Step 7 of the gate: nothing runs unless the log proves exactly what was approved (A50)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.checkpoint import Checkpoint
from audit.tlog.note import COSIGNATURE, Note
from audit.tlog.policy import Group, Policy, Witness
from remediation.domain.errors import AuditUnavailable, BadInclusion, BadInput
from remediation.domain.gate import gate, steps
from remediation.domain.gate.case import Case
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.gate import examine
from remediation.domain.gate.inclusion import LogEvidence, LogTrust
from tests.domain import record
from tests.domain.gate.logs import GOOD, KNOWN, SEEN, book, holds, refused, verify, waits
from tests.domain.record import Book
from tests.domain.story import NOW, SIGNED, approvers

# ---- the proofs ---------------------------------------------------------------------------------


def test_entries_in_the_log_hold() -> None:
    made, needed = book()
    holds(made.prove(needed))


def test_additional_proven_entries_are_accepted() -> None:
    made, needed = book()
    holds(made.prove([0, *needed, len(made.bodies) - 1]))


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_each_needed_entry_must_be_in_the_log(left_out: int) -> None:
    made, needed = book()
    refused(made.prove(needed[:left_out] + needed[left_out + 1 :]), match="holds no entry")


def test_a_head_that_does_not_cover_the_entry_yet_is_waited_for() -> None:
    """A proof for a place beyond the tree proves nothing, whatever hashes it has."""
    made, needed = book()
    whole = made.prove(needed)
    last = replace(whole, entries=whole.entries[-1:], checkpoint=made.note(needed[-1]))
    refused(last, match="no leaf")


def test_the_proof_of_another_place_is_refused() -> None:
    made, needed = book()
    given_ = made.prove(needed)
    first, *rest = given_.entries
    for index in range(len(made.bodies)):
        if index != first.index:
            refused(replace(given_, entries=(replace(first, index=index), *rest)))


def test_the_proof_of_another_entry_is_refused() -> None:
    made, needed = book()
    given_ = made.prove(needed)
    first, second, *rest = given_.entries
    swapped = (replace(first, proof=second.proof), replace(second, proof=first.proof))
    refused(replace(given_, entries=(*swapped, *rest)))


# ---- the head -----------------------------------------------------------------------------------


def test_without_trust_in_a_log_nothing_is_cleared() -> None:
    """The review page asks without trust in a log; the worker always has it."""
    made, needed = book()
    found = examine(replace(GOOD, log=made.prove(needed)), approvers=approvers(), now=NOW, log=None)
    assert not found[-1].result
    with pytest.raises(AuditUnavailable):
        verify(GOOD, None)


def test_without_proof_nothing_is_cleared() -> None:
    refused(None, match="no proof")
    refused(LogEvidence("", (), ()))


@pytest.mark.parametrize(
    "by", [[record.signer(seed="thief")], [record.signer("other.example/log")], [record.WITNESS]]
)
def test_a_head_by_another_key_is_refused(by: list[Any]) -> None:
    made, needed = book()
    refused(made.prove(needed, note=made.note(by=by)))


def test_a_head_that_names_our_log_under_another_logs_key_is_refused() -> None:
    """Both logs are trusted; the other log's key signs a checkpoint with our origin."""
    made, needed = book()
    other = record.signer("other.example/log")
    both = record.trust(policy=Policy((record.SIGNER.vkey, other.vkey)))
    refused(made.prove(needed, note=made.note(by=[other])), both, "no trusted key")


def test_a_head_that_our_key_signed_for_another_log_is_refused() -> None:
    made, needed = book()
    text = replace(made.head(), origin="other.example/log").text()
    refused(made.prove(needed, note=Note(text, (record.SIGNER.line(text),)).dump()))


def test_a_signature_of_another_head_is_refused() -> None:
    made, needed = book()
    other = record.SIGNER.line(made.head(3).text())
    refused(
        made.prove(needed, note=Note(made.head().text(), (other,)).dump()), match="bad_signature"
    )


def test_either_key_is_enough_while_one_is_replaced() -> None:
    made, needed = book()
    new = record.signer(seed="new")
    under_both = made.prove(needed, note=made.note(by=[record.SIGNER, new]))
    holds(under_both)
    holds(under_both, record.trust(policy=Policy.single(new.vkey)))
    refused(made.prove(needed), record.trust(policy=Policy.single(new.vkey)))


# ---- what is remembered -------------------------------------------------------------------------


def seen(size: int = SEEN, of: Book | None = None) -> LogTrust:
    return record.trust(seen=(of or book()[0]).head(size))


def other_book() -> tuple[Book, list[int]]:
    """The same entries after another history, signed with the stolen key."""
    made, needed = book()
    made.bodies[0] = made.bodies[0].replace(b"door:0", b"door:x")
    return made, needed


def test_the_log_goes_on_from_what_is_remembered() -> None:
    made, needed = book()
    for size in range(1, len(made.bodies) + 1):
        holds(made.prove(needed, seen=size), seen(size))
    holds(made.prove(needed), seen(0))


def test_a_rolled_back_head_is_refused() -> None:
    """A replay of an old checkpoint that is valid by itself."""
    made, needed = book()
    made.filler(5)
    old = len(made.bodies) - 5
    refused(made.prove(needed, size=old), record.trust(seen=made.head()), "rollback")


def test_a_forked_head_is_refused() -> None:
    other, needed = other_book()
    size = len(other.bodies)
    refused(other.prove(needed, seen=SEEN), seen(), "fork")
    refused(other.prove(needed), seen(size), "fork")
    holds(
        other.prove(needed)
    )  # without a remembered head a fork cannot be seen; hence the head file


def test_a_consistency_proof_from_another_size_is_refused() -> None:
    made, needed = book()
    for size in (1, 3, 4):
        refused(made.prove(needed, seen=size), seen(), "fork")
    refused(made.prove(needed), seen(), "fork")
    longer = made.prove(needed, seen=SEEN)
    refused(replace(longer, consistency=(*longer.consistency, bytes(32))), seen(), "fork")


def test_a_remembered_head_of_another_log_is_refused() -> None:
    made, needed = book()
    other = replace(made.head(SEEN), origin="other.example/log")
    refused(made.prove(needed, seen=SEEN), record.trust(seen=other), "remembered of other")


# ---- witnesses ----------------------------------------------------------------------------------


def test_a_missing_quorum_is_waited_for() -> None:
    made, needed = book()
    waits(made.prove(needed), record.trust(policy=record.WITNESSED), "quorum w")
    holds(made.prove(needed, note=made.note(witnessed_at=1)), record.trust(policy=record.WITNESSED))


def test_a_witness_counts_once_and_unknown_witnesses_never() -> None:
    made, needed = book()
    others = [record.signer(f"w{n}.example", f"w{n}", COSIGNATURE) for n in range(2)]
    witnesses = (Witness("w", record.WITNESS.vkey), Witness("w0", others[0].vkey))
    two = Policy((record.SIGNER.vkey,), witnesses, (Group("g", 2, ("w", "w0")),), "g")
    text = made.head().text()
    log_line = record.SIGNER.line(text)
    one = record.WITNESS.cosign(text, 1)
    again = record.WITNESS.cosign(text, 2)
    stranger = others[1].cosign(text, 1)
    lines = (log_line, one, again, stranger)
    waits(made.prove(needed, note=Note(text, lines).dump()), record.trust(policy=two))
    enough = (log_line, one, others[0].cosign(text, 1))
    holds(made.prove(needed, note=Note(text, enough).dump()), record.trust(policy=two))


def test_witnesses_do_not_replace_the_logs_own_signature() -> None:
    made, needed = book()
    text = made.head().text()
    note = Note(text, (record.WITNESS.cosign(text, 1),)).dump()
    refused(made.prove(needed, note=note), record.trust(policy=record.WITNESSED))


def test_a_false_line_of_a_known_witness_is_refused() -> None:
    made, needed = book()
    text = made.head().text()
    lines = (record.SIGNER.line(text), record.WITNESS.cosign(made.head(3).text(), 1))
    refused(
        made.prove(needed, note=Note(text, lines).dump()), record.trust(policy=record.WITNESSED)
    )


# ---- every bit ----------------------------------------------------------------------------------


def flipped(value: bytes) -> Iterator[bytes]:
    for at in range(len(value)):
        for bit in range(8):
            yield value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]


def texts(value: str) -> Iterator[str]:
    for one in flipped(value.encode()):
        try:
            yield one.decode()
        except UnicodeDecodeError:
            continue


def changes(log: LogEvidence) -> Iterator[LogEvidence]:
    """Yield the log's evidence with each single bit changed."""
    for note in texts(log.checkpoint):
        yield replace(log, checkpoint=note)
    for at, one in enumerate(log.consistency):
        for value in flipped(one):
            yield replace(
                log, consistency=(*log.consistency[:at], value, *log.consistency[at + 1 :])
            )
    for at, entry in enumerate(log.entries):
        before, after = log.entries[:at], log.entries[at + 1 :]
        for body in texts(entry.body):
            yield replace(log, entries=(*before, replace(entry, body=body), *after))
        for bit in range(20):
            moved = replace(entry, index=entry.index ^ 1 << bit)
            yield replace(log, entries=(*before, moved, *after))
        for number, value in enumerate(entry.proof):
            for hash_ in flipped(value):
                proof = (*entry.proof[:number], hash_, *entry.proof[number + 1 :])
                yield replace(log, entries=(*before, replace(entry, proof=proof), *after))


def test_a50_every_one_bit_change_is_refused() -> None:
    """Signature, root, size, names, places, paths, consistency proof: thousands of bits,
    and none of them can be changed. Only step 7 is asked: nothing else depends on them."""
    made, needed = book()
    log = made.prove(needed, seen=SEEN, note=made.note(witnessed_at=1_790_000_000))
    trust = LogTrust(record.WITNESSED, made.head(SEEN), record.trust().verify)
    holds(log, trust)
    count = 0
    for changed in changes(log):
        case = Case(replace(GOOD, log=changed), KNOWN, NOW, None, None, frozenset(), False, trust)
        with pytest.raises((BadInclusion, AuditUnavailable)):
            steps.inclusion(case)
        count += 1
    assert count > 20_000


@given(st.data())
def test_a_changed_file_never_holds_and_only_named_refusals_come(data: st.DataObject) -> None:
    """The same on the bytes of the evidence file, including base64."""
    raw = GOOD.dump()
    start = raw.index(b'"log":{')
    at = data.draw(st.integers(start, len(raw) - 1))
    bit = data.draw(st.integers(0, 7))
    try:
        changed = Evidence.parse(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
    except BadInput:
        return
    found = examine(changed, approvers=approvers(), now=NOW, log=record.trust())
    if without_unsigned(changed) != GOOD:
        assert not all(finding.result for finding in found)


def without_unsigned(given: Evidence) -> Evidence:
    """Return the evidence with the good values of the fields that nobody signs: the fencing token
    and two times, within whose limits another value holds too."""
    reviews = tuple(replace(review, recorded_at=SIGNED) for review in given.reviews)
    return replace(given, token=GOOD.token, worker_now=GOOD.worker_now, reviews=reviews)


def test_a_hash_has_one_spelling() -> None:
    """Base64 must be decoded and encoded again: else two of 2,430 one-bit changes pass."""
    document = json.loads(GOOD.dump())
    first = document["log"]["entries"][0]["proof"][0]
    assert first.endswith("=")
    last = first[-2]
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
        if other != last:
            document["log"]["entries"][0]["proof"][0] = first[:-2] + other + "="
            try:
                read = Evidence.from_json(document)
            except BadInput:
                continue
            refused(read.log)


# ---- rolling back -------------------------------------------------------------------------------


def test_a_rollback_needs_no_proof() -> None:
    """An effect must not stay half done because the log is unavailable."""
    done = replace(GOOD, applied=(0,), log=None)
    leave = gate.verify_rollback(done, approvers=approvers(), now=NOW, monotonic=0.0)
    assert leave.rollback


def test_a_head_of_an_empty_log_is_refused() -> None:
    made, needed = book()
    empty = Checkpoint(record.ORIGIN, 0, bytes(32))
    note = Note(empty.text(), (record.SIGNER.line(empty.text()),)).dump()
    refused(made.prove(needed, note=note))
