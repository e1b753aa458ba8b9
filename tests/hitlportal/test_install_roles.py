"""`install_roles` uses the named database and keeps each login's password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hitlportal import login_addresses, roles

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


def test_each_process_gets_the_address_that_it_wants(
    done: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    places = ("--passwords", str(tmp_path / "passwords"), "--credentials", str(tmp_path / "etc"))
    call_command("install_roles", *places, "--address", "db.example:5433")
    files = {f"{file.parent.name}/{file.name}": file for file in (tmp_path / "etc").glob("*/*")}
    assert sorted(files) == [
        *("eraser/HITL_DATABASE_URL", "operator/HITL_DATABASE_URL", "owner/HITL_DATABASE_URL"),
        "sequencer/HITL_DATABASE_URL",
        *("web/HITL_AUDITOR_DATABASE_URL", "web/HITL_DATABASE_URL", "worker/HITL_DATABASE_URL"),
    ]
    for file in files.values():
        assert file.stat().st_mode & 0o777 == 0o400
        assert file.parent.stat().st_mode & 0o777 == 0o700
    password = (tmp_path / "passwords" / "hitl_auditor").read_text()
    url = files["web/HITL_AUDITOR_DATABASE_URL"].read_text()
    assert url == f"postgresql://hitl_auditor:{password}@db.example:5433/hitlportal"


def test_an_address_that_somebody_changed_is_kept_and_named(
    done: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ("--passwords", str(tmp_path / "passwords"), "--credentials", str(tmp_path / "etc"))
    call_command("install_roles", *places)
    pooled = tmp_path / "etc" / "web" / "HITL_DATABASE_URL"
    changed = pooled.read_text().replace("127.0.0.1:1", "pool.example:6432")
    pooled.chmod(0o600)
    pooled.write_text(changed)
    (tmp_path / "passwords" / "hitl_worker").unlink()
    capsys.readouterr()
    call_command("install_roles", *places)
    assert pooled.read_text() == changed
    said = capsys.readouterr().out.splitlines()
    assert f"kept {pooled}" in said
    [other] = [line for line in said if "another login or password" in line]
    assert "worker/HITL_DATABASE_URL" in other


def test_a_superuser_over_a_socket_needs_an_address_and_changes_nothing_without(
    done: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HITL_SUPERUSER_DATABASE_URL", "postgresql:///postgres?host=/run/pg")
    places = ("--passwords", str(tmp_path / "passwords"), "--credentials", str(tmp_path / "etc"))
    with pytest.raises(CommandError, match="--address"):
        call_command("install_roles", *places)
    assert done == [] and not list(tmp_path.iterdir())


def test_every_login_has_a_process() -> None:
    assert set(login_addresses.FILES) == set(roles.PROCESS_LOGINS)
