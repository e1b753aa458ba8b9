"""CONTRIBUTING's recipe for a kind of target, performed by a package of its own.

The package lies in sample_provider/ and is installed beside the product, in a process of its own:
nothing of it is imported here, and nothing else in the repository knows its kinds.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.executors import packages

# What the test itself says about the sample.
ABOUT_IT = {"acme_story.py", "acme_settings.py", "test_recipe.py", "packages.py"}

IN_THE_WEB_PROCESS = """
import sys, django; django.setup()
from remediation.domain.catalogue import ACTIONS
import hitlportal.urls, remediation.admin, remediation.api.views
assert "acme.badge.block" in ACTIONS
assert "acme_badges.declaration" in sys.modules
loaded = [n for n in sys.modules if n.startswith(("remediation.executors", "acme_badges.exec"))]
assert not loaded, loaded
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.install_sample(tmp_path_factory.mktemp("site"))


def test_the_recipe_takes_two_files_and_one_contract_fixture() -> None:
    files = {
        path.relative_to(packages.SAMPLE).as_posix()
        for path in packages.SAMPLE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files == {
        "pyproject.toml",  # the entry points
        "acme_badges/declaration.py",
        "acme_badges/executor.py",
        "acme_badges/contract.py",
    }


def test_nothing_else_knows_the_sample() -> None:
    sources = [
        path
        for package in ("remediation", "hitlportal", "audit", "tests")
        for path in (packages.ROOT / package).rglob("*")
        if path.suffix in (".py", ".sql", ".html", ".json", ".js")
        and packages.SAMPLE not in path.parents
        and path.name not in ABOUT_IT
    ]
    assert len(sources) > 500
    assert not [path for path in sources if "acme_badges" in path.read_text("utf-8", "replace")]


def test_the_web_process_loads_the_declaration_and_never_the_code(site: Path) -> None:
    done = packages.python(
        site, "-c", IN_THE_WEB_PROCESS, HITL_PROCESS="web", DJANGO_SETTINGS_MODULE="tests.settings"
    )
    assert done.returncode == 0, done.stderr


def test_it_keeps_to_the_contract_and_runs_from_report_to_effect(site: Path) -> None:
    done = packages.python(
        site,
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("--ds=tests.executors.acme_settings", "-k", "acme"),
        *("tests/executors/test_contract.py", "tests/executors/acme_story.py"),
        PYTEST_ADDOPTS="",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    # Both actions keep to the contract, and the story is whole.
    assert passed is not None and int(passed[1]) >= 2 * 14 + 4, done.stdout
