"""The package, the command line, the API's description and the changelog have one version."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

import hitlportal
from tests.packaging.conftest import ROOT, tracked


def test_the_changelog_has_a_heading_for_this_version() -> None:
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] == hitlportal.__version__


def test_the_package_and_the_api_have_this_version(wheel: Path) -> None:
    assert wheel.name == f"hitlportal-{hitlportal.__version__}-py3-none-any.whl"
    info = SchemaGenerator().get_schema(public=True)["info"]
    assert info["x-hitlportal-version"] == hitlportal.__version__
    # The API has its own version, for agents.
    assert info["version"] == settings.SPECTACULAR_SETTINGS["VERSION"] == "1"


def test_no_other_file_of_the_product_names_the_version() -> None:
    named = {
        name
        for name in tracked()
        if name.endswith((".py", ".toml")) and not name.startswith("tests/")
        if f'"{hitlportal.__version__}"' in (ROOT / name).read_text(encoding="utf-8")
    }
    assert named == {"hitlportal/__init__.py"}
