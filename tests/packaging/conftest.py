"""Build a wheel and install it in an environment, once for all workers of a test run."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = ("--quiet", "--no-index", "--no-deps")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a directory that all workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "packaging"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def wheel(shared: Path) -> Path:
    """Build the wheel from the source distribution of the tracked files."""
    with _once(shared / "wheel") as missing:
        if missing:
            _build(shared)
    (made,) = shared.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installed(shared: Path, wheel: Path) -> Path:
    """Return the `bin` of a fresh environment with the wheel, which uses the locked packages of the
    environment that runs the tests: no test reaches a registry."""
    home = shared / "environment"
    with _once(shared / "installed") as missing:
        if missing:
            venv.create(home, symlinks=True)
            (packages,) = home.glob("lib/python3*/site-packages")
            locked = [path for path in sys.path if Path(path).name == "site-packages"]
            (packages / "locked.pth").write_text("\n".join(locked) + "\n")
            pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
            _run([*pip, "install", *NO_NETWORK, str(wheel)], shared)
    return home / "bin"


def tracked() -> list[str]:
    """Return the files that a commit of this tree would hold, by path below the root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(name for name in set(listed.stdout.splitlines()) if (ROOT / name).is_file())


@contextmanager
def _once(mark: Path) -> Iterator[bool]:
    """Let one worker in at a time; yield True for the first."""
    with mark.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not mark.with_suffix(".done").exists()
        mark.with_suffix(".done").touch()


def _build(place: Path) -> None:
    source = place / "source"
    for name in tracked():
        if not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    build = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    _run([sys.executable, "-c", build], source)
    (packed,) = (source / "dist").glob("*.tar.gz")
    _run(["tar", "--extract", "--file", str(packed)], place)
    pip = [sys.executable, "-m", "pip", "wheel", *NO_NETWORK, "--no-build-isolation"]
    _run([*pip, "--wheel-dir", "..", "."], place / packed.name.removesuffix(".tar.gz"))


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
