"""The wheel holds exactly the files of the three packages and of locale/."""

from __future__ import annotations

import configparser
from pathlib import Path
from zipfile import ZipFile

from tests.packaging.conftest import ROOT, tracked

# Files that have another place in the wheel than in the tree.
INSIDE = {"hitlportal/": "hitlportal/", "remediation/": "remediation/", "audit/": "audit/"}
INSIDE |= {"locale/": "hitlportal/locale/"}


def expected() -> dict[str, str]:
    """Return the path in the tree by the path in the wheel."""
    return {
        there + name.removeprefix(here): name
        for name in tracked()
        for here, there in INSIDE.items()
        if name.startswith(here)
    }


def test_every_file_of_the_packages_is_in_the_wheel_byte_by_byte(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert held == set(expected())
        for name, source in expected().items():
            assert archive.read(name) == (ROOT / source).read_bytes(), name
    kinds = {Path(name).suffix for name in held}
    assert {".html", ".css", ".js", ".sql", ".json", ".po", ".yaml", ".csv", ".toml"} <= kinds


def test_the_wheel_installs_one_command_and_offers_two_extras_to_operators(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        (points,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        said = archive.read(metadata).decode()
        scripts = configparser.ConfigParser()
        scripts.read_string(archive.read(points).decode())
    assert dict(scripts["console_scripts"]) == {"hitlportal": "hitlportal.command_line:main"}
    assert {"Provides-Extra: aws", "Provides-Extra: demo"} <= set(said.splitlines())
