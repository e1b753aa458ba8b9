"""Attacks on every part of a bundle: each byte changed, each part left out or added."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.tlog import b64, bundle
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import (
    BadProof,
    BadSignature,
    Fork,
    Malformed,
    Mismatch,
    Missing,
    QuorumMissing,
    TlogError,
    UnknownKey,
)
from audit.tlog.note import Note
from audit.tlog.policy import Policy
from audit.tlog.rules import default
from audit.verifying import verify
from tests.audit.tlog.case import INCIDENT, PROPOSAL, SALT, Case, case, document
from tests.domain import record
from tests.every import every

GOOD = case().dump()
RULES = default()


def check(raw: bytes, policy: Policy = record.POLICY, **more: Any) -> bundle.Verified:
    return bundle.verify(raw, policy, verify=verify, **more)


def changed(**parts: Any) -> bytes:
    return encode({**json.loads(GOOD), **parts}) + b"\n"


def part(name: str) -> Any:
    return json.loads(GOOD)[name]


def test_a_valid_bundle_holds() -> None:
    found = check(GOOD)
    assert (found.incident, len(found.entries), len(found.documents)) == (INCIDENT, 11, 10)
    assert (found.left_out, found.remarks, len(found.heads)) == (0, (), 1)
    assert list(found.opened.values()) == ["alice@example.org"]
    # And by the standard library alone (A53).
    assert bundle.verify(GOOD, record.POLICY) == found


# ---- every byte ---------------------------------------------------------------------------------


def test_a50_every_flipped_byte_is_found() -> None:
    """One bit of each byte of the file, which has no signature line of an unknown key."""
    pick = random.Random(3)
    for at in range(len(GOOD)):
        flipped = GOOD[:at] + bytes([GOOD[at] ^ 1 << pick.randrange(8)]) + GOOD[at + 1 :]
        with pytest.raises(TlogError):
            check(flipped)


def test_a50_every_byte_cut_or_doubled_is_found() -> None:
    for at in range(len(GOOD)):
        with pytest.raises(TlogError):
            check(GOOD[:at] + GOOD[at + 1 :])
        with pytest.raises(TlogError):
            check(GOOD[:at] + GOOD[at : at + 1] + GOOD[at:])
        with pytest.raises(TlogError):
            check(GOOD[:at])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_refused_by_name(raw: bytes) -> None:
    with pytest.raises(TlogError):
        check(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_value_at_any_place_is_refused_by_name(data: st.DataObject) -> None:
    """No other exception, for any value at any place."""
    value = json.loads(GOOD)
    at, key = value, data.draw(st.sampled_from(sorted(value)))
    while isinstance(at[key], dict | list) and at[key] and data.draw(st.integers(0, 3)):
        at = at[key]
        key = data.draw(
            st.sampled_from(sorted(at)) if isinstance(at, dict) else st.integers(0, len(at) - 1)
        )
    new = data.draw(JSON)
    if new == at[key] and type(new) is type(at[key]):
        return
    at[key] = new
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        found = check(text.encode(errors="surrogatepass") + b"\n")
    except TlogError:
        return
    # Allowed and reported: an unopened commitment, an artefact without bytes.
    assert found.remarks or found.left_out


@every(
    "raw",
    [
        b"", b"\n", b"null\n", b"[]\n", b"{}\n", b"[" * 100_000, b"\xff\xfe{\x00}\x00",
        b'{"a":1,"a":1}\n', b"\xef\xbb\xbf" + GOOD, GOOD + b"\n", GOOD[:-1], b" " + GOOD,
        GOOD.replace(b'":', b'": ', 1), GOOD.decode().encode("utf-16"), b"1" * 5000, b"NaN\n",
        GOOD.replace("☂".encode(), b"\\u2602", 1), GOOD.replace(b"/v1", b"\\/v1", 1),
    ],
)  # fmt: skip
def test_one_bundle_has_one_form(raw: bytes) -> None:
    with pytest.raises(Malformed):
        check(raw)


# ---- trust --------------------------------------------------------------------------------------


def test_a46_a_perfect_bundle_of_a_forgers_log_does_not_hold() -> None:
    forger = record.signer(seed="forger")
    made = case()
    size = len(made.book.bodies)
    made.notes = {n: made.book.note(n, by=(forger,)) for n in (size, *made.heads)}
    raw = made.dump()
    assert check(raw, Policy.single(forger.vkey)).incident == INCIDENT  # valid by itself
    with pytest.raises(UnknownKey):
        check(raw)


@every("name", ["policy", "approvers", "key", "vkey", "seen", "made_at"])
def test_a46_trust_is_no_field_of_the_format(name: str) -> None:
    with pytest.raises(Malformed):
        check(changed(**{name: record.POLICY.dump()}))


def witnessed(at: int | None = 1_800_000_000) -> Case:
    made = case()
    size = len(made.book.bodies)
    made.notes = {n: made.book.note(n, witnessed_at=at) for n in (size, *made.heads)}
    return made


def test_the_quorum_of_witnesses_is_required() -> None:
    assert check(witnessed().dump(), record.WITNESSED).checked.witnesses == (("w", 1_800_000_000),)
    with pytest.raises(QuorumMissing):
        check(GOOD, record.WITNESSED)


def test_an_unnamed_witness_is_reported_as_unchecked() -> None:
    found = check(witnessed().dump())
    assert found.remarks == (f"not checked: what {record.WITNESS.vkey.name} signed, no key of it"
                             " was given",)  # fmt: skip


def test_a50_a_flipped_byte_in_a_witness_line_is_found_in_every_head() -> None:
    raw = witnessed().dump()
    lines = [raw.index(b"\xe2\x80\x94 witness")]
    lines.append(raw.index(b"\xe2\x80\x94 witness", lines[0] + 1))
    for start in lines:
        for at in range(start, raw.index(b"\\n", start)):
            flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            # A changed name or key id makes the line unknown: then a witness is missing in
            # the newest head; in an older head the line does not count, which is reported.
            try:
                found = check(flipped, record.WITNESSED)
            except TlogError:
                continue
            assert start == lines[1]
            assert found.remarks


def test_a_key_has_one_line_under_a_head() -> None:
    note = Note.parse(part("checkpoint"))
    doubled = Note(note.text, note.signatures * 2).dump()
    with pytest.raises(Malformed):
        check(changed(checkpoint=doubled))


def test_during_a_rotation_the_old_key_or_the_new_is_enough() -> None:
    new = record.signer(seed="next")
    made = case()
    size = len(made.book.bodies)
    made.notes = {n: made.book.note(n, by=(record.SIGNER, new)) for n in (size, *made.heads)}
    for key in (record.SIGNER, new):
        assert check(made.dump(), Policy.single(key.vkey)).remarks
    assert not check(made.dump(), Policy((record.SIGNER.vkey, new.vkey))).remarks


# ---- entries ------------------------------------------------------------------------------------


def test_entries_stand_in_their_order_each_once() -> None:
    entries = part("entries")
    for wrong in (entries[::-1], [entries[0], *entries], entries + entries[:1]):
        with pytest.raises(Malformed):
            check(changed(entries=wrong))


@every("index", [True, -1, 2**53, "1", None, 1.5])
def test_an_index_must_lie_in_the_tree(index: object) -> None:
    entries = part("entries")
    entries[0]["index"] = index
    raw = json.dumps({**json.loads(GOOD), "entries": entries}, sort_keys=True,
                     separators=(",", ":"), ensure_ascii=False).encode() + b"\n"  # fmt: skip
    with pytest.raises((Malformed, BadProof)):
        check(raw)


def test_an_entry_of_another_place_or_proof_is_found() -> None:
    entries = part("entries")
    entries[0]["proof"], entries[1]["proof"] = entries[1]["proof"], entries[0]["proof"]
    with pytest.raises(BadProof, match="entry 2"):
        check(changed(entries=entries))


def test_a_proof_must_have_its_exact_length() -> None:
    for wrong in ([], part("entries")[0]["proof"][:-1], part("entries")[0]["proof"] * 2):
        entries = part("entries")
        entries[0]["proof"] = wrong
        with pytest.raises(BadProof):
            check(changed(entries=entries))


def test_an_entry_about_something_else_is_refused() -> None:
    made = case()
    made.mine = sorted([*made.mine, 0])
    with pytest.raises(Mismatch, match="something else"):
        check(made.dump())
    with pytest.raises(Mismatch, match="something else"):
        check(changed(incident="0b9d4c3e-2f11-4c7e-8a55-000000000000"))


def test_entries_of_hostile_depth_are_refused_without_a_traceback() -> None:
    for depth in (200, 900, 5_000, 30_000):
        for inner in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            made = case()
            body = f'{{"action":"x","object":"incident:{INCIDENT}","data":{inner}}}'.encode()
            made.book.bodies.append(body)
            made.mine.append(len(made.book.bodies) - 1)
            try:
                check(made.dump())
            except Mismatch as error:
                assert "no JSON object" in str(error)


@every("wrong", [7, True, [None], [["x"]], {"a": 1}, [{"a": []}]])
def test_an_entry_must_name_documents_by_digest(wrong: object) -> None:
    made = case()
    made.add("agent:report:submitted", f"incident:{INCIDENT}", {"evidence": wrong})
    with pytest.raises(Mismatch, match="is no digest"):
        check(made.dump())


# ---- what must be there -------------------------------------------------------------------------


def test_every_document_that_an_entry_names_must_be_there() -> None:
    documents = part("documents")
    for missing in range(len(documents)):
        with pytest.raises(Missing, match=documents[missing]["digest"][:16]):
            check(changed(documents=documents[:missing] + documents[missing + 1 :]))


def test_only_an_artefact_may_be_there_without_its_bytes() -> None:
    erased = []
    for one in part("documents"):
        documents = [{**d, "body": None, "encoding": "utf-8"} if d == one else d
                     for d in part("documents")]  # fmt: skip
        try:
            found = check(changed(documents=documents))
        except Missing as error:
            assert "without its bytes" in str(error)
            continue
        assert found.left_out == 1
        erased.append(one)
    assert [one["encoding"] for one in erased] == ["base64"]


def test_an_artefact_that_is_another_document_too_must_be_there() -> None:
    """An agent that submits a document's bytes as an artefact does not make them erasable."""
    made = case()
    facts = next(d["digest"] for d in made.documents if d["body"] == '{"facts":1}')
    made.add("agent:report:submitted", f"incident:{INCIDENT}", {"evidence": [facts]})
    check(made.dump())
    made.documents = [document("", None, facts) if d["digest"] == facts else d
                      for d in made.documents]  # fmt: skip
    with pytest.raises(Missing, match="without its bytes"):
        check(made.dump())


@every(("action", "needed"), sorted(RULES.rests_on.items()))
def test_entries_that_another_entry_requires_must_be_there(action: str, needed: str) -> None:
    made = case()
    if not any(f'"{action}"'.encode() in body for body in made.book.bodies):
        made.add(action, f"proposal:{PROPOSAL}", {})
    made.mine = [i for i in made.mine if f'"{needed}"'.encode() not in made.book.bodies[i]]
    with pytest.raises(TlogError) as caught:
        check(made.dump())
    assert isinstance(caught.value, Missing | Mismatch)


def test_a_run_whose_gate_was_left_out_is_found() -> None:
    made = case()
    made.mine = [i for i in made.mine if b"gate:cleared" not in made.book.bodies[i]]
    made.documents = [d for d in made.documents if "checkpoint" not in str(d["body"])]
    with pytest.raises(Missing, match="rests on worker:gate:cleared"):
        check(made.dump())


def test_events_of_the_rules_are_in_the_vocabulary() -> None:
    from remediation.domain.events import Event

    words = {*RULES.named, *RULES.rests_on, *RULES.rests_on.values(), *RULES.proposed}
    assert words <= set(Event)


# ---- documents ----------------------------------------------------------------------------------


def test_a_document_that_no_entry_names_is_refused() -> None:
    extra = document("", b"slipped in")
    documents = sorted([*part("documents"), extra], key=lambda d: (d["domain"], d["digest"]))
    with pytest.raises(Missing, match="named by no entry"):
        check(changed(documents=documents))


def test_a_document_has_one_form_and_is_listed_once() -> None:
    for at, one in enumerate(part("documents")):
        twice = part("documents")
        twice.insert(at, one)
        with pytest.raises(Malformed):
            check(changed(documents=twice))
        if one["encoding"] == "utf-8":
            other = part("documents")
            body = b64.encode(one["body"].encode())
            other[at] = {**one, "body": body, "encoding": "base64"}
            with pytest.raises(Malformed, match="written as text"):
                check(changed(documents=other))
    with pytest.raises(Malformed):
        check(changed(documents=part("documents")[::-1]))


def test_a_document_of_another_kind_is_not_the_one_that_was_named() -> None:
    """The same bytes under another digest domain: a pin given as a plan."""
    for one in part("documents"):
        documents = [{**d, "domain": "hitlportal/other/v1"} if d == one else d
                     for d in part("documents")]  # fmt: skip
        documents.sort(key=lambda d: (d["domain"], d["digest"]))
        with pytest.raises(Mismatch, match="not what its digest says"):
            check(changed(documents=documents))


# ---- heads --------------------------------------------------------------------------------------


def test_a_head_that_the_gate_saw_must_be_there() -> None:
    with pytest.raises(Missing, match="that the gate saw"):
        check(changed(heads=[]))


def test_a_gate_that_was_shown_another_log_is_found() -> None:
    """The key's owner signed a second tree and showed it to the worker: a fork."""
    made = case()
    other = case()
    other.book.bodies[0] = b"{}"
    note = other.book.note(made.heads[0])
    saw = encode({"log": {"checkpoint": note}})
    made.documents = [d for d in made.documents if "checkpoint" not in str(d["body"])]
    at = next(i for i in made.mine if b"gate:cleared" in made.book.bodies[i])
    said = json.loads(made.book.bodies[at])
    said["data"]["evidence"] = made.document("", saw)
    made.book.bodies[at] = encode(said)
    with pytest.raises(Missing, match="that the gate saw"):
        check(made.dump())
    made.notes[made.heads[0]] = note
    with pytest.raises(Fork):
        check(made.dump())


def test_a_gate_under_the_logs_earlier_name_is_reported() -> None:
    made = case()
    older = Checkpoint("portal.example/older", 9, b"r" * 32)
    note = Note(older.text(), (record.signer("portal.example/older").line(older.text()),)).dump()
    saw = encode({"log": {"checkpoint": note}})
    made.add("person:proposal:approved", f"proposal:{PROPOSAL}", {})
    made.add("worker:gate:cleared", f"proposal:{PROPOSAL}", {"evidence": made.document("", saw)})
    assert "portal.example/older" in check(made.dump()).remarks[0]


@every("saw", [b"{}", b"[]", b"no json", encode({"log": {"checkpoint": 1}}),
                                 encode({"log": {"checkpoint": "x"}}), b"[" * 90_000])  # fmt: skip
def test_what_the_gate_saw_names_a_head(saw: bytes) -> None:
    made = case()
    made.add("worker:gate:cleared", f"proposal:{PROPOSAL}", {"evidence": made.document("", saw)})
    with pytest.raises(Mismatch, match="holds no head"):
        check(made.dump())


def test_heads_must_be_consistent_with_the_newest() -> None:
    size = len(case().book.bodies)
    for wrong in ([], ["AAAA"], part("heads")[0]["consistency"] * 2):
        with pytest.raises(TlogError):
            check(changed(heads=[{**part("heads")[0], "consistency": wrong}]))
    with pytest.raises(Malformed):
        check(changed(heads=part("heads") * 2))
    longer = Checkpoint(record.ORIGIN, size + 1, b"x" * 32)
    note = Note(longer.text(), (record.SIGNER.line(longer.text()),)).dump()
    with pytest.raises(Fork):
        check(changed(heads=[*part("heads"), {"note": note, "consistency": []}]))
    unsigned = Note(longer.text(), Note.parse(part("checkpoint")).signatures).dump()
    with pytest.raises(BadSignature):
        check(changed(heads=[{"note": unsigned, "consistency": []}]))


def test_a_head_that_the_reader_remembers_is_compared() -> None:
    found = check(GOOD)
    newest, older = found.checked.checkpoint, found.heads[0]
    check(GOOD, seen=newest)
    check(GOOD, seen=older)
    for head in (newest, older):
        with pytest.raises(Fork):
            check(GOOD, seen=Checkpoint(head.origin, head.size, b"x" * 32))
    check(GOOD, seen=Checkpoint(record.ORIGIN, 0, b"x" * 32))
    for size in (1, newest.size + 1):
        with pytest.raises(Missing, match="no proof here"):
            check(GOOD, seen=Checkpoint(record.ORIGIN, size, b"x" * 32))
    with pytest.raises(Mismatch, match=r"other\.example"):
        check(GOOD, seen=Checkpoint("other.example", newest.size, newest.root))


# ---- opened values ------------------------------------------------------------------------------


def test_a_value_that_is_not_opened_is_counted() -> None:
    assert "1 committed values are not opened" in check(changed(opened=[])).remarks[0]


def test_an_opened_value_must_match_its_commitment() -> None:
    (one,) = part("opened")
    for wrong in (
        {**one, "value": "bob@example.org"}, {**one, "salt": SALT.hex().upper()},
        {**one, "salt": SALT.hex() + " "}, {**one, "salt": "zz"}, {**one, "salt": ""},
    ):  # fmt: skip
        with pytest.raises((Malformed, Mismatch)):
            check(changed(opened=[wrong]))
    with pytest.raises(Malformed):
        check(changed(opened=[one, one]))


def test_a_value_without_a_commitment_is_refused() -> None:
    import hmac

    other = hmac.digest(SALT, b"x", "sha256").hex()
    more = [*part("opened"), {"commitment": other, "salt": SALT.hex(), "value": "x"}]
    with pytest.raises(Missing, match="stands in no entry"):
        check(changed(opened=sorted(more, key=lambda o: str(o["commitment"]))))
