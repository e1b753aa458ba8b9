"""`hitlportal`: help needs no settings, and missing settings are named at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hitlportal import __version__, command_line, env
from hitlportal.variables import PROCESSES, VARIABLES, required_by

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(
    path.stem
    for package in ("hitlportal", "remediation", "audit")
    for path in (ROOT / package / "management" / "commands").glob("[!_]*.py")
)


OUTSIDE_DJANGO = ("verify_evidence", "audit_witness", "demo", "health")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the tree with only these variables of ours."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_help_of_every_command_needs_no_settings() -> None:
    """In one process: Django reads its settings once, so all commands but those outside Django."""
    script = (
        "import sys; from hitlportal.command_line import main\n"
        "for name in sys.argv[1:]:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0, name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *COMMANDS, *OUTSIDE_DJANGO],
        cwd=ROOT,
        # An invalid value does not stop it either.
        env={"PATH": os.environ["PATH"], "HITL_PROCESS": "nothing", "HITL_DEBUG": "perhaps"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("usage: ") == len(COMMANDS) + len(OUTSIDE_DJANGO)


def test_the_list_of_commands_needs_no_settings() -> None:
    script = (
        "from hitlportal.command_line import main\n"
        "for asked in ([], ['help'], ['--help']): assert main(asked) == 0; print('==')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lists = done.stdout.split("==")[:3]
    for listed in lists:
        names = {*COMMANDS, "migrate", "check", *OUTSIDE_DJANGO}
        assert names <= set(listed.split())


@pytest.mark.parametrize(
    ("process", "needed"),
    [
        ("", {"PROCESS", "SECRET_KEY", "DATABASE_URL", "BROKER_URL", "CACHE_URL", "ORIGIN"}),
        ("web", {"SECRET_KEY", "DATABASE_URL", "BROKER_URL", "CACHE_URL", "ORIGIN"}),
        ("sequencer", {"DATABASE_URL", "ORIGIN"}),
    ],
)
def test_all_missing_settings_are_named_at_once(
    process: str, needed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    if process:
        monkeypatch.setenv("HITL_PROCESS", process)
    with pytest.raises(env.ConfigurationError) as missing:
        env.require_all()
    first, *lines = str(missing.value).splitlines()
    assert first == "these settings are missing:"
    assert {line.split()[0] for line in lines} == {f"HITL_{name}" for name in needed}


def test_a_command_without_settings_gives_a_message_and_no_traceback() -> None:
    done = run("migrate", HITL_PROCESS="web")
    assert done.returncode == 1
    assert done.stdout == ""
    first, *lines = done.stderr.splitlines()
    assert first == "hitlportal: these settings are missing:"
    assert [line.split()[0] for line in lines] == [each.name for each in required_by("web")][1:]


def test_a_secret_in_a_file_is_not_missing_and_an_invalid_value_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "url").write_text("postgresql://hitl_sequencer:x@127.0.0.1:1/none")
    given = {
        "HITL_PROCESS": "sequencer",
        "HITL_DATABASE_URL_FILE": str(tmp_path / "url"),
        "HITL_ORIGIN": "https://portal.example",
    }
    assert run("check", **given).returncode == 0
    done = run("check", **given, HITL_AUDIT_WAIT_MS="soon")
    assert done.returncode == 1
    assert done.stderr == "hitlportal: HITL_AUDIT_WAIT_MS must be a whole number, not 'soon'\n"
    done = run("check", **given, HITL_DATABASE_URL="x")
    assert (
        done.stderr
        == "hitlportal: HITL_DATABASE_URL and HITL_DATABASE_URL_FILE are both set; keep one\n"
    )


def test_a_database_that_is_away_gives_one_line_and_no_traceback() -> None:
    done = run(
        "freeze",
        "status",
        HITL_PROCESS="worker",
        HITL_SECRET_KEY="x" * 60,
        HITL_ORIGIN="https://portal.example",
        HITL_BROKER_URL="redis://127.0.0.1:1/0",
        HITL_CACHE_URL="redis://127.0.0.1:1/1",
        HITL_DATABASE_URL="postgresql://hitl_worker:a-secret@127.0.0.1:1/none",
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hitlportal: the database does not answer: ")
    assert len(done.stderr.splitlines()) == 1 and "a-secret" not in done.stderr


def test_install_roles_asks_for_the_superusers_url_alone(tmp_path: Path) -> None:
    done = run("install_roles", "--passwords", str(tmp_path / "passwords"))
    assert done.returncode == 1
    assert done.stderr.startswith("hitlportal: HITL_SUPERUSER_DATABASE_URL is not set")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "passwords").exists()


def test_option_and_command_print_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    for asked in ("--version", "version"):
        assert command_line.main([asked]) == 0
        assert capsys.readouterr().out == f"hitlportal {__version__}\n"


def test_every_process_names_the_settings_that_it_needs() -> None:
    for process in PROCESSES:
        assert {each.name for each in required_by(process)} == {
            name
            for name, each in VARIABLES.items()
            if each.default is None and process in each.used_by
        }
    assert {each.name for each in required_by("beat")} == {"HITL_PROCESS", "HITL_BROKER_URL"}
