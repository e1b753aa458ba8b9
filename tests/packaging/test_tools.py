"""Developers' tools run the same commands, and their help is correct."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from hitlportal.development import check_locks
from tests.packaging.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def recipe(target: str) -> list[str]:
    """Return the commands of a target, as a shell gets them."""
    done = subprocess.run(
        # As if .venv were built: the commands that build it are left out.
        ["make", "--no-print-directory", "--dry-run", "--old-file", ".venv/.installed", target],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_the_hooks_and_make_check_run_the_same_commands() -> None:
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in configuration["repos"]] == ["local"]
    (hooks,) = (repository["hooks"] for repository in configuration["repos"])
    assert [hook["entry"] for hook in hooks] == recipe("check")
    assert all(hook["language"] == "system" for hook in hooks)  # nothing is downloaded


def test_the_help_names_every_target_and_no_other() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    helped = set(re.findall(r"^# make (\w+)", MAKEFILE, re.MULTILINE))
    assert set(phony.split()) - {"test-embedded", "test-machine"} == helped


def test_make_test_prints_the_slowest_ten_and_ci_stops_after_45_minutes() -> None:
    runs = [line for line in recipe("test") if " -m pytest " in line]
    assert runs and all("--durations=10" in line for line in runs)
    assert "limit=2700 " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_locks_hold_hashes_and_name_no_host() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]) - {"demo", "test", "mutation"}  # fmt: skip
    assert {path.name for path in ROOT.glob("requirements*.txt")} == {
        "requirements.txt", "requirements-dev.txt", "requirements-mutation.txt",
        *(f"requirements-{extra}.txt" for extra in extras),
    }  # fmt: skip
    assert list(check_locks.problems(ROOT)) == []
    pins = {
        path.name: set(check_locks.PIN.findall(path.read_text(encoding="utf-8")))
        for path in ROOT.glob("requirements*.txt")
    }
    for extra in extras:
        # "requests" is a requirement of the production, too.
        assert pins["requirements.txt"] <= pins[f"requirements-{extra}.txt"]
        assert pins[f"requirements-{extra}.txt"] < pins["requirements-dev.txt"]
    assert pins["requirements.txt"] < pins["requirements-mutation.txt"]
    added = {name for name, _ in pins["requirements-aws.txt"] - pins["requirements.txt"]}
    assert "boto3" in added
    assert {name for name, _ in pins["requirements.txt"]}.isdisjoint({"boto3", "moto", "pytest"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a==1 \\\n    --hash=sha256:00\n", []),
        ("a==1\n", ["requirements.txt has no hash of a"]),
        ("a @ https://host/a.whl\n", ["names a host", "pins no version"]),
        ("--index-url x\n", ["pins no version"]),
        ("a>=1 \\\n    --hash=sha256:00\n", ["pins no version"]),
    ],
)
def test_an_invalid_lock_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "requirements.txt").write_text("# made by uv\n" + text)
    said = list(check_locks.problems(tmp_path))
    assert len(said) == len(found)
    assert all(part in line for part, line in zip(found, said, strict=True))


def test_two_locks_with_two_versions_are_found(tmp_path: Path) -> None:
    for name, version in (("requirements.txt", "1"), ("requirements-aws.txt", "2")):
        (tmp_path / name).write_text(f"a=={version} \\\n    --hash=sha256:00\n")
    (said,) = check_locks.problems(tmp_path)
    assert said.startswith("a has several versions")
