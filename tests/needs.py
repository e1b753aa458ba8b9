"""Skip a test, or fail it in CI, when the machine lacks a program.

Outside CI the test is skipped and names the missing program. In CI it fails, so that no test
is left out unnoticed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hitlportal.demo.servers.binaries import SYSTEM_POSTGRES


def needs(name: str, present: bool) -> None:
    """Skip the running test, or fail it if CI=true, unless `present`; call it in a fixture."""
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing, and in CI nothing may be", pytrace=False)
    pytest.skip(f"{name} is missing")


def chromium() -> Path:
    """Return the path of the browser, or skip.

    The shell is the same engine without windows and address bar: a fifth of the time less.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    found = next(filter(None, map(shutil.which, names)), None)
    needs("chromium", found is not None)
    return Path(found or "")


def pgbouncer() -> Path:
    """Return the path of the connection pooler, or skip."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    needs("pgbouncer", found is not None)
    return Path(found or "")


def system_postgres(major: int) -> Path:
    """Return the directory of the machine's PostgreSQL programs of this major version."""
    directory = SYSTEM_POSTGRES / str(major) / "bin"
    needs(f"PostgreSQL {major}", (directory / "postgres").exists())
    return directory
