"""A look at OpenBao never reads a token that is not registered yet: that would end it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from remediation.executors.openbao_listed import MOST_KEPT, SETTLED_SECONDS, Listed
from remediation.executors.run import run_observe
from tests.executors.openbao import BaoWorld, Place, lines_since

# Long enough for some of the tokens to be ended where looks do not wait.
SECONDS = 3


@pytest.fixture
def world(bao_place: Place, tmp_path: Path) -> Iterator[BaoWorld]:
    made = BaoWorld("openbao.secret_id.destroy", tmp_path, bao_place)
    yield made
    made.close()
    bao_place.end_tokens()


def test_it_waits_for_what_is_new_and_for_that_alone() -> None:
    listed = Listed()
    assert listed.seconds_left([], 50.0) == 0
    assert listed.seconds_left(["a"], 50.0) == SETTLED_SECONDS
    assert listed.seconds_left(["a"], 50.25) == SETTLED_SECONDS - 0.25
    assert listed.seconds_left(["a", "b"], 50.5) == SETTLED_SECONDS
    assert listed.seconds_left(["a", "b"], 60.0) == 0


def test_it_keeps_a_limited_number() -> None:
    listed = Listed()
    listed.seconds_left(map(str, range(MOST_KEPT + 1)), 0.0)
    assert listed.seconds_left(["7"], 60.0) == SETTLED_SECONDS, "forgotten, so it waits again"


def test_a_new_token_is_read_only_after_it_was_listed_for_a_while(world: BaoWorld) -> None:
    server = world.place.server
    body = {"role_id": world.role_id, "secret_id": world.value}
    new = server.ask("POST", "auth/approle/login", body, token="")["auth"]["accessor"]
    hashed = server.ask("POST", "sys/audit-hash/log", {"input": new})["data"]["hash"]
    begins = server.audit_log.stat().st_size
    run_observe(world.step, world.targets())
    records = [json.loads(line) for line in lines_since(server, begins)]
    lists = [one for one in records if asks(one, "auth/token/accessors")]
    reads = [one for one in records if asks(one, "auth/token/lookup-accessor")]
    [read] = [one for one in reads if one["request"]["data"]["accessor"] == hashed]
    assert (at(read) - at(lists[0])).total_seconds() >= SETTLED_SECONDS


def test_who_signs_in_while_the_portal_looks_is_not_signed_out(world: BaoWorld) -> None:
    since = time.monotonic()
    ended, looks, refused = threading.Event(), [], []

    def look() -> None:
        while not ended.is_set():
            looks.append(run_observe(world.step, world.targets()))

    looking = threading.Thread(target=look)
    looking.start()
    while len(looks) < 2 or time.monotonic() < since + SECONDS:
        body = {"role_id": world.role_id, "secret_id": world.value}
        made = world.place.server.ask("POST", "auth/approle/login", body, token="")
        token = made["auth"]["client_token"]
        if not world.place.is_valid(token):
            refused.append(token)
        world.place.server.ask("POST", "auth/token/revoke", {"token": token})
    ended.set()
    looking.join()
    assert refused == []


def asks(record: dict[str, Any], path: str) -> bool:
    return record["type"] == "request" and record["request"]["path"].rstrip("/") == path


def at(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["time"])
