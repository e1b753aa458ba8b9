"""A server that the signed scope knows at one address, and the inventory now at another."""

from __future__ import annotations

from remediation.domain.conditions import Consumer
from remediation.executors.tls_issue import _others
from remediation.executors.tls_places import Address


def test_both_addresses_are_asked() -> None:
    signed = Consumer("shop", "10.0.0.1:443", 0, "reload")
    edited = Consumer("shop", "10.0.0.9:443", 0, "reload")
    assert len(_others((signed, edited), {})) == 2
    assert set(_others((signed,), {})) == {"shop"}


def test_a_service_with_the_name_of_another_server_of_the_map_is_asked_too() -> None:
    """Else the map's server would be asked in its place, and it would count as seen."""
    replica = Consumer("shop", "10.0.0.9:443", 0, "reload")
    servers = {"shop": Address("10.0.0.1", 443)}
    assert _others((replica,), servers) == {"shop at 10.0.0.9:443": Address("10.0.0.9", 443)}
    assert set(_others((replica,), {"shop": Address("10.0.0.9", 443)})) == {"shop"}
