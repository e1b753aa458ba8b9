"""A server that the signed scope knows at one address, and the inventory now at another."""

from __future__ import annotations

from remediation.domain.conditions import Consumer
from remediation.executors.tls_issue import _others


def test_both_addresses_are_asked() -> None:
    signed = Consumer("shop", "10.0.0.1:443", 0, "reload")
    edited = Consumer("shop", "10.0.0.9:443", 0, "reload")
    assert len(_others((signed, edited))) == 2
    assert set(_others((signed,))) == {"shop"}
