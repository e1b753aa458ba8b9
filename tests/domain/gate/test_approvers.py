"""The approvers file: each key belongs to one person, and a doubtful file approves nothing."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import b64url
from remediation.domain.errors import BadInput, BadValue
from remediation.domain.gate.approvers import Approvers, fingerprint
from tests.domain.story import ALICE, ASSESSED, BOB, EVE, KEYS, an_approver, approvers
from tests.every import every

FILE = approvers()


def test_the_file_reads_back() -> None:
    assert Approvers.parse(FILE.dump()) == FILE
    assert FILE.dump().endswith(b"}\n")
    assert Approvers.parse(Approvers(()).dump()) == Approvers(())


def test_a_person_is_found_by_the_credential_while_it_is_valid() -> None:
    since = ASSESSED
    until = since + timedelta(hours=1)
    entry = an_approver(ALICE, "security", since=since, until=until)
    file = Approvers((entry,))
    credential = entry.credential_id
    assert file.find(ALICE, credential, since) == entry
    assert file.find(ALICE, credential, until - timedelta(microseconds=1)) == entry
    assert file.find(ALICE, credential, until) is None
    assert file.find(ALICE, credential, since - timedelta(microseconds=1)) is None
    assert file.find(ALICE, credential) == entry


def test_person_and_credential_must_both_be_right() -> None:
    alice = b64url.encode(KEYS[ALICE].credential_id)
    bob = b64url.encode(KEYS[BOB].credential_id)
    assert FILE.find(ALICE, bob, ASSESSED) is None
    assert FILE.find(EVE, alice, ASSESSED) is None


def test_any_is_filled_by_either_role_and_a_role_only_by_itself() -> None:
    entry = an_approver(ALICE, "security")
    assert entry.may_fill("any")
    assert entry.may_fill("security")
    assert not entry.may_fill("service_owner")


def test_the_fingerprint_is_the_start_of_the_sha_256_in_groups_of_four() -> None:
    text = fingerprint(KEYS[ALICE].cose_key)
    assert text.replace(" ", "") == sha256(KEYS[ALICE].cose_key).hexdigest()[:32]
    assert [len(group) for group in text.split(" ")] == [4] * 8
    assert an_approver(ALICE, "security").fingerprint == text == KEYS[ALICE].fingerprint


def test_one_credential_or_one_key_for_two_people_is_refused() -> None:
    alice = an_approver(ALICE, "security")
    bob = an_approver(BOB, "service_owner")
    for twin in (
        replace(bob, credential_id=alice.credential_id),
        replace(bob, cose_key=alice.cose_key),
        alice,
    ):
        with pytest.raises(BadValue, match="twice"):
            Approvers((alice, twin))


@every(
    ("name", "value"),
    [
        ("person", "alice"), ("person", ""), ("credential_id", ""), ("credential_id", "AA=="),
        ("cose_key", ""), ("cose_key", "AAAA"), ("cose_key", "!"), ("rp_id", "http://localhost"),
        ("rp_id", "LOCALHOST"), ("origin", "localhost"), ("origin", "http://localhost/"),
        ("origin", "http://localhost:8000/path"), ("origin", "http://user@localhost"),
        ("roles", []), ("roles", ["any"]), ("roles", ["auditor"]), ("roles", "security"),
        ("roles", ["security", "security"]), ("since", None), ("since", "2026-01-01"),
        ("until", "later"), ("until", 0), ("note", "x"),
    ],
)  # fmt: skip
def test_an_entry_of_another_shape_is_refused(name: str, value: Any) -> None:
    document = json.loads(FILE.dump())
    document["approvers"][0][name] = value
    with pytest.raises(BadInput):
        Approvers.parse(json.dumps(document).encode())


@every(
    "raw", [b"", b"[]", b"{}", b'{"type":"hitlportal-approvers/v1"}', b"\xff", b"null",
            b'{"type":"x","approvers":[]}', b'{"type":1,"approvers":[]}'],
)  # fmt: skip
def test_another_file_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput):
        Approvers.parse(raw)


RAW = FILE.dump()


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=3))
def test_only_named_refusals_escape_for_changed_bytes(at: int, new: bytes) -> None:
    with contextlib.suppress(BadInput):
        Approvers.parse(RAW[:at] + new + RAW[at + 1 :])
