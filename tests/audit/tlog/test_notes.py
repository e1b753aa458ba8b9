"""Signed notes, checkpoints, policies, proofs: public examples, manglings, every changed bit."""

from __future__ import annotations

import pytest

from audit.tlog import b64, cosignature
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import (
    BadProof,
    BadSignature,
    Malformed,
    QuorumMissing,
    TlogError,
    UnknownKey,
)
from audit.tlog.note import Note, SignatureLine, VerifierKey, signed_by
from audit.tlog.policy import Policy
from audit.tlog.proof import Proof
from audit.tlog.proof import verify as verify_proof
from audit.verifying import verify
from tests.domain import record
from tests.domain.record import Book
from tests.every import every

# golang.org/x/mod/sumdb/note, note_test.go: the example of the package.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""  # noqa: E501
KEY = record.SIGNER.vkey


def test_the_public_example_verifies_and_no_changed_bit_does() -> None:
    key = VerifierKey.parse(PETER)
    assert signed_by(Note.parse(EXAMPLE), [key]) == (key,)
    raw = EXAMPLE.encode()
    for at in range(len(raw)):
        for bit in range(8):
            flipped = raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]
            try:
                found = signed_by(Note.parse(flipped.decode()), [key], verify)
            except (UnicodeDecodeError, TlogError):
                continue
            assert found == (), f"byte {at}, bit {bit}"


@every(
    "text",
    [
        "", "PeterNeumann", PETER[:-1], PETER + "=", PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"), PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("PeterNeumann", ""), PETER.replace("+ARpc", "+ApC5"),
        PETER.replace("PeterNeumann", "Peter\u00a0N"), "a+b+c+d", PETER.replace("TW", "TX"),
    ],
)  # fmt: skip
def test_mangled_keys_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(text)


@every(
    "note",
    [
        "", "\n", "text\n", "text\n\n", EXAMPLE[:-1], EXAMPLE.replace("\n\n", "\n"),
        EXAMPLE.replace("— ", "- "), EXAMPLE.replace("— Peter", "—  Peter"),
        EXAMPLE + "\n", EXAMPLE.replace("\n", "\r\n"), "\x01" + EXAMPLE, EXAMPLE + "junk\n",
        EXAMPLE.replace("JnAM=", "JnAN="), EXAMPLE + EXAMPLE.splitlines()[-1] + " x\n",
    ],
)  # fmt: skip
def test_mangled_notes_are_refused(note: str) -> None:
    with pytest.raises(TlogError):
        found = signed_by(Note.parse(note), [VerifierKey.parse(PETER)])
        if not found:
            raise UnknownKey


def test_lines_of_unknown_keys_are_ignored_and_false_ones_of_known_keys_are_not() -> None:
    text = "t\n"
    right = record.SIGNER.line(text)
    unknown = SignatureLine("other", b"1234", bytes(64))
    assert signed_by(Note(text, (unknown, right)), [KEY], verify) == (KEY,)
    false = SignatureLine(KEY.name, KEY.key_id, bytes(64))
    with pytest.raises(BadSignature):
        signed_by(Note(text, (false,)), [KEY], verify)
    many = tuple(SignatureLine(f"n{number}", b"1234", bytes(64)) for number in range(20))
    assert signed_by(Note.parse(Note(text, (*many, right)).dump()), [KEY], verify) == (KEY,)


@every(
    "text",
    [
        "", "o\n1\n", "o\n01\n" + b64.encode(bytes(32)) + "\n", "o\n-1\nAA==\n",
        "o\n1\n" + b64.encode(bytes(31)) + "\n", "o\n1\n" + b64.encode(bytes(32)),
        "\n1\n" + b64.encode(bytes(32)) + "\n", "o\n1\n" + b64.encode(bytes(32)) + "\n\n",
        "o\n99999999999999999999\n" + b64.encode(bytes(32)) + "\n",
    ],
)  # fmt: skip
def test_mangled_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


def test_a_checkpoint_belongs_to_its_origin() -> None:
    """A key with another name signs another log."""
    book = Book()
    book.filler(2)
    other = record.signer("other.example/log")
    with pytest.raises(UnknownKey):
        opened(book.note(by=[other]), [other.vkey, KEY], verify)
    assert opened(book.note(), [other.vkey, KEY], verify).size == 2


# ---- policies -----------------------------------------------------------------------------------

W1, W2 = record.WITNESS.vkey, record.signer("w2", "w2", 4).vkey
TEXT = f"""
# whom we believe
log {KEY} https://log.example/
witness w1 {W1} https://w1.example/
witness w2 {W2}
group both all w1 w2
group some any w1 w2
quorum some
"""


def test_a_policy_is_read() -> None:
    policy = Policy.parse(TEXT)
    assert policy.logs == (KEY,)
    assert [(w.name, w.url) for w in policy.witnesses] == [
        ("w1", "https://w1.example/"),
        ("w2", ""),
    ]
    assert Policy.parse(policy.dump()) == policy


@every(
    "text",
    [
        "", "quorum none", f"log {KEY}", f"log {KEY}\nquorum w", f"log {W1}\nquorum none",
        f"log {KEY}\nwitness w {KEY}\nquorum w", f"log {KEY}\nlog {KEY}\nquorum none",
        f"log {KEY}\nwitness w {W1}\nwitness v {W1}\nquorum none",
        f"log {KEY}\nwitness none {W1}\nquorum none",
        f"log {KEY}\nwitness w {W1}\ngroup g 2 w\nquorum g",
        f"log {KEY}\nwitness w {W1}\ngroup g 0 w\nquorum g",
        f"log {KEY}\nwitness w {W1}\ngroup g all w w\nquorum g",
        f"log {KEY}\ngroup g all w\nwitness w {W1}\nquorum g",
        f"log {KEY}\nquorum none\nquorum none", f"log {KEY}\nquorum none\nother line",
        f"log {KEY}\nwitness w {W1}\nwitness w {W2}\nquorum none",
    ],
)  # fmt: skip
def test_a_doubtful_policy_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Policy.parse(text)


@every(
    ("quorum", "by", "met"),
    [
        ("none", (), True), ("w1", (), False), ("w1", ("w1",), True), ("some", ("w2",), True),
        ("both", ("w1",), False), ("both", ("w1", "w2"), True),
    ],
)  # fmt: skip
def test_the_quorum_counts_cosignatures(quorum: str, by: tuple[str, ...], met: bool) -> None:
    policy = Policy.parse(TEXT.replace("quorum some", f"quorum {quorum}"))
    book = Book()
    book.filler(1)
    text = book.head().text()
    signers = {"w1": record.WITNESS, "w2": record.signer("w2", "w2", 4)}
    lines = (record.SIGNER.line(text), *(signers[name].cosign(text, 7) for name in by))
    note = Note(text, lines).dump()
    if met:
        assert policy.check(note, verify).witnesses == tuple((name, 7) for name in by)
    else:
        with pytest.raises(QuorumMissing):
            policy.check(note, verify)


def test_a_cosignature_covers_its_head_and_time() -> None:
    text = Checkpoint("o", 1, bytes(32)).text()
    line = record.WITNESS.cosign(text, 1_700_000_000)
    assert cosignature.time_of(line) == 1_700_000_000
    assert cosignature.check(text, line, W1, verify) == 1_700_000_000
    later = SignatureLine(
        line.name, line.key_id, (1_700_000_001).to_bytes(8, "big") + line.signature[8:]
    )
    for other_text, other_line, key in (
        (Checkpoint("o", 2, bytes(32)).text(), line, W1), (text, later, W1), (text, line, W2),
    ):  # fmt: skip
        with pytest.raises(BadSignature):
            cosignature.check(other_text, other_line, key, verify)
    # A log's signature is no cosignature, and the other way round.
    with pytest.raises(BadSignature):
        cosignature.check(text, record.SIGNER.cosign(text, 1), KEY, verify)


# ---- proofs -------------------------------------------------------------------------------------


def a_proof() -> tuple[Proof, bytes]:
    book = Book()
    book.filler(11)
    evidence = book.prove([6])
    (entry,) = evidence.entries
    return Proof(6, entry.proof, evidence.checkpoint), entry.body.encode()


def test_a_proof_has_one_text() -> None:
    proof, body = a_proof()
    text = proof.dump()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 6\n")
    assert Proof.parse(text) == proof
    assert Proof.parse(Proof(6, proof.hashes, proof.checkpoint, b"more").dump()).extra == b"more"
    assert verify_proof(proof, body, record.POLICY, verify).checkpoint.size == 11


def test_a50_no_changed_bit_of_a_proof_or_its_entry_passes() -> None:
    proof, body = a_proof()
    raw = proof.dump().encode()
    for at in range(len(raw)):
        for bit in range(8):
            flipped = raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]
            with pytest.raises((UnicodeDecodeError, TlogError)):
                verify_proof(Proof.parse(flipped.decode()), body, record.POLICY, verify)
    for at in range(len(body)):
        for bit in range(8):
            changed = body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]
            with pytest.raises(BadProof):
                verify_proof(proof, changed, record.POLICY, verify)


@every(
    "change",
    [
        lambda text: text.replace("@v1", "@v2"), lambda text: text.replace("index 6", "index 06"),
        lambda text: text.replace("index 6\n", ""), lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("index 6", "index -6"), lambda text: " " + text,
        lambda text: text.replace("index 6\n", "index 6\nAAAA\n"), lambda text: text[:60],
    ],
)  # fmt: skip
def test_mangled_proofs_are_refused(change: object) -> None:
    proof, _ = a_proof()
    with pytest.raises(Malformed):
        Proof.parse(change(proof.dump()))  # type: ignore[operator]
