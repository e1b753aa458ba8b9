"""`/livez` and `/readyz`: any Host, no details, and no thread is kept by a server that hangs."""

from __future__ import annotations

import threading
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from pytest_django import Settings

from hitlportal import probes
from hitlportal.demo.servers.valkey import ValkeyServer
from hitlportal.probes import Probes, Readiness


@pytest.fixture(autouse=True)
def _keep_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's transaction is on the connection that the web process would look after."""
    monkeypatch.setattr(probes, "close_old_connections", lambda: None)


def asked(application: Probes, path: str, method: str = "GET", host: str = "10.0.0.7") -> str:
    """Return status and body of one request, as a server asks for it."""
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_HOST": host}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    body = application(environ, lambda status, headers, *_: statuses.append(status) or print)  # type: ignore[func-returns-value]
    return f"{statuses[0]} {b''.join(body).decode()}".strip()


def refuse(*_: object) -> list[bytes]:
    raise AssertionError("a probe came to Django")


@pytest.mark.django_db
def test_both_answer_any_host_without_django() -> None:
    portal = Probes(refuse)
    assert asked(portal, "/livez") == "200 OK ok"
    assert asked(portal, "/readyz") == "200 OK ok"
    assert asked(portal, "/readyz", "HEAD") == "200 OK"
    assert asked(portal, "/readyz", "POST").startswith("405 ")
    with pytest.raises(AssertionError):
        asked(portal, "/readyz/")


@pytest.mark.filterwarnings("ignore:No directory at")  # of static files
def test_the_web_process_answers_them() -> None:
    from hitlportal.wsgi import application

    assert asked(application, "/livez") == "200 OK ok"
    assert isinstance(application._application, WSGIHandler)


@pytest.mark.django_db
def test_a_cache_that_is_away_is_named_in_the_log_alone(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path_factory.mktemp("valkey")
    for part in (directory, *directory.parents[:2]):
        part.chmod(0o711)
    server = ValkeyServer(directory / "server")
    server.start()
    try:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": server.url()}}
        portal = Probes(refuse)
        assert asked(portal, "/readyz") == "200 OK ok"
        server.stop()
        portal = Probes(refuse)  # the first one's answer counts for a second
        assert asked(portal, "/readyz") == "503 Service Unavailable not ready"
        assert "not ready: the cache does not answer" in caplog.text
        assert server.url() not in caplog.text
        assert asked(portal, "/livez") == "200 OK ok"
        server.start()
        assert asked(Probes(refuse), "/readyz") == "200 OK ok"
    finally:
        server.stop()
        cache.close()


@pytest.mark.django_db
def test_a_database_that_is_away_is_a_problem_and_no_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = connections.create_connection("default")
    away.settings_dict = {**away.settings_dict, "PORT": "1"}
    monkeypatch.setattr(probes, "connection", away)
    assert "does not answer" in probes.database_problem()


def test_one_thread_asks_and_the_others_do_not_wait() -> None:
    asks, go_on, began = [0], threading.Event(), threading.Event()

    def hang() -> str:
        asks[0] += 1
        began.set()
        go_on.wait(30)
        return ""

    readiness = Readiness(hang)
    first = threading.Thread(target=readiness.ready)
    first.start()
    assert began.wait(30)
    assert [readiness.ready() for _ in range(100)] == [False] * 100  # at once
    go_on.set()
    first.join()
    assert readiness.ready() and asks == [1]


def test_a_server_that_hangs_for_long_makes_the_last_answer_worthless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(probes.time, "monotonic", lambda: clock[0])
    readiness = Readiness(lambda: "")
    assert readiness.ready()
    clock[0] += 2
    readiness._asking.acquire()  # another thread asks, and gets no answer
    readiness._begun = clock[0]
    assert readiness.ready()
    clock[0] += probes.PATIENCE_S
    assert not readiness.ready()
