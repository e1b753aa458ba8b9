"""A20: replay, another digest, another key, no user verification, wrong origin: all refused."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256
from fido2.webauthn import AuthenticatorData
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import b64url
from remediation.domain.errors import BadInput, SignatureInvalid
from remediation.domain.gate.signature import Assertion, load_key, verify
from tests.domain.story import ORIGIN, RP_ID
from tests.every import every
from tests.passkey import SoftPasskey

KEY = SoftPasskey.from_seed("alice")
OTHER = SoftPasskey.from_seed("bob")
CHALLENGE = sha256(b"what was decided").digest()
GOOD = KEY.assertion(CHALLENGE, RP_ID, ORIGIN)


def check(assertion: Assertion, **changes: Any) -> None:
    given_ = {"challenge": CHALLENGE, "cose_key": KEY.cose_key, "rp_id": RP_ID, "origin": ORIGIN}
    verify(assertion, **{**given_, **changes})


def refusal(assertion: Assertion, **changes: Any) -> str:
    with pytest.raises(SignatureInvalid) as refused:
        check(assertion, **changes)
    return refused.value.detail


def resigned(client: dict[str, Any] | None = None, authenticator: bytes | None = None) -> Assertion:
    """An assertion that the right key signed over other client or authenticator data."""
    data = GOOD.client_data_json if client is None else json.dumps(client).encode()
    auth = GOOD.authenticator_data if authenticator is None else authenticator
    return replace(
        GOOD,
        client_data_json=data,
        authenticator_data=auth,
        signature=KEY.sign(auth + sha256(data).digest()),
    )


def client(**changes: Any) -> dict[str, Any]:
    return {**json.loads(GOOD.client_data_json), **changes}


def authenticator(flags: int, rp_id: str = RP_ID, rest: bytes = b"") -> bytes:
    return sha256(rp_id.encode()).digest() + bytes([flags]) + bytes(4) + rest


def test_a_good_assertion_holds() -> None:
    check(GOOD)


def test_a20_an_assertion_for_another_digest_is_refused() -> None:
    assert "challenge" in refusal(GOOD, challenge=sha256(b"another decision").digest())


def test_a20_another_users_key_is_refused() -> None:
    assert "does not match" in refusal(GOOD, cose_key=OTHER.cose_key)


def test_a20_user_verification_and_presence_are_required() -> None:
    assert "verified" in refusal(KEY.assertion(CHALLENGE, RP_ID, ORIGIN, uv=False))
    assert "present" in refusal(KEY.assertion(CHALLENGE, RP_ID, ORIGIN, up=False))


@every(
    "origin",
    ["https://localhost:8000", "http://localhost:8001", "http://localhost", "http://evil.example",
     "http://localhost:8000/", "http://LOCALHOST:8000", "null", ""],
)  # fmt: skip
def test_a20_the_origin_is_compared_exactly(origin: str) -> None:
    assert "origin" in refusal(KEY.assertion(CHALLENGE, RP_ID, origin))


def test_a20_the_relying_party_is_compared_exactly() -> None:
    assert "relying party" in refusal(KEY.assertion(CHALLENGE, "localhost.", ORIGIN))


def test_a20_altered_authenticator_data_is_refused() -> None:
    """The counter is not read, but it is signed."""
    altered = replace(GOOD, authenticator_data=GOOD.authenticator_data[:-1] + b"\x01")
    assert "does not match" in refusal(altered)


def test_a20_uv_switched_on_after_signing_is_refused() -> None:
    weak = KEY.assertion(CHALLENGE, RP_ID, ORIGIN, uv=False)
    assert "does not match" in refusal(replace(weak, authenticator_data=authenticator(0x05)))


@every(
    "changes",
    [
        {"type": "webauthn.create"},
        {"type": None},
        {"challenge": "AAAA"},
        {"challenge": b64url.encode(CHALLENGE) + "="},
        {"challenge": "é"},
        {"challenge": None},
        {"origin": [ORIGIN]},
        {"crossOrigin": True},
        {"crossOrigin": "false"},
        {"crossOrigin": 0},
        {"topOrigin": ORIGIN},
    ],
)
def test_a20_client_data_that_says_something_else_is_refused(changes: dict[str, Any]) -> None:
    refusal(resigned(client(**changes)))


def test_client_data_may_leave_out_cross_origin_and_hold_unknown_keys() -> None:
    data = client(other_keys_can_be_added_here="do not compare clientDataJSON to a template")
    del data["crossOrigin"]
    check(resigned(data))


@every("raw", [b"[]", b'"webauthn.get"', b"null", b"", b"{", b"\xff"])
def test_a20_client_data_that_is_no_object_is_refused(raw: bytes) -> None:
    auth = GOOD.authenticator_data
    signature = KEY.sign(auth + sha256(raw).digest())
    refusal(replace(GOOD, client_data_json=raw, signature=signature))


def test_a06_client_data_with_a_key_twice_is_refused() -> None:
    raw = GOOD.client_data_json.replace(b'"type":', b'"type":"webauthn.create","type":', 1)
    auth = GOOD.authenticator_data
    twice = replace(GOOD, client_data_json=raw, signature=KEY.sign(auth + sha256(raw).digest()))
    assert "duplicate_key" in refusal(twice)


@every(
    "data",
    [
        authenticator(0x01),
        authenticator(0x04),
        authenticator(0x00),
        authenticator(0x15),  # backed up, though never eligible for backup
        authenticator(0x05, rp_id="evil.example"),
        authenticator(0x05, rest=b"\x00"),
        authenticator(0x85, rest=b"\xff"),
        authenticator(0x45, rest=b"\x00" * 5),
        b"\x00" * 36,
        b"",
    ],
)
def test_a20_authenticator_data_that_does_not_hold_is_refused(data: bytes) -> None:
    refusal(resigned(authenticator=data))


def test_backed_up_passkeys_and_extensions_hold() -> None:
    check(resigned(authenticator=authenticator(0x1D)))
    check(resigned(authenticator=authenticator(0x85, rest=cbor.encode({"credProtect": 2}))))


def wrong_curve_key() -> bytes:
    point = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()
    return cbor.encode(
        ES256({1: 2, 3: -7, -1: 8, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
    )


@every(
    "key",
    [
        b"",
        b"\xff",
        cbor.encode([]),
        cbor.encode({}),
        cbor.encode({1: 2, 3: -7}),
        cbor.encode({1: 2, 3: -47}),
        cbor.encode({1: 2, 3: [1]}),
        cbor.encode({1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x01" * 32}),
        cbor.encode({1: 2, 3: -7, -1: 1, -2: 1, -3: 2}),
        KEY.cose_key + b"\x00",
        wrong_curve_key(),
    ],
    # The last key differs by process, but xdist needs the same test ids in all.
    ids=[
        "empty", "no_cbor", "a_list", "a_map", "no_curve", "an_algorithm_not_allowed",
        "no_algorithm", "no_point", "no_coordinates", "a_byte_more", "another_curve",
    ],
)  # fmt: skip
def test_an_invalid_key_is_refused(key: bytes) -> None:
    refusal(GOOD, cose_key=key)


def test_every_key_that_is_read_is_of_an_allowed_algorithm() -> None:
    assert load_key(KEY.cose_key)[3] == -7
    with pytest.raises(SignatureInvalid, match="algorithm"):
        load_key(cbor.encode({1: 2, 3: -47, -1: 8, -2: b"", -3: b""}))


def test_an_assertion_reads_back_from_its_json() -> None:
    assert Assertion.from_json(GOOD.to_json()) == GOOD


def test_a_browsers_answer_is_read() -> None:
    assert Assertion.from_browser(KEY.authentication(CHALLENGE, RP_ID, ORIGIN)) == GOOD


def test_a80_what_an_extension_adds_to_an_answer_is_ignored() -> None:
    sent = KEY.authentication(CHALLENGE, RP_ID, ORIGIN)
    response = {**sent["response"], "publicKey": None, "transports": ["usb"], "more": {}}
    wrapped = {**sent, "response": response, "prf": {"x": 1}, "toJSON": {}}
    assert Assertion.from_browser(wrapped) == GOOD


def test_an_answer_of_another_shape_is_refused() -> None:
    sent = KEY.authentication(CHALLENGE, RP_ID, ORIGIN)
    wrong: tuple[dict[str, Any], ...] = (
        {"id": b64url.encode(OTHER.credential_id)},
        {"type": "password"},
        {"response": {}},
        {"response": {**sent["response"], "signature": "AA=="}},
        {"response": 1},
    )
    for changes in wrong:
        with pytest.raises(BadInput):
            Assertion.from_browser({**sent, **changes})


PARTS = st.sampled_from(["authenticator_data", "client_data_json", "signature"])


@given(PARTS, st.data())
def test_only_the_named_refusal_escapes_for_any_changed_byte(
    part: str, data: st.DataObject
) -> None:
    good: bytes = getattr(GOOD, part)
    at = data.draw(st.integers(0, len(good) - 1))
    new = data.draw(st.binary(max_size=3))
    changed = good[:at] + new + good[at + 1 :]
    if changed != good:
        refusal(replace(GOOD, **{part: changed}))


@given(st.binary(max_size=120))
def test_only_the_named_refusal_escapes_for_any_key(key: bytes) -> None:
    refusal(GOOD, cose_key=key)


def test_parts_that_are_too_long_are_refused_before_they_are_read() -> None:
    assert "too long" in refusal(replace(GOOD, client_data_json=b" " * 9_000))


def test_flags_are_those_of_the_specification() -> None:
    flag = AuthenticatorData.FLAG
    assert (flag.UP, flag.UV, flag.BE, flag.BS, flag.AT, flag.ED) == (1, 4, 8, 16, 64, 128)
