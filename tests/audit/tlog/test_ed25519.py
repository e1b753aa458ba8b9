"""Ed25519 of the standard library alone: Wycheproof, and no disagreement with `cryptography`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.tlog import ed25519
from tests.every import every

FILE = Path(__file__).parents[2] / "vectors/public/ed25519/testvectors_v1/ed25519_test.json"
CASES = [
    pytest.param(bytes.fromhex(group["publicKey"]["pk"]), test, id=f"tc{test['tcId']}")
    for group in json.loads(FILE.read_text())["testGroups"]
    for test in group["tests"]
]


def other(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_wycheproof_is_all_there() -> None:
    assert len(CASES) == 151


@every(("public", "test"), CASES)
def test_wycheproof(public: bytes, test: dict[str, Any]) -> None:
    message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    said = ed25519.verify(public, message, signature)
    assert said is (test["result"] == "valid")
    assert said is other(public, message, signature)


def test_every_changed_bit_is_found() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public, message = key.public_key().public_bytes_raw(), b"head"
    signature = key.sign(message)
    assert ed25519.verify(public, message, signature)
    for at in range(0, 64 * 8, 7):
        flipped = bytearray(signature)
        flipped[at // 8] ^= 1 << at % 8
        assert not ed25519.verify(public, message, bytes(flipped))
    assert not ed25519.verify(public, message + b"!", signature)
    assert not ed25519.verify(public[:-1], message, signature)


def test_small_points_are_treated_as_openssl_does() -> None:
    points = [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ]
    for public in points:
        for first in points:
            signature = first + bytes(32)
            assert ed25519.verify(public, b"x", signature) is other(public, b"x", signature)


def test_a_key_that_is_not_canonical_is_refused() -> None:
    """RFC 8032 5.1.3; OpenSSL accepts some of these. The verifier pins the key; it is not sent."""
    signature = b"\x01" + bytes(63)
    for public in (2**255 - 19, 2**255 - 18, 2**255 + 1):
        assert not ed25519.verify(public.to_bytes(32, "little"), b"x", signature)
