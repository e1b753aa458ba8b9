"""The main story of the demo: its programs, its store, and the search for the new password."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hitlportal.demo import story, words
from hitlportal.demo.consumers import Consumers
from hitlportal.demo.play import searching
from hitlportal.demo.servers.consumer import Counts
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.store import BY_HAND, FileStore
from hitlportal.demo.stack import Stack
from remediation.executors.stores import file

VALUE = "correct-horse-battery-staple"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = FileStore(tmp_path / "store")
    made.put_first(story.PLACE, story.ROTATED, VALUE)
    return made


def test_the_first_version_is_one_that_the_worker_can_follow(store: FileStore) -> None:
    held = file.FileStore(story.STORE, store.directory).look(story.PLACE)
    assert (held.promoted, held.staged) == (BY_HAND, None)
    assert (store.version(story.PLACE), store.password(story.PLACE)) == (BY_HAND, VALUE)


def test_a_later_start_does_not_put_the_first_version_back(store: FileStore) -> None:
    store.put_first(story.PLACE, story.ROTATED, "another")
    assert store.password(story.PLACE) == VALUE


def test_three_services_use_the_account_and_one_waits_for_a_person() -> None:
    users = {one.name for one in story.SERVICES if story.ROTATED_LOCATOR in one.needs}
    assert users == {one.service for one in story.CONSUMERS}
    assert len(users) == 3
    assert [one.takes_by for one in story.CONSUMERS].count(story.BY_HAND) == 1


def test_a_program_on_an_older_version_is_named_only_if_a_person_has_to_tell_it(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Consumers("postgresql://127.0.0.1:1/ledger", store, 1.0)
    for one in story.CONSUMERS:
        programs.started(one.service, cast(Child, SimpleNamespace(pid=4711)), 1)
    monkeypatch.setattr(Consumers, "counts", lambda *_: Counts(version="older"))
    ((one, pid),) = programs.late()
    assert one.takes_by == story.BY_HAND
    said = words.late(one, pid)
    assert one.service in said
    assert "kill -HUP 4711" in said
    monkeypatch.setattr(Consumers, "counts", lambda *_: Counts(version=BY_HAND))
    assert programs.late() == []


def test_a_program_that_does_not_answer_yet_has_done_nothing(store: FileStore) -> None:
    programs = Consumers("postgresql://127.0.0.1:1/ledger", store, 1.0)
    programs.started("billing-api", cast(Child, SimpleNamespace(pid=1)), 1)
    assert programs.counts("billing-api") == Counts()
    assert not programs.serving()
    assert programs.late() == []


def test_a_pause_is_counted_between_two_queries() -> None:
    counts = Counts()
    for now in (100.0, 100.5, 103.0, 103.2):
        counts.did(now)
    assert (counts.done, counts.longest_gap) == (4, 2.5)


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
def test_the_value_is_found_in_base64_wherever_it_begins(before: int, after: int) -> None:
    raw = b"?" * before + VALUE.encode() + b"?" * after
    assert any(form in base64.b64encode(raw).decode() for form in searching.forms(VALUE))
    assert any(form in raw.hex() for form in searching.forms(VALUE))


def test_every_file_is_searched_but_those_of_the_store(store: FileStore, tmp_path: Path) -> None:
    stack = cast(Stack, SimpleNamespace(directory=tmp_path, store=store))
    (tmp_path / "logs").mkdir()
    clean = tmp_path / "logs" / "clean.log"
    clean.write_text("nothing")
    assert searching.files(stack, VALUE) == (1, [])
    (tmp_path / "logs" / "worker.log").write_text(f"password={VALUE}")
    (tmp_path / "dump").write_bytes(b"\0" + VALUE.encode().hex().encode())
    os.symlink(tmp_path / "logs", tmp_path / "again")
    assert searching.files(stack, VALUE) == (3, ["dump", "logs/worker.log"])
