"""A worker takes only messages of the portal's own form, from real brokers (A72)."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from kombu import Connection, Exchange, Queue

from hitlportal import places, strict
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.valkey import ValkeyServer
from tests.executors.clusters import until
from tests.kills import rabbit

EXECUTE = "remediation.execute"
EMBEDDED = strict.EMBEDDED
EXPIRE = {"task": "remediation.expire", "args": [], "kwargs": {}, "options": {}, "immutable": True}


def message(task: str = EXECUTE, **more: Any) -> dict[str, Any]:
    """Return headers and body as Celery writes them, with changes: `body__`, `type__`, headers."""
    key = str(uuid4())
    return {
        "body": json.dumps(more.pop("body__", [[], {}, EMBEDDED])),
        "content_type": more.pop("type__", "application/json"),
        "content_encoding": more.pop("encoding__", "utf-8"),
        "headers": {
            **strict.FIXED,
            "task": task,
            "id": key,
            "expires": None,
            "timelimit": [None, None],
            **more,
        },
    }


def forged() -> dict[str, dict[str, Any]]:
    """Return one message for each thing that a message could ask for."""
    packed = message(compression="application/x-gzip")
    packed["body"] = zlib.compress(b"x" * 10_000_000)
    return {
        "a foreign task": message("os.system"),
        "a task of another worker": message("remediation.expire"),
        "a task of Celery's own": message("celery.chord_unlock"),
        "no task": message(task__="x") | {"headers": {"id": str(uuid4())}},
        "no headers": message() | {"headers": {}},
        "a task that is no text": message(task={"a": 1}),  # type: ignore[arg-type]
        "no id": message(id=None),
        "an id with a line": message(id="1\n2"),
        "an argument": message(body__=[["5c0f5c0f-0000-4000-8000-000000000000"], {}, EMBEDDED]),
        "a named argument": message(body__=[[], {"a": 1}, EMBEDDED]),
        "a callback": message(body__=[[], {}, {**EMBEDDED, "callbacks": [EXPIRE]}]),
        "an errback": message(body__=[[1], {}, {**EMBEDDED, "errbacks": [EXPIRE]}]),
        "a chain": message(body__=[[], {}, {**EMBEDDED, "chain": [EXPIRE]}]),
        "a chord": message(body__=[[], {}, {**EMBEDDED, "chord": EXPIRE}]),
        "a time limit": message(timelimit=[0.01, 0.01]),
        "no time limit for the worker's": message(timelimit=[None, 300]),
        "a time limit that is none": message(timelimit="x"),
        "a time to begin": message(eta="2099-01-01T00:00:00+00:00"),
        "no time to begin": message(eta={"a": []}),
        "an end that is no time": message(expires="soon"),
        "retries": message(retries=-1),
        "a group": message(group=str(uuid4())),
        "stamps": message(stamps={"a": 1}, stamped_headers=["a"]),
        "an unknown header": message(surprise=1),
        "another body": message(body__={"task": EXECUTE, "args": []}),
        "the first protocol": message(body__={"task": EXECUTE, "id": "1", "args": [], "kwargs": {}})
        | {"headers": {}},
        "no JSON": message() | {"body": "[[], {}"},
        "deep JSON": message() | {"body": "[" * 4000},
        "typed JSON": message(body__={"__type__": "uuid", "__value__": "x"}),
        "much JSON": message() | {"body": "[" + " " * 6000 + "]"},
        "a pickle": message(type__="application/x-python-serialize"),
        "YAML": message(type__="application/x-yaml"),
        "no type": message(type__=None),
        "another encoding": message(encoding__="utf-16"),
        "something packed": packed,
    }


RAW = [
    b"", b"\xff\xfe", b"nonsense", b"[]", b"1", b"null", b"{}", b"[" * 100_000,
    b'{"properties": []}', b'{"properties": {}, "headers": {}, "body": ""}',
    b'{"__type__": "datetime", "__value__": {}}',
    b'{"body": "!", "headers": {}, "properties": {"delivery_tag": ["a"], "delivery_info": {}}}',
    b'{"body": "!", "headers": {}, "properties": {"delivery_tag":'
    b' "5c0f5c0f-0000-4000-8000-000000000000", "body_encoding": "base64", "priority": 0,'
    b' "delivery_info": {"exchange": "", "routing_key": "execute.production"}}}',
]  # fmt: skip


class Worker:
    """A worker at a broker, with what it has done."""

    def __init__(self, directory: Path, url: str, **more: str) -> None:
        self.url, self.done, self.log = url, directory / "done", directory / "log"
        self.queue = f"execute.{more.get('HITL_ENVIRONMENTS', 'production')}"
        self.done.touch()
        argv = [sys.executable, "-m", "celery", "-A", "tests.hitlportal.strict_worker", "worker"]
        argv += ["--queues", "execute,assess", "--concurrency", "1", "-n", "strict@%h"]
        argv += [
            "--without-mingle",
            "--without-gossip",
            "--without-heartbeat",
            "--loglevel",
            "INFO",
        ]
        told = {"HITL_PROCESS": "beat", "HITL_BROKER_URL": url, "TEST_DONE": str(self.done)}
        self.child = Child(
            argv, log=self.log, cwd=places.START, env={**inherited(), **told, **more}
        )

    def lines(self) -> list[str]:
        return self.done.read_text("ascii").splitlines()

    def children(self) -> str:
        pid = self.child.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")

    def send(self, *messages: dict[str, Any]) -> None:
        """Put messages into the queue as somebody with the broker's password could."""
        from hitlportal.celery import app

        name = self.queue
        declared = {queue.name: queue for queue in app.amqp.queues.values()}[name]
        queue = Queue(name, Exchange(name), name, queue_arguments=declared.queue_arguments)
        with Connection(self.url) as connection, connection.Producer() as producer:
            for one in messages:
                producer.publish(**one, routing_key=name, declare=[queue], serializer=None)

    def is_alive_after(self, *messages: dict[str, Any]) -> None:
        """Send them, then one that is wanted; it is done by the same process, and nothing else."""
        before, children = self.lines(), self.children()
        self.send(*messages, message())
        until(lambda: len(self.lines()) > len(before), 60)
        assert self.lines() == [*before, "execute 0"]
        assert self.children() == children
        assert self.child.exit_code is None, self.log.read_text()


@contextmanager
def working(directory: Path, url: str, **more: str) -> Iterator[Worker]:
    worker = Worker(directory, url, **more)
    try:
        worker.send(message())
        until(lambda: bool(worker.lines()), 30)
        yield worker
    finally:
        worker.child.stop(10.0)


@pytest.fixture(scope="module", params=["valkey", rabbit.NAME])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp(request.param)
    if request.param == rabbit.NAME:
        rabbit.required()
        node = rabbit.RabbitServer(home / "home")
        node.start()
        yield node.url()
        node.kill()
    else:
        server = ValkeyServer(home / "home")
        server.start()
        yield server.url()
        server.stop()


@pytest.fixture(scope="module")
def worker(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with working(tmp_path_factory.mktemp("worker"), url) as found:
        yield found


def test_a72_what_the_portal_would_not_send_is_acknowledged_and_does_nothing(
    worker: Worker,
) -> None:
    attacks = forged()
    refused = worker.log.read_text().count("a message was refused")
    worker.is_alive_after(*attacks.values())
    log = worker.log.read_text()
    dropped = log.count("an item of a queue was dropped")
    assert log.count("a message was refused") - refused + dropped == len(attacks), log
    assert "Traceback" not in log
    assert waiting(worker.url) == 0


def test_a72_items_of_a_list_that_are_no_messages_are_dropped(worker: Worker) -> None:
    if worker.url.startswith("redis"):  # RabbitMQ takes only messages
        redis.Redis.from_url(worker.url).lpush(worker.queue, *RAW)
    worker.is_alive_after()
    assert waiting(worker.url) == 0


def test_messages_of_the_portal_are_taken(worker: Worker) -> None:
    """Sent as the processes send them, with and without an end."""
    from hitlportal.celery import app

    before = len(worker.lines())
    with Connection(worker.url) as connection:
        app.send_task(EXECUTE, retry=False, connection=connection)
        app.send_task(EXECUTE, retry=False, connection=connection, expires=60)
        # With or without the tasks loaded, a sender writes their limit or none.
        for limit in (None, app.conf.task_time_limit):
            app.send_task(EXECUTE, retry=False, connection=connection, time_limit=limit)
    until(lambda: len(worker.lines()) == before + 4, 30)


def test_a72_a_worker_of_one_environment_gets_no_message_of_another(tmp_path: Path) -> None:
    """Two workers at one broker. What each may claim, `tests/services/outbox/test_serve.py` asks."""
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    for name in ("staging", "production"):
        (tmp_path / name).mkdir()
    try:
        with (
            working(tmp_path / "staging", server.url(), HITL_ENVIRONMENTS="staging") as one,
            working(tmp_path / "production", server.url(), HITL_ENVIRONMENTS="production") as other,
        ):
            other.send(*[message() for _ in range(5)])
            until(lambda: len(other.lines()) == 6, 30)
            one.is_alive_after()
            assert (len(one.lines()), len(other.lines())) == (2, 6)
    finally:
        server.stop()


def test_the_clocks_own_messages_are_taken() -> None:
    """Beat marks them with a header of its own (Celery 5.7), which nothing reads."""
    marked = {**message()["headers"], "celery_beat_task": True}
    told = strict.headers(marked, {EXECUTE: (300, None)})
    assert told["task"] == EXECUTE and "celery_beat_task" not in told


def test_a72_control_without_the_guard_a_message_runs_a_foreign_task(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    try:
        with working(tmp_path, server.url(), TEST_WITHOUT_GUARD="1") as worker:
            worker.send(message("remediation.expire"))
            until(lambda: "expire" in worker.lines(), 30)
            children = worker.children()
            worker.send(message("remediation.settle", timelimit=[0.1, 0.1]))
            until(lambda: worker.children() != children, 30)  # killed, and again with each delivery
    finally:
        server.stop()


def test_a72_a_worker_that_consumes_nothing_ends_with_its_pool(tmp_path: Path) -> None:
    """No message comes; what is due is played, since the database is not what stalls."""
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    worker = Worker(tmp_path, server.url(), TEST_WORK_WAITS="1")
    try:
        until(lambda: bool(worker.children()), 30)
        children = [int(pid) for pid in worker.children().split()]
        until(lambda: worker.child.exit_code is not None, 30)
        assert worker.child.exit_code != 0, worker.log.read_text()  # Restart=always, in the unit
        assert "nothing was consumed" in worker.log.read_text()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 30)
    finally:
        worker.child.stop(10.0)
        server.stop()


def waiting(url: str) -> int:
    """Return how many messages the broker still holds, taken or not."""
    if url.startswith("redis"):
        client = redis.Redis.from_url(url)
        return int(client.llen("execute.production")) + int(client.hlen("unacked"))
    with Connection(url) as connection:
        channel: Any = connection.channel()
        return int(channel.queue_declare("execute.production", passive=True).message_count)
