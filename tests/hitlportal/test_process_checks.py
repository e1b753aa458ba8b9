"""`check --deploy` opens what each process needs: one test a thing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from audit import signing
from hitlportal import process_checks
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.ports import free_port
from hitlportal.demo.servers.valkey import ValkeyServer
from remediation.domain.gate.approvers import Approvers

ORIGIN = "portal.example/audit"


@pytest.fixture
def well(tmp_path: Path, settings: Settings) -> Path:
    """Return a directory in which all that a process needs is as it should be."""
    key, vkey = signing.generate(ORIGIN)
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(key)
    (tmp_path / "policy").write_text(f"log {vkey}\nquorum none\n")
    (tmp_path / "approvers").touch(mode=0o600)
    (tmp_path / "approvers").write_bytes(Approvers(()).dump())
    (tmp_path / "targets").write_text("")
    settings.ORIGIN, settings.RP_ID = "https://portal.example", "portal.example"
    settings.ALLOW_TEST_ACTIONS = False
    settings.AUDIT_KEY = f"file:{tmp_path / 'key'}"
    settings.AUDIT_POLICY_FILE = str(tmp_path / "policy")
    settings.AUDIT_HEAD_FILE = str(tmp_path / "head")
    settings.APPROVERS_FILE = str(tmp_path / "approvers")
    settings.TARGETS_FILE = str(tmp_path / "targets")
    settings.PROCESS = "worker"
    return tmp_path


def found() -> list[str]:
    return [f"{one.id}: {one.msg}"[11:] for one in process_checks.check_process()]


def one(part: str) -> bool:
    """Return whether exactly one thing is wrong, and its message holds the text."""
    (message,) = found()
    return part in message


@pytest.mark.parametrize("process", process_checks.EVERY)
def test_nothing_is_wrong_where_all_is_well(well: Path, settings: Settings, process: str) -> None:
    settings.PROCESS = process
    assert found() == []


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("https://portal.example/", "is https://portal.example meant"),
        ("https://portal.example/path", "is no origin"),
        ("https://PORTAL.example", "is no origin"),
        ("https://portal.example:x", "no usable port"),
        ("portal.example", "is no origin"),
        ("http://portal.example", "no TLS"),
        ("https://other.example", "HITL_RP_ID"),
    ],
)
def test_an_origin_that_browsers_do_not_send(
    well: Path, settings: Settings, origin: str, said: str
) -> None:
    settings.PROCESS, settings.ORIGIN = "eraser", origin
    assert one(said)


def test_a_local_origin_needs_no_tls(well: Path, settings: Settings) -> None:
    settings.ORIGIN, settings.RP_ID = "http://localhost:8000", "localhost"
    assert found() == []


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-checks-"))
    directory.chmod(0o711)
    server = ValkeyServer(directory / "valkey")
    server.start()
    yield server
    server.stop()
    remove_home(directory)


@pytest.mark.parametrize("process", ["web", "worker"])
def test_broker_and_cache_are_used_and_no_password_is_said(
    well: Path, settings: Settings, valkey: ValkeyServer, process: str
) -> None:
    settings.PROCESS, settings.BROKER_URL = process, valkey.url()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": valkey.url(1)}}
    assert found() == []
    wrong = valkey.url().replace("redis://:", "redis://:x")
    settings.BROKER_URL = wrong
    assert one("E017: the broker cannot be used")
    settings.BROKER_URL = valkey.url()
    valkey.stop()
    broker, cache = found()
    assert broker.startswith("E017: the broker") and cache.startswith("E018: the cache")
    assert wrong[9:40] not in broker + cache and valkey.url()[9:40] not in broker + cache


def test_a_rabbitmq_that_is_not_there(well: Path, settings: Settings) -> None:
    settings.BROKER_URL = f"amqp://hitl:a-secret@127.0.0.1:{free_port()}//"
    assert one("E017") and "a-secret" not in found()[0]


def test_an_approvers_file_that_is_not_named_missing_or_anybodys(
    well: Path, settings: Settings
) -> None:
    (well / "approvers").chmod(0o666)
    assert one("can be written by group or others")
    settings.APPROVERS_FILE = str(well / "none")
    assert one("E019")
    settings.APPROVERS_FILE = ""
    assert one("has no approvers file")


def test_no_targets_file_is_a_warning(well: Path, settings: Settings) -> None:
    settings.TARGETS_FILE = ""
    assert one("W020")


def test_a_policy_that_cannot_be_read_or_trusts_another_key(well: Path, settings: Settings) -> None:
    for process, number in (("worker", "E021"), ("web", "W021"), ("sequencer", "E021")):
        settings.PROCESS = process
        (well / "policy").write_text("log nonsense\n")
        assert one(f"{number}: HITL_AUDIT_POLICY_FILE")
    (well / "policy").write_text(f"log {signing.generate(ORIGIN)[1]}\nquorum none\n")
    assert one("does not trust the key")
    settings.PROCESS, settings.AUDIT_POLICY_FILE = "worker", ""
    assert one("no audit policy is named")


def test_a_head_that_cannot_be_read_or_written(
    well: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (well / "head").write_text("")
    assert one("E022")
    (well / "head").unlink()
    settings.AUDIT_HEAD_FILE = str(well / "not" / "yet" / "head")
    assert found() == []  # the process makes it
    settings.AUDIT_HEAD_FILE = str(well / "policy" / "head")
    assert one("E022")
    settings.AUDIT_HEAD_FILE = str(well / "head")
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root
    assert one("cannot be written by this account")


def test_a_key_that_is_missing_or_open_to_others(
    well: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROCESS = "sequencer"
    (well / "key").chmod(0o644)
    assert one("can be read by others")
    settings.AUDIT_KEY = "transit:https://127.0.0.1:1/v1/transit/keys/log#name"
    monkeypatch.delenv("HITL_AUDIT_TRANSIT_TOKEN_FILE", raising=False)
    assert one("HITL_AUDIT_TRANSIT_TOKEN_FILE is not set")
    monkeypatch.setenv("HITL_AUDIT_TRANSIT_TOKEN_FILE", str(well / "none"))
    assert one("cannot be read")
    settings.AUDIT_KEY = ""
    assert one("no key of the log")


def test_static_files_that_were_not_collected(well: Path, settings: Settings) -> None:
    settings.PROCESS, settings.WHITENOISE_USE_FINDERS = "web", False
    settings.STATIC_ROOT = well / "static"
    assert one("static files are missing")


def test_files_for_banners_and_channels(well: Path, settings: Settings) -> None:
    settings.CHANNELS_FILE = str(well / "none")
    assert one("E026")
    settings.PROCESS, settings.BANNERS_FILE = "web", str(well / "none")
    assert one("E025")


def test_a_mail_server_that_is_not_there(well: Path, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert one("W027: the mail server 127.0.0.1 cannot be used")


def test_no_login_of_auditors_and_test_actions_are_warnings(
    well: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROCESS = "web"
    settings.ALLOW_TEST_ACTIONS = True
    assert one("W029")
    settings.ALLOW_TEST_ACTIONS = False
    monkeypatch.delitem(settings.DATABASES, "auditor")
    assert one("W028")
