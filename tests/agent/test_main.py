"""The agent's command, as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hitlportal.demo.agent.__main__ import main
from tests.agent.cases import CASES, ONE_RECORD_ATTACK, reported
from tests.agent.portal import portal

CASE = CASES / ONE_RECORD_ATTACK


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hitlportal.demo.agent", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_dry_run_prints_the_reports_and_sends_nothing() -> None:
    done = run("--dry-run", "--environment", "staging", CASE)
    assert (done.returncode, done.stderr) == (0, "")
    (report,) = json.loads(done.stdout)
    assert report["proposal"]["plan"]["environment"] == "staging"
    (expected,) = reported(ONE_RECORD_ATTACK)
    assert report["diagnosis"]["claims"] == expected["diagnosis"]["claims"]


def test_it_posts_what_it_found_and_follows_the_proposal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    with portal(
        (201, {}, {"incident": {"id": "i"}, "proposal": {"id": "p-1"}}),
        (200, {}, {"state": "rejected"}),
    ) as told:
        status = main(["--url", told.url, "--token-file", str(token), "--wait", "3", str(CASE)])
    assert status == 0
    assert [asked.path for asked in told.asked] == ["/api/v1/reports", "/api/v1/proposals/p-1"]
    posted: dict[str, Any] = json.loads(told.asked[0].body)
    (expected,) = reported(ONE_RECORD_ATTACK)
    assert posted["proposal"] == expected["proposal"]
    assert "proposal p-1: rejected" in capsys.readouterr().out


def test_a_refusal_is_printed_and_gives_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    with portal((403, {}, {"title": "agent_disabled", "detail": "by carol"})) as told:
        assert main(["--url", told.url, "--token-file", str(token), str(CASE)]) == 1
    assert "agent_disabled: by carol" in capsys.readouterr().err


def test_finding_nothing_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    benign = CASES / "invictus-benign-aws-service-calls"
    with portal() as told:
        assert main(["--url", told.url, "--token-file", str(token), str(benign)]) == 0
    assert told.asked == []
    assert capsys.readouterr().out == "nothing to report\n"


def test_an_unreadable_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.json").write_text("{")
    assert main(["--dry-run", str(tmp_path), str(CASE)]) == 1
    output = capsys.readouterr()
    assert "not read: bad.json" in output.err
    assert len(json.loads(output.out)) == 1


def test_a_log_prefix_without_the_user_is_refused() -> None:
    done = run("--dry-run", "--postgres-cluster", "orders", "--log-line-prefix", "%m ", CASE)
    assert done.returncode == 2
    assert "log_line_prefix does not contain the pid" in done.stderr


def test_sending_needs_an_address_and_a_token() -> None:
    done = run(CASE)
    assert done.returncode == 2
    assert "--url and --token-file" in done.stderr
