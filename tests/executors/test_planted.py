"""The search for planted secrets finds them, and a delivery leaves nothing for it to find."""

from __future__ import annotations

import gzip
import io
import json
import logging
import traceback
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis

from hitlportal.demo.servers.openbao import BaoServer
from remediation.domain.errors import Refused
from remediation.executors.base import Outcome
from remediation.executors.delivery import Rotation, rotate_into
from remediation.executors.errors import OutcomeUnknown
from remediation.executors.secret import SecretValue, make_password, sealed
from tests.executors.planted import Search
from tests.executors.stores.killing import Target, open_place
from tests.executors.stores.worlds import WORLDS, StoreWorld
from tests.servers import Addresses

PLANTED = 'Zq7/+k"9\\pW3e~Lx5TnA0bRvYc2Hd8Gf'


@pytest.mark.parametrize(
    "text",
    [
        PLANTED,
        f"{PLANTED[:24]}…",
        json.dumps({"password": PLANTED}),
        json.dumps({"body": json.dumps({"password": PLANTED})}),
        repr({"password": PLANTED}),
        quote(PLANTED, safe=""),
        b64encode(PLANTED.encode()).decode(),
        b64encode(f"user:{PLANTED}".encode()).decode(),
        urlsafe_b64encode(f"us:{PLANTED}!".encode()).decode(),
        PLANTED.encode().hex(),
    ],
)
def test_it_finds_a_secret_in_every_encoding(tmp_path: Path, text: str) -> None:
    for write in (
        lambda p: p.write_text(text),
        lambda p: p.write_bytes(gzip.compress(text.encode())),
    ):
        write(tmp_path / "a.log")
        search = Search([PLANTED])
        search.files(tmp_path)
        assert search.found, text
        assert PLANTED not in repr(search)


def test_it_finds_a_secret_in_a_database_and_its_statements(addresses: Addresses) -> None:
    superuser = addresses.target
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS planted (kept jsonb, raw bytea)")
        try:
            for column, value in (("kept", json.dumps([PLANTED])), ("raw", PLANTED.encode())):
                connection.execute(f"INSERT INTO planted ({column}) VALUES (%s)", [value])
                search = Search([PLANTED])
                search.database(superuser)
                assert any("planted" in each for each in search.found), column
                connection.execute("TRUNCATE planted")
        finally:
            connection.execute("DROP TABLE planted")
        connection.execute(f"/* {PLANTED} */ SELECT 1")
        search = Search([PLANTED])
        search.database(superuser)
        assert any("pg_stat_activity" in each for each in search.found)


def test_it_finds_a_secret_in_the_broker(addresses: Addresses) -> None:
    url = addresses.valkey
    with redis.Redis.from_url(url) as client:
        client.lpush("planted", json.dumps({"body": b64encode(PLANTED.encode()).decode()}))
        try:
            search = Search([PLANTED])
            search.broker(url)
            assert any("planted" in each for each in search.found)
        finally:
            client.delete("planted")


def _tries(world: StoreWorld, target: Target, made: list[str]) -> list[Outcome | Refused]:
    """Deliver well and badly, through every kind of failure, as an executor does."""

    def make() -> SecretValue:
        made.append(make_password())
        return SecretValue({"password": made[-1]})

    def breaks(value: SecretValue) -> None:
        password = value.reveal("password")
        raise ConnectionError(f"driver: {password!r} refused")

    results: list[Outcome | Refused] = []
    targets = world.targets()
    for set_at_target in (breaks, target.set):
        place = open_place(targets, world.path)
        rotation = Rotation(make, set_at_target, target.proves)
        try:
            results.append(
                sealed(lambda p=place, r=rotation: rotate_into(p, r), OutcomeUnknown, words=False)
            )
        except Refused as error:
            results.append(error)
    return results


@pytest.mark.parametrize("kind", WORLDS)
def test_a_delivery_leaves_no_value_outside_of_the_store(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    addresses: Addresses,
    capfd: pytest.CaptureFixture[str],
) -> None:
    make, server = WORLDS[kind]
    given = request.getfixturevalue(server) if server else None
    (tmp_path / "world").mkdir()
    world: StoreWorld = make(tmp_path / "world", given)
    world.by_hand({"username": "orders", "password": "password-by-hand"})
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(1)  # what boto, urllib3 and everybody else say at their lowest level
    made: list[str] = []
    try:
        lost, done = _tries(world, Target(tmp_path / "target.json"), made)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert isinstance(lost, OutcomeUnknown) and isinstance(done, Outcome)
    assert len(made) == 1 and world.consumer_reads()["password"] == made[0]

    search = Search([*made, "password-by-hand"])
    search.text("logging", written.getvalue())
    search.text("standard output", "".join(capfd.readouterr()))
    search.text("the outcome", repr(done))
    assert lost.__traceback__ is not None
    lost.__traceback__ = lost.__traceback__.tb_next  # this file's frame has the value, of course
    search.text("the error", "".join(
        traceback.TracebackException.from_exception(lost, capture_locals=True).format()
    ))  # fmt: skip
    assert lost.__cause__ is None and lost.__context__ is None
    search.database(addresses.portal)
    search.broker(addresses.valkey)
    search.files(tmp_path / "target.json", addresses.target_log)
    if isinstance(given, BaoServer):
        search.files(given.audit_log, given.log)
    if kind == "aws_secrets_manager":
        search.files(given.log)
        assert "withheld" in written.getvalue()  # boto would have logged the body
    assert search.found == []
    assert len(search.looked) > 7
