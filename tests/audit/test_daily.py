"""The daily verification records and notifies its result, whatever it meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core import mail
from django.db import DataError, connection
from pytest_django import Settings

from audit import fsck, tasks
from audit.models import Entry
from hitlportal.demo.people.passkey import SoftPasskey
from remediation.domain import b64url
from remediation.domain.act import Act, ActName
from tests import factories, stepup
from tests.audit.conftest import House, hostile, run, tampering
from tests.audit.test_sequencer_processes import url
from tests.conftest import AsLogin


@pytest.fixture(autouse=True)
def _told(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_HEAD_FILE = str(tmp_path / "head")
    settings.AUDIT_ALARM_TO = ["ops@example.org"]


def newest() -> dict[str, Any]:
    return dict(Entry.objects.order_by("-pk")[0].data)


def test_a_log_that_holds_is_on_record(house: House, as_login: AsLogin) -> None:
    house.write(3)
    house.integrate()
    with as_login("hitl_worker"):
        tasks.verify()
    said = newest()
    assert (said["action"], said["data"]["size"]) == ("system:log:verified", 3)
    assert mail.outbox == []


def test_a69_a_forged_entry_is_counted_every_day(
    house: House, as_login: AsLogin, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody switched the guard of entries off; the tree holds all the same."""
    house.write(2)
    for writer in ("hitl_web", "hitl_worker"):
        hostile(
            b'{"action":"worker:halt:verified","actor":"worker:x","at":"","data":{},"object":"",'
            b'"v":1,"writer":"%s"}' % writer.encode()
        )
    house.integrate()
    with as_login("hitl_worker"):
        tasks.verify()
    said = newest()
    assert said["action"] == "system:log:verified"
    assert (said["data"]["forged"], said["data"]["first_forged"]) == (1, [2])
    assert "the first is leaf 2" in caplog.text


def test_a76_power_that_nobody_signed_is_counted_and_told_once(
    house: House, as_login: AsLogin, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody with the web login's password wrote a signature of a passkey of his own."""
    bob, act = factories.person(), Act(ActName.SET_RIGHT, "service:billing", {"held": True})
    checked = stepup.checked(bob, act)
    signed = {"input": act.body().decode(), "step_up": checked.data}
    own = {**checked.data, "cose_key": b64url.encode(SoftPasskey.create().cose_key)}
    for step_up in (checked.data, own):
        with as_login("hitl_web"):
            house.write(
                action="person:right:changed", actor=bob.actor, object=act.object,
                data={**signed, "step_up": step_up},
            )  # fmt: skip
    house.integrate()
    last = Entry.objects.order_by("-pk")[0].pk
    for _ in range(2):
        with as_login("hitl_worker"):
            tasks.verify()
        said = newest()["data"]
        assert said["unsigned"] == 1
        house.integrate()
    with connection.cursor() as cursor:
        cursor.execute("SELECT idx FROM audit.leaf WHERE entry_id = %s", [last])
        (leaf,) = cursor.fetchone()
    assert said["first_unsigned"] == [leaf]
    assert "were not signed by the person" in caplog.text
    (one,) = mail.outbox
    assert f"the last {leaf}" in one.body


def test_a50_a_log_that_does_not_hold_is_on_record_and_notified(
    house: House, as_login: AsLogin
) -> None:
    house.write(3)
    house.integrate()
    with tampering("entry"):
        run("UPDATE audit.entry SET body = '{}'")
    with as_login("hitl_worker"):
        tasks.verify()
    assert newest()["action"] == "system:log:broken"
    assert "leaf 0" in mail.outbox[0].body


@pytest.mark.parametrize("error", [DataError("\0 \ud800 é"), ValueError("x"), OSError("x")])
def test_a_log_that_cannot_be_verified_does_not_hold(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(fsck, "verify", fail)
    tasks.verify()
    assert newest()["action"] == "system:log:broken"
    assert len(mail.outbox) == 1


def test_a43_a_lock_that_another_login_holds_does_not_stop_it(house: House) -> None:
    house.write(1)
    house.integrate()
    before = Entry.objects.count()
    with psycopg.connect(url("hitl_web"), autocommit=True) as web:
        web.execute("SELECT pg_advisory_lock(%s)", [tasks.LOCK])
        tasks.verify()
    assert Entry.objects.count() == before + 1
    assert newest()["action"] == "system:log:verified"
