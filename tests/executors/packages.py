"""Packages as pip leaves them: modules, and a dist-info with their entry points, in a directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "sample_provider"

EntryPoints = Mapping[str, Mapping[str, str]]


def install_sample(site: Path) -> Path:
    """Unpack the sample provider into a directory, as its wheel would be. Returns the directory."""
    project = tomllib.loads((SAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(
        SAMPLE / "acme_badges",
        site / "acme_badges",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    _write_dist_info(site, project["name"], project["version"], project["entry-points"])
    return site


def install(site: Path, name: str, entry_point: Mapping[str, str], source: str) -> Path:
    """A package of one module, whose group names an attribute of it. Returns the directory."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(source, encoding="utf-8")
    groups = {group: {name: f"{module}:{value}"} for group, value in entry_point.items()}
    _write_dist_info(site, name, "0.1", groups)
    return site


def _write_dist_info(site: Path, name: str, version: str, groups: EntryPoints) -> None:
    directory = site / f"{name.replace('-', '_')}-{version}.dist-info"
    directory.mkdir(parents=True)
    (directory / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    lines = []
    for group, points in groups.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (directory / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def python(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process of this environment that has the directory's packages besides."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
