"""A wheel in a separate environment without source tree: install, migrate, execute once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.packaging.conftest import ROOT

FROM_SOURCE = {"PYTHONPATH", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE", "HITL_DEMO_DIR"}


def run(
    installed: Path, directory: Path, *command: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in another directory, without our variables."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FROM_SOURCE and not name.startswith("HITL_")
    }
    return subprocess.run(
        [str(installed / command[0]), *command[1:]],
        cwd=directory,
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # for a busy machine; usually it takes half a minute
    )


def test_nothing_is_read_from_the_source_tree(installed: Path, tmp_path: Path) -> None:
    script = (
        "import hitlportal, remediation, audit, sys; from hitlportal import places;"
        "print(hitlportal.__file__, remediation.__file__, audit.__file__, places.SOURCE_TREE,"
        " places.LOCALE.joinpath('en', 'LC_MESSAGES', 'django.po').is_file());"
        "print(*sys.path)"
    )
    said = run(installed, tmp_path, "python", "-c", script)
    assert said.returncode == 0, said.stderr
    files, path = said.stdout.splitlines()
    *packages, tree, catalog = files.split()
    assert all(Path(each).is_relative_to(installed.parent) for each in packages)
    assert (tree, catalog) == ("None", "True")
    assert str(ROOT) not in path.split()


def test_the_command_runs_anywhere(installed: Path, tmp_path: Path) -> None:
    version = run(installed, tmp_path, "hitlportal", "--version")
    assert (
        version.stdout == run(installed, tmp_path, "python", "-m", "hitlportal", "--version").stdout
    )
    assert version.returncode == 0
    missing = run(installed, tmp_path, "hitlportal", "migrate")
    assert missing.returncode == 1
    assert "HITL_DATABASE_URL" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_static_files_can_be_collected(installed: Path, tmp_path: Path) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "hitlportal.placeholder_settings"}
    done = run(installed, tmp_path, "hitlportal", "collectstatic", "--no-input", **settings)
    assert done.returncode == 0, done.stderr
    for name in ("hitlportal/passkey.js", "hitlportal/theme.css", "admin/css/base.css"):
        assert (tmp_path / "staticfiles" / name).is_file()


def test_the_verifier_for_auditors_can_be_built(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "python", "-m", "audit.verifier", "audit-verify.pyz")
    assert done.returncode == 0, done.stderr
    said = run(installed, tmp_path, "python", "-I", "-S", "audit-verify.pyz", "--help")
    assert said.returncode == 0


def test_an_installed_copy_carries_a_report_through_to_execution(
    installed: Path, tmp_path: Path
) -> None:
    """Servers, logins, migrate, grants, `check --deploy`, all processes; a report over HTTP, two
    passkeys, the effect at a real server, the evidence replayed."""
    done = run(installed, tmp_path, "hitlportal", "demo", "--brief")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "FAIL" not in said
    checked = [line for line in said.splitlines() if line.startswith("OK ")]
    for what in ("3  before approval", "7  bob approved", "10  role svc_reports is refused",
                 "11  proposal", "25  evidence of"):  # fmt: skip
        assert any(what in line for line in checked), (what, said)
    assert list(tmp_path.iterdir()) == []
