"""Ports, ended processes, and other parts of the demo that need no server."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from hitlportal.demo import story
from hitlportal.demo.door import Door, opened
from hitlportal.demo.play import offline
from hitlportal.demo.play.expectations import Checks
from hitlportal.demo.servers import private
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.process import Child
from hitlportal.demo.stack import JOB, ChildEnded, Stack
from remediation.services.people.accounts import ADMINISTERING, APPROVER_ROLES, BUILT_IN


def test_the_port_is_kept_from_one_start_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Door(0)
    told = first.port
    first.close()
    monkeypatch.setenv("HITL_DEMO_PORT", str(told))
    for _ in range(2):  # the second time by the file
        door = opened(tmp_path / "port")
        assert door.port == told
        door.close()
        monkeypatch.delenv("HITL_DEMO_PORT", raising=False)


def test_a_kept_port_that_is_taken_is_refused_and_not_changed(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        (tmp_path / "port").write_text(str(other.getsockname()[1]))
        with pytest.raises(ServerFailed, match="is taken"):
            opened(tmp_path / "port")
        assert (tmp_path / "port").read_text() == str(other.getsockname()[1])


def ended(directory: Path, code: int) -> Child:
    script = f"print('what it said'); raise SystemExit({code})"
    child = Child([sys.executable, "-c", script], log=directory / "log", cwd=directory, env={})
    child._process.wait()
    return child


def test_a_process_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    stack = Stack(tmp_path, print)
    stack._add("beat", ended(tmp_path, 3))
    with pytest.raises(ChildEnded, match=r"beat ended with status 3(.|\n)*what it said"):
        stack.check()


def test_the_report_job_may_end(tmp_path: Path) -> None:
    stack = Stack(tmp_path, print)
    stack._add(JOB, ended(tmp_path, 3))
    with pytest.raises(ChildEnded, match="PostgreSQL"):  # fails only because the servers do not run
        stack.check()


def test_private_files_are_private_and_kept(tmp_path: Path) -> None:
    first = private.kept(tmp_path / "worker" / "secret")
    assert private.kept(tmp_path / "worker" / "secret") == first
    assert (tmp_path / "worker" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "worker").stat().st_mode & 0o777 == 0o700


def test_a_failed_check_is_printed_and_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    checks = Checks()
    checks.equal("5", "key", "Inactive", "Inactive")
    checks.equal("5", "key", "Active", "Inactive")
    assert capsys.readouterr().out.splitlines() == [
        "OK     5  key  (Inactive)",
        "FAIL   5  key  (Active, not Inactive)",
    ]
    assert checks.failed == ["key"]


def test_each_forgery_differs_in_one_byte(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.json"
    value = {
        "plan": '{"environment":"production"}',
        "reviews": [
            {
                "assertion": {"signature": "MEUC"},
                "statement": '{"verdicts":{"action":"yes","diagnosis":"yes","scope":"yes"}}',
            }
        ],
    }
    evidence.write_text(json.dumps(value, separators=(",", ":")))
    raw = evidence.read_bytes()
    places = []
    for place, forged in offline.forgeries(evidence):
        places.append(place)
        other = forged.read_bytes()
        assert len(other) == len(raw)
        assert sum(a != b for a, b in zip(raw, other, strict=True)) == 1
        assert json.loads(other) != value
    assert places == ["the plan", "a verdict", "a signature"]


def test_the_demos_people_satisfy_the_rules_for_groups() -> None:
    for person in story.PEOPLE:
        for groups in (person.groups, person.later or ()):
            assert set(groups) <= BUILT_IN
            assert not (APPROVER_ROLES & set(groups) and ADMINISTERING & set(groups))
    named = {person.username: person for person in story.PEOPLE}
    assert all(role in named[who].groups for who, role in story.APPROVERS.items())
    assert set(story.APPROVERS.values()) == APPROVER_ROLES
