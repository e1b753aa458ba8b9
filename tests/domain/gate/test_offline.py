"""verify_evidence replays the gate from files and arguments alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from remediation.domain.b64url import encode as b64
from remediation.domain.gate.approvers import Approvers
from remediation.management import offline
from tests.domain import record
from tests.domain.story import ALICE, BOB, ORIGIN, RP_ID, Story, an_approver, sign
from tests.passkey import SoftPasskey

VECTORS = Path(__file__).parents[2] / "vectors"
ROOT = Path(__file__).parents[3]
LOG = ("--log-policy", str(VECTORS / "log_policy.txt"))
TRUST = (
    *("--approvers", str(VECTORS / "approvers.json"), "--rp-id", RP_ID, "--origin", ORIGIN),
    *LOG,
)


def run(name: str, *more: str, trust: tuple[str, ...] = TRUST) -> int:
    return offline.main([str(VECTORS / f"evidence_{name}.json"), *trust, *more])


def test_good_evidence_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ok") == 0
    said = capsys.readouterr().out
    for line in (
        "1 digests",
        "7 audit inclusion",
        "HOLDS",
        "2026-11-22T10:07:00Z",
        "claimed by the worker",
    ):
        assert line in said
    assert "DOES NOT" not in said


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [("digest", 1, "digest"), ("signature", 3, "signature"), ("drift", 6, "drift")],
)
def test_evidence_that_does_not_hold_says_where_and_why(
    name: str, number: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name) == 1
    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if line.startswith(f"{number} ")]
    assert f"no: {reason}: " in line
    assert "DOES NOT HOLD" in said


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("frozen", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["holds"] is False
    assert said["findings"][4] == {
        "number": 5,
        "name": "freshness",
        "holds": False,
        "reason": "frozen",
        "detail": "an exercise is going on",
    }
    assert [finding["holds"] for finding in said["findings"]] == [True] * 4 + [False, True, True]


def forgery(directory: Path) -> Path:
    """Return consistent evidence whose keys, statements and file a forger made."""
    story = Story()
    keys = {ALICE: SoftPasskey.create(), BOB: SoftPasskey.create()}
    statements = (story.statement(ALICE, "security"), story.statement(BOB, "service_owner"))
    reviews = [sign(statement, key=keys[statement.person]) for statement in statements]
    entries = tuple(
        replace(
            an_approver(person, role),
            credential_id=b64(keys[person].credential_id),
            cose_key=b64(keys[person].cose_key),
        )
        for person, role in ((ALICE, "security"), (BOB, "service_owner"))
    )
    (directory / "evidence.json").write_bytes(story.evidence(*reviews).dump())
    (directory / "approvers.json").write_bytes(Approvers(entries).dump())
    return directory


def test_a46_a_perfect_forgery_with_the_forgers_own_keys_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = forgery(tmp_path)
    assert offline.main([str(made / "evidence.json"), *TRUST]) == 1
    assert "3 signatures" in capsys.readouterr().out
    # It holds only for a caller who trusts the forger's approvers file.
    forgers = ("--approvers", str(made / "approvers.json"), *TRUST[2:])
    assert offline.main([str(made / "evidence.json"), *forgers]) == 0


def test_a46_the_relying_party_and_origin_come_from_the_arguments() -> None:
    approvers = TRUST[:2]
    assert run("ok", trust=(*approvers, *LOG, "--rp-id", "evil.example", "--origin", ORIGIN)) == 1
    elsewhere = (*approvers, *LOG, "--rp-id", RP_ID, "--origin", "https://x.example")
    assert run("ok", trust=elsewhere) == 1


def test_a46_the_key_of_the_log_comes_from_the_arguments() -> None:
    """The forger's log is consistent too, but the caller trusts another log."""
    other = str(record.signer(seed="forger").vkey)
    assert run("ok", trust=(*TRUST[:-2], "--log-key", other)) == 1
    assert run("ok", trust=(*TRUST[:-2], "--log-key", str(record.SIGNER.vkey))) == 0


def test_an_unreadable_file_has_another_exit_code_than_a_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    good = str(VECTORS / "evidence_ok.json")
    for content in (b"", b"{}", b"\xff", b"[" * 100_000):
        broken.write_bytes(content)
        assert offline.main([str(broken), *TRUST]) == 2
        assert offline.main([good, "--approvers", str(broken), *TRUST[2:]]) == 2
    for path in (tmp_path / "nothing", tmp_path):
        assert offline.main([str(path), *TRUST]) == 2
        assert offline.main([good, "--approvers", str(path), *TRUST[2:]]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "not an evidence file" in said.err
    assert "not an approvers file" in said.err


@pytest.mark.parametrize("dropped", ["--approvers", "--rp-id", "--origin", "--log-policy"])
def test_trust_has_no_default(dropped: str) -> None:
    at = TRUST.index(dropped)
    assert run("ok", trust=TRUST[:at] + TRUST[at + 2 :]) == 2


def test_a52_a_files_text_cannot_control_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = replace(Story().evidence(), frozen="\x1b[2J\x1b[1;1HHOLDS\n1 digests ok\u202e\x9b")
    (tmp_path / "e").write_bytes(bad.dump())
    assert offline.main([str(tmp_path / "e"), *TRUST]) == 1
    said = capsys.readouterr().out
    assert said.isascii()
    assert "\x1b" not in said
    assert len(said.splitlines()) == 11


def test_replay_uses_the_time_in_the_evidence() -> None:
    """A file that held when it was written holds at any later replay."""
    assert run("ok") == 0
    assert run("deadline") == 1


def test_it_runs_without_django_settings_or_database() -> None:
    """Runs in a fresh interpreter in which importing Django fails."""
    code = (
        "import sys\n"
        "class NoDjango:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('django', 'celery', 'psycopg', 'rest_framework'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoDjango())\n"
        "from remediation.management import offline\n"
        "sys.exit(offline.main(sys.argv[1:]))\n"
    )
    arguments = [str(VECTORS / "evidence_ok.json"), *TRUST]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("HOLDS\n")
