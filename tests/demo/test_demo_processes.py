"""Each process of the demo has only its own secrets, also in Valkey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import redis

from hitlportal.demo.installation import Installation, inherited
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.auditlog import AuditLog
from hitlportal.demo.servers.broker import BROKER, CACHE, Broker
from hitlportal.demo.servers.servers import Servers, ValkeyServer
from hitlportal.demo.settings import Settings
from hitlportal.roles import PROCESS_LOGINS

# Keys of Django's session engine and of kombu.
SESSION = "hitl:1:django.contrib.sessions.cache0123"
QUEUE = "execute"
LOGINS = {login: f"password-of-{login}" for login in PROCESS_LOGINS}


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()
    remove_home(server.home)


@pytest.fixture
def broker(valkey: ValkeyServer) -> Broker:
    return Broker(valkey)


@pytest.fixture
def settings(tmp_path: Path, valkey: ValkeyServer, broker: Broker) -> Settings:
    (tmp_path / "passwords").mkdir()
    for login, password in LOGINS.items():
        (tmp_path / "passwords" / login).write_text(password)
    servers = SimpleNamespace(valkey=valkey, portal=SimpleNamespace(port=1))
    installation = Installation(tmp_path, cast(Servers, servers), "http://localhost:8000")
    return Settings(tmp_path, installation, broker, AuditLog(tmp_path))


def passwords_in(environment: dict[str, str]) -> set[str]:
    text = " ".join(environment.values())
    return {login for login, password in LOGINS.items() if f"{password}@" in text}


def test_the_web_process_sees_neither_targets_nor_approvers(settings: Settings) -> None:
    seen = settings.web()
    assert not {"HITL_TARGETS_FILE", "HITL_APPROVERS_FILE"} & set(seen)
    assert passwords_in(seen) == {"hitl_web", "hitl_auditor"}


def test_the_worker_has_a_login_and_a_secret_key_of_its_own(settings: Settings) -> None:
    worker, web = settings.worker(), settings.web()
    assert passwords_in(worker) == {"hitl_worker"}
    keys = [Path(seen["HITL_SECRET_KEY_FILE"]).read_text() for seen in (worker, web)]
    assert keys[0] != keys[1]


def test_beat_has_the_brokers_address_and_no_other_secret(settings: Settings) -> None:
    own = set(settings.beat()) - set(inherited())
    assert own == {"HITL_PROCESS", "HITL_BROKER_URL", "HITL_BEAT_SCHEDULE"}


def test_the_sequencer_alone_has_the_key_of_the_log(settings: Settings) -> None:
    """It has no broker, cache or session key; no other process gets the log's key."""
    own = settings.sequencer()
    assert passwords_in(own) == {"hitl_sequencer"}
    assert not {"HITL_BROKER_URL", "HITL_CACHE_URL", "HITL_SECRET_KEY_FILE"} & set(own)
    assert "HITL_AUDIT_KEY" in own
    for other in (settings.web(), settings.worker(), settings.beat()):
        assert "HITL_AUDIT_KEY" not in other


@pytest.mark.parametrize("process", ["worker", "beat"])
def test_a_session_can_be_read_by_the_web_alone(broker: Broker, process: str) -> None:
    with redis.Redis.from_url(broker.url("web", CACHE)) as web:
        web.set(SESSION, "signed in")
        assert web.get(SESSION) == b"signed in"
    with redis.Redis.from_url(broker.url(process, CACHE)) as other:
        with pytest.raises(redis.exceptions.NoPermissionError):
            other.get(SESSION)
        with pytest.raises(redis.exceptions.NoPermissionError):
            other.keys("*")


@pytest.mark.parametrize("process", ["web", "worker", "beat"])
def test_web_worker_and_beat_reach_the_queues(broker: Broker, process: str) -> None:
    with redis.Redis.from_url(broker.url(process, BROKER)) as client:
        client.lpush(QUEUE, "an id")
        assert client.llen(QUEUE) == 1


ADMINISTERING: list[Callable[[redis.Redis], object]] = [
    lambda client: client.flushall(),
    lambda client: client.config_set("requirepass", ""),
    lambda client: client.acl_setuser("hitl_beat", enabled=True, nopass=True),
]


@pytest.mark.parametrize("process", ["web", "worker", "beat"])
@pytest.mark.parametrize("act", ADMINISTERING)
def test_no_process_administers_the_server(
    broker: Broker, process: str, act: Callable[[redis.Redis], object]
) -> None:
    with (
        redis.Redis.from_url(broker.url(process, BROKER)) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        act(client)
