"""`manage.py demo` as a process: only one at a time on the same data."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "manage.py", "demo", *arguments],
        env={**os.environ, "HITL_DEMO_DIR": str(directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_reset_removes_the_data(tmp_path: Path) -> None:
    (tmp_path / "demo" / "worker").mkdir(parents=True)
    (tmp_path / "demo" / "worker" / "targets.toml").write_text("")
    assert demo(tmp_path / "demo", "--reset").returncode == 0
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("arguments", [(), ("--reset",)])
def test_a_second_demo_on_the_same_data_is_refused_and_touches_nothing(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "data").write_text("kept")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = demo(tmp_path, *arguments)
    assert done.returncode == 1
    assert "is running; end it first" in done.stderr
    assert (tmp_path / "data").read_text() == "kept"
