"""A wheel, built once for all workers of a test run, from a copy of the tree."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The wheel, made from the source distribution that is made from the tracked files."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    place = shared / "wheel"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(place.glob("*.whl")):
            _build(place)
    (made,) = place.glob("*.whl")
    return made


def tracked() -> list[str]:
    """What a commit of this tree would hold, by path below the root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(name for name in set(listed.stdout.splitlines()) if (ROOT / name).is_file())


def _build(place: Path) -> None:
    source = place / "source"
    for name in tracked():
        if not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    build = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    _run([sys.executable, "-c", build], source)
    (packed,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(place, filter="data")
    unpacked = place / packed.name.removesuffix(".tar.gz")
    _run([sys.executable, "-m", "pip", "wheel", *NO_NETWORK, "--wheel-dir", "..", "."], unpacked)


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
