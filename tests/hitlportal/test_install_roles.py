"""`install_roles` uses the named database and keeps each login's password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from hitlportal import roles

SUPERUSER = "postgresql://postgres:x@127.0.0.1:1/postgres"


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Record the calls instead of changing the cluster, which other tests share."""
    calls: list[tuple[Any, ...]] = []
    for name in ("create_logins", "create_database", "narrow_database"):
        monkeypatch.setattr(roles, name, lambda *given, name=name: calls.append((name, *given)))
    monkeypatch.setenv("HITL_SUPERUSER_DATABASE_URL", SUPERUSER)
    return calls


def test_the_database_is_named_by_an_option(done: list[tuple[Any, ...]], tmp_path: Path) -> None:
    for options, name in (((), "hitlportal"), (("--database", "other"), "other")):
        done.clear()
        call_command("install_roles", "--passwords", str(tmp_path / "passwords"), *options)
        assert [call[0] for call in done] == ["create_logins", "create_database", "narrow_database"]
        assert done[1][1:] == (SUPERUSER, name)
        assert done[2][1:] == (f"postgresql://postgres:x@127.0.0.1:1/{name}", name)


def test_passwords_are_private_and_kept(done: list[tuple[Any, ...]], tmp_path: Path) -> None:
    for _ in range(2):
        call_command("install_roles", "--passwords", str(tmp_path / "passwords"))
    first, second = (call[2] for call in done if call[0] == "create_logins")
    assert first == second
    assert set(first) == set(roles.PROCESS_LOGINS)
    assert (tmp_path / "passwords").stat().st_mode & 0o777 == 0o700
    for login, password in first.items():
        file = tmp_path / "passwords" / login
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text() == password
