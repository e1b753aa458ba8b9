"""`check --deploy` of a worker reads the targets file, and names what is not installed for it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from pytest_django import Settings

from hitlportal.target_checks import check_targets
from remediation.executors import libraries
from remediation.executors.registry import DRIVERS

FILE = """
[store.files]
kind = "file"
directory = "/srv"

[aws.123456789012]
region = "eu-central-1"
observe_access_key_id = "A"
observe_secret_access_key = "b"
operate_access_key_id = "C"
operate_secret_access_key_file = "operate"
"""


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "targets.toml"
    settings.TARGETS_FILE, settings.PROCESS = str(path), "worker"
    return path


def found() -> list[tuple[str | None, str]]:
    return [(one.id, one.msg) for one in check_targets()]


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(FILE)
    assert found() == []
    monkeypatch.setattr(libraries, "find_spec", lambda name: None if name == "boto3" else True)
    assert found() == [
        (
            "hitlportal.E015",
            "[aws] of the targets file: boto3 is missing; install hitlportal[aws]",
        )
    ]


def test_a_file_that_cannot_be_used_is_an_error(file: Path) -> None:
    (code, text), = found()  # fmt: skip
    assert code == "hitlportal.E014" and "targets.toml" in text
    file.write_text("[unknown]\n")
    assert found()[0] == ("hitlportal.E014", f"{file}: unknown unknown")


def test_only_a_worker_asks(file: Path, settings: Settings) -> None:
    settings.PROCESS = "web"
    assert found() == []


def test_every_library_of_a_driver_is_an_extra_and_is_installed_here() -> None:
    extras = {library.extra for driver in DRIVERS.values() for library in driver.needs}
    assert extras >= {"aws", "openbao"}
    for driver in DRIVERS.values():
        for library in driver.needs:
            assert find_spec(library.module) is not None
