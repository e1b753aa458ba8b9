"""`hitlportal doctor`: one test a symptom."""

from __future__ import annotations

import subprocess
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error as DatabaseError
from pytest_django import Settings

from hitlportal import doctor, places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.ports import free_port
from hitlportal.demo.servers.valkey import ValkeyServer
from remediation import models as m
from remediation.services.actors import ProcessActor
from remediation.services.execution import freeze
from remediation.services.outbox import dispatch
from tests import factories
from tests.domain import record
from tests.factories import WORKER
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> World:
    """Return a portal on which nothing is wrong: people who decide, a log, a sweep just now."""
    made = World(tmp_path, settings)
    with factories.acting("hitl_web"):
        factories.person("ada", roles=["user_admin"])
    settings.PROCESS, settings.ALLOW_TEST_ACTIONS = "worker", True
    made.integrate()
    cache.clear()
    with acts(WORKER):
        dispatch.sweep()
    return made


def wrong() -> list[str]:
    """Return what the doctor finds with the worker's login, without what to do."""
    with acts(WORKER):
        found = list(doctor.examine())
    assert all(each.to_do for each in found)
    warned = "actions for tests"
    return [each.wrong for each in found if not each.wrong.startswith(warned)]


def one(part: str) -> bool:
    """Return whether exactly one thing is wrong, and the text is in it."""
    (said,) = wrong()
    return part in said


def test_nothing_is_wrong_where_all_is_well(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "UNSIGNED_S", -1)  # as if all were old
    assert wrong() == []


def test_clocks_that_differ(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = doctor.time.time() + 60
    monkeypatch.setattr(doctor.time, "time", lambda: now)
    assert one("clock_skew")


def test_a_freeze(site: World) -> None:
    with acts(WORKER):
        freeze.freeze(actor=ProcessActor("operator:test"), reason="a drill")
    assert one("execution is frozen since")


def test_a_sequencer_that_does_not_sign(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with factories.acting("hitl_web"):
        factories.person("later")
    assert wrong() == []  # it may take a moment
    monkeypatch.setattr(doctor, "UNSIGNED_S", -1)
    assert one("the log's head is old")


def test_a_head_that_the_policy_does_not_accept(
    site: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "UNSIGNED_S", -1)
    other = record.POLICY.dump().splitlines()[0]
    witness = "witness w1 " + other.removeprefix("log ").split()[0]
    text = record.POLICY.dump().replace("quorum none", f"{witness}\nquorum w1")
    Path(site.settings.AUDIT_POLICY_FILE).write_text(text)
    (said,) = wrong()
    assert "policy" in said


def test_a_beat_or_sweeper_that_is_away(site: World) -> None:
    cache.clear()
    assert one("nothing was swept")


def test_a_cache_that_is_really_stopped(site: World, settings: Settings) -> None:
    # Another account runs the server, and cannot enter pytest's directory.
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-doctor-"))
    directory.chmod(0o711)
    valkey = ValkeyServer(directory / "valkey")
    valkey.start()
    try:
        default = {**settings.CACHES["default"], "LOCATION": valkey.url()}
        settings.CACHES = {**settings.CACHES, "default": default}
        with acts(WORKER):
            dispatch.sweep()
        assert wrong() == []
    finally:
        valkey.stop()
        remove_home(directory)
    assert one("the cache cannot be used")


def test_work_that_no_worker_takes(site: World) -> None:
    proposal = factories.proposal()
    site.integrate()
    assert not [said for said in wrong() if "waits" in said]
    for row in m.OutboxMessage.objects.filter(proposal=proposal):
        factories.backdate(row, seconds=300)
    (said, *more) = [said for said in wrong() if "services" not in said]
    assert "x assess waits" in said and str(proposal.pk) in said and not more


def test_what_is_approved_and_idle_says_why(site: World) -> None:
    proposal_id = site.approved()
    site.integrate()
    for row in m.OutboxMessage.objects.all():
        factories.backdate(row, seconds=300)
    assert one("1 approved and idle") and "the gate was not asked" in wrong()[0]
    Path(site.settings.AUDIT_POLICY_FILE).write_text("log nonsense\n")
    site.execute(proposal_id)
    assert "the gate says audit_unavailable" in wrong()[-1]


def test_nobody_administers_and_nobody_decides(site: World) -> None:
    m.User.objects.filter(username="ada").update(is_active=False)
    assert one("nobody can administer")
    m.User.objects.filter(username="ada").update(is_active=True)
    site.end_key_of("bob")
    site.end_key_of("eve")
    assert one("nobody can decide as service_owner")


def test_a_service_on_which_nobody_decides(site: World) -> None:
    with factories.acting("hitl_web"):
        factories.service("lonely")
    assert one("nobody can decide on 1 services: lonely")


def test_rows_that_may_not_be_read_are_a_finding(
    site: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise DatabaseError("permission denied\nfor table x")

    monkeypatch.setattr(doctor, "LOOKS", (refused,))
    assert one("refused could not be asked: permission denied for table x")


def test_the_command_says_it_in_words_and_by_its_status(site: World) -> None:
    said = StringIO()
    site.settings.ALLOW_TEST_ACTIONS = False
    (site.directory / "targets.toml").write_text("")
    with acts(WORKER):
        call_command("doctor", stdout=said)
        assert said.getvalue() == "Nothing is wrong.\n"
        cache.clear()
        with pytest.raises(SystemExit) as end:
            call_command("doctor", stdout=said)
    assert end.value.code == 1 and "WRONG  nothing was swept" in said.getvalue()
    site.settings.PROCESS = "web"
    with pytest.raises(CommandError, match="HITL_PROCESS=worker"):
        call_command("doctor")


def test_with_no_server_at_all_it_names_each_and_gives_no_traceback(tmp_path: Path) -> None:
    away = f"127.0.0.1:{free_port()}"
    done = subprocess.run(
        places.command("doctor"),
        cwd=places.START,
        env=inherited() | {
            "HITL_PROCESS": "worker",
            "HITL_SECRET_KEY": "x" * 60,
            "HITL_ORIGIN": "https://portal.example",
            "HITL_DATABASE_URL": f"postgresql://hitl_worker:a-secret@{away}/hitlportal",
            "HITL_BROKER_URL": f"redis://:a-secret@{away}/0",
            "HITL_CACHE_URL": f"redis://:a-secret@{away}/1",
            "HITL_EMAIL_HOST": "127.0.0.1",
            "HITL_EMAIL_PORT": away.rpartition(":")[2],
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    for server in ("the database does not answer", "the broker", "the cache", "the mail server"):
        assert f"WRONG  {server}" in done.stdout
    assert "a-secret" not in done.stdout
