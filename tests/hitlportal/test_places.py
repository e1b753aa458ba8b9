"""A source tree and an installed copy are distinguished, and each finds its own files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hitlportal import places

ROOT = Path(__file__).resolve().parents[2]


def test_this_checkout_is_a_source_tree() -> None:
    assert places.SOURCE_TREE == places.START == ROOT
    assert places.LOCALE == ROOT / "locale"
    assert places.data(".demo") == ROOT / ".demo"
    assert places.command("check", "--deploy") == [
        sys.executable, str(ROOT / "manage.py"), "check", "--deploy"
    ]  # fmt: skip


def test_site_packages_are_no_source_tree_even_with_files_of_other_packages(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "hitlportal"
    package.mkdir(parents=True)
    (package.parent / "manage.py").touch()
    assert places._source_tree(package) is None


def test_an_installed_copy_runs_as_a_module_and_keeps_data_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SOURCE_TREE", None)
    monkeypatch.chdir(tmp_path)
    assert places.command("check") == [sys.executable, "-m", "hitlportal", "check"]
    assert places.data(".demo") == tmp_path / ".demo"
