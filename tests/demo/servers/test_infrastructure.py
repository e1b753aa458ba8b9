"""Rules of the test run: no connection to other machines, no silent skip."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psycopg
import pytest
import redis

from hitlportal.demo.servers.binaries import postgres_binaries
from tests import needs
from tests.guard import OutsideConnection, is_inside
from tests.servers import Addresses

# 192.0.2.0/24 and 2001:db8::/32 are reserved for documentation (RFC 5737, RFC 3849).
OUTSIDE = [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80))]


@pytest.mark.parametrize(("family", "address"), OUTSIDE)
def test_a_connection_to_another_machine_is_refused_by_name(
    family: socket.AddressFamily, address: tuple[str, int]
) -> None:
    with socket.socket(family) as connection, pytest.raises(OutsideConnection):
        connection.connect(address)


def test_looking_up_another_machine_is_refused_by_name() -> None:
    with pytest.raises(OutsideConnection):
        socket.create_connection(("portal.example", 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_is_inside(host: str) -> None:
    assert is_inside(socket.AF_INET, (host, 80))


def test_a_missing_need_is_skipped_by_name_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="a browser is missing"):
        needs.needs("a browser", present=False)


def test_a_missing_need_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="a browser is missing"):
        needs.needs("a browser", present=False)


def test_the_servers_of_the_test_run_answer(addresses: Addresses) -> None:
    with psycopg.connect(addresses.portal) as portal, psycopg.connect(addresses.target) as target:
        assert system_identifier(portal) != system_identifier(target)
    with redis.Redis.from_url(addresses.valkey) as client:
        assert client.ping()


def test_the_portals_cluster_runs_the_chosen_programs(addresses: Addresses) -> None:
    chosen = postgres_binaries(os.environ.get("HITL_TEST_POSTGRES", ""))
    with psycopg.connect(addresses.portal) as portal:
        assert portal.info.server_version // 10_000 == chosen.major


def test_the_targets_log_shows_each_statement(addresses: Addresses) -> None:
    with psycopg.connect(addresses.target) as target:
        target.execute("SELECT 'a statement nobody else makes'")
    assert "a statement nobody else makes" in Path(addresses.target_log).read_text(errors="replace")


def system_identifier(connection: psycopg.Connection[tuple[object, ...]]) -> object:
    row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    assert row is not None
    return row[0]
