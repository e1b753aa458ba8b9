"""A witness that hangs, lies or floods costs its time bound once and affects nobody else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from audit import cosigning, inclusion
from audit.cosigning import TIMEOUT_S, Cosigners
from audit.tlog.policy import Group, Policy, Witness
from tests.audit.conftest import House, rows
from tests.audit.sequencer import rogue
from tests.audit.sequencer.rogue import OK, Behaviour, Rogue
from tests.audit.test_witness import Served
from tests.domain import record
from tests.domain.record import Book
from tests.every import every

# Bounds a test that would otherwise hang; no passing test waits this long.
PATIENCE_S = 60.0
Add = Callable[[bytes], bytes]
BAD: dict[str, Behaviour] = {
    "hangs": rogue.hangs,
    "closes": rogue.says(b""),
    "no http": rogue.says(b"220 mail.example ESMTP\r\n"),
    "long line": rogue.says(b"HTTP/1.1 " + b"2" * 100_000 + b"\r\n\r\n"),
    "many headers": rogue.says(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"),
    "ends early": rogue.says(OK + b"Content-Length: 100\r\n\r\nabc"),
    "bad chunks": rogue.says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "drips a body": rogue.drips(OK + b"Content-Length: 60000\r\n\r\n"),
    "drips a header": rogue.drips(b"HTTP/1.1 200 OK\r\na: "),
    "ten megabytes": rogue.pours(OK + b"Content-Length: 10000000\r\n\r\n", 10_000_000),
    "ten megabytes of refusal": rogue.pours(
        b"HTTP/1.1 409 Conflict\r\nContent-Length: 10000000\r\n\r\n", 10_000_000
    ),
    "hangs in a refusal": rogue.drips(
        b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 60000\r\n\r\n"
    ),
    "holds more than there is": rogue.says(
        b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 4\r\n\r\n999\n"
    ),
    "always holds one": rogue.says(
        b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 2\r\n\r\n1\n"
    ),
    "a huge size": rogue.says(
        b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 61\r\n\r\n"
        + b"9" * 60 + b"\n"
    ),
}  # fmt: skip


@pytest.fixture(params=BAD)
def bad(request: pytest.FixtureRequest) -> Iterator[Rogue]:
    with Rogue(BAD[request.param]) as made:
        yield made


@pytest.fixture
def good(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "good")
    yield made
    made.stop()


def named(name: str, url: str, seed: str = "witness") -> Witness:
    key = record.WITNESS if seed == "witness" else record.signer(f"{seed}.example/w", seed, 4)
    return Witness(name, key.vkey, url)


def test_a_bad_witness_costs_its_bound_and_the_log_continues(house: House, bad: Rogue) -> None:
    house.witnesses = (named("bad", bad.url),)
    house.open()
    for size in (1, 2):
        house.write(1)
        began = time.monotonic()
        assert house.integrate() == 1
        assert time.monotonic() - began < 10 * TIMEOUT_S  # and not for ever
        assert house.checkpoint().size == size
    assert rows("SELECT count(*) FROM audit.cosignature") == [(0,)]


def test_the_cosignature_of_a_good_witness_is_enough_beside_a_bad_one(
    house: House, bad: Rogue, good: Served
) -> None:
    house.witnesses = (named("bad", bad.url, "bad"), named("good", good.url))
    house.open()
    for size in (1, 2, 3):
        house.write(1)
        house.integrate()
        assert house.sequencer is not None
        give_up = time.monotonic() + PATIENCE_S
        while not (found := rows("SELECT witness FROM audit.cosignature WHERE size = %s", [size])):
            assert time.monotonic() < give_up
            house.sequencer.cosign()  # on a busy machine its answer comes later
            time.sleep(0.02)
        assert found == [("good",)]


def waited_for(caplog: pytest.LogCaptureFixture) -> int:
    """Return how often a witness was waited for in vain."""
    return sum(message.endswith(" is late") for message in caplog.messages)


def test_a_slow_witness_is_not_waited_for_again(house: House) -> None:
    """Otherwise one foreign machine delays every approval by a second."""
    with Rogue(rogue.hangs) as bad:
        house.witnesses = (named("bad", bad.url),)
        house.open()
        house.write(1)
        house.integrate()
        began = time.monotonic()
        for _ in range(8):
            house.write(1)
            house.integrate()
        assert time.monotonic() - began < 4 * TIMEOUT_S  # eight heads


def test_a_witness_that_is_always_late_is_waited_for_once(
    house: House,
    good: Served,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A late answer is stored, but the next one is not waited for."""
    monkeypatch.setattr(cosigning, "TIMEOUT_S", 0.2)
    add = good.remembering.add

    def slowly(body: bytes) -> bytes:
        time.sleep(0.3)
        return add(body)

    monkeypatch.setattr(good.remembering, "add", slowly)
    house.witnesses = (named("slow", good.url),)
    house.open()
    for _ in range(5):
        house.write(1)
        house.integrate()
        time.sleep(0.4)
    assert waited_for(caplog) == 1
    monkeypatch.setattr(good.remembering, "add", add)
    give_up = time.monotonic() + PATIENCE_S
    while True:  # after an answer in time, it is waited for again
        house.write(1)
        house.integrate()
        size = house.checkpoint().size
        if rows("SELECT 1 FROM audit.cosignature WHERE size = %s", [size]):
            break
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_under_load_slow_witnesses_have_heads_in_common_and_the_gate_finds_them(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fast witness and two slow ones of different speed, all three needed: many heads pass
    before the slow ones have answered."""
    monkeypatch.setattr(cosigning, "TIMEOUT_S", 0.05)
    keys = {name: record.signer(f"{name}.example/w", name, 4) for name in "abc"}
    served = {name: Served(tmp_path / name) for name in keys}
    for name, pause in (("a", 0.0), ("b", 0.7), ("c", 1.1)):
        made = served[name].remembering
        monkeypatch.setattr(made, "_signer", keys[name])

        def slowly(body: bytes, add: Add = made.add, pause: float = pause) -> bytes:
            time.sleep(pause)
            return add(body)

        monkeypatch.setattr(made, "add", slowly)
    house.witnesses = tuple(Witness(n, keys[n].vkey, served[n].url) for n in keys)
    group = Group("all", 3, tuple(keys))
    needed = Policy(record.POLICY.logs, house.witnesses, (group,), "all")
    house.open()
    found = set()
    give_up = time.monotonic() + PATIENCE_S
    while len(found) < 3:
        assert time.monotonic() < give_up
        house.write(1)
        house.integrate()
        with suppress(inclusion.Unavailable):
            found.add(inclusion.newest(policy=needed).checkpoint.size)
    assert house.checkpoint().size > 10
    for one in served.values():
        one.stop()


def test_without_a_free_thread_the_witness_counts_as_unavailable(
    house: House, good: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.witnesses = (named("good", good.url),)
    house.open()
    with monkeypatch.context() as full:

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        full.setattr(threading.Thread, "start", start)
        house.write(1)
        assert house.integrate() == 1
    give_up = time.monotonic() + PATIENCE_S
    assert house.sequencer is not None
    while not house.sequencer.cosign():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_sequencer_that_ends_leaves_no_request_behind() -> None:
    """The sequencer restarts every second while the database fails."""
    book = Book()
    book.filler(2)
    before = threading.active_count()
    with Rogue(rogue.drips(OK + b"Content-Length: 60000\r\n\r\n")) as bad:
        cosigners = Cosigners([named("bad", bad.url)])
        assert list(cosigners.collect(book.note(2), 2, lambda old: ())) == []
        cosigners.close()
        give_up = time.monotonic() + PATIENCE_S
        while any(thread.name == "witness bad" for thread in threading.enumerate()):
            assert time.monotonic() < give_up, threading.enumerate()
            time.sleep(0.01)
    assert threading.active_count() <= before + 2  # the server's threads


def test_a_late_cosignature_is_stored_under_its_own_head(
    house: House, good: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "TIMEOUT_S", 0.05)
    house.witnesses = (named("slow", good.url),)
    house.open()
    house.write(1)
    with good.held():
        assert house.integrate() == 1
        assert rows("SELECT size FROM audit.cosignature") == []
    house.write(1)
    give_up = time.monotonic() + PATIENCE_S
    while rows("SELECT size FROM audit.cosignature ORDER BY size") != [(1,), (2,)]:
        assert time.monotonic() < give_up
        house.integrate()
        assert house.sequencer is not None
        house.sequencer.cosign()


def test_an_endless_answer_is_cut_off_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIMEOUT_S", "BACKGROUND_S", "PAUSE_S"):
        monkeypatch.setattr(cosigning, name, 0.05)
    book = Book()
    book.filler(2)
    with Rogue(rogue.drips(OK + b"Content-Length: 60000\r\n\r\n")) as bad:
        cosigners = Cosigners([named("bad", bad.url)])
        give_up = time.monotonic() + PATIENCE_S
        while bad.asked < 3:
            assert time.monotonic() < give_up
            assert list(cosigners.collect(book.note(2), 2, lambda old: ())) == []
            time.sleep(0.01)


def test_a_witness_that_recovers_is_used_again(house: House, tmp_path: Path) -> None:
    # Nobody else can take the port meanwhile, and nobody listens on it.
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        house.witnesses = (named("w", f"http://127.0.0.1:{port}"),)
        house.open()
        house.write(1)
        house.integrate()
        back = Served(tmp_path / "w", port)
    try:
        assert house.sequencer is not None
        give_up = time.monotonic() + PATIENCE_S
        while not house.sequencer.cosign():
            assert time.monotonic() < give_up
            time.sleep(0.02)
    finally:
        back.stop()
    assert rows("SELECT size FROM audit.cosignature") == [(1,)]


def test_threads_do_not_pile_up() -> None:
    book = Book()
    book.filler(2)
    with Rogue(rogue.drips(b"HTTP/1.1 200 OK\r\na: ")) as bad:
        cosigners = Cosigners([named("bad", bad.url)])
        before = threading.active_count()
        for _ in range(5):
            assert list(cosigners.collect(book.note(2), 2, lambda old: ())) == []
        assert threading.active_count() <= before + 2  # one here, one of the server's
        assert bad.asked == 1


def test_a50_a_witness_with_a_larger_head_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Database and head file were set back together: only the witness can notice."""
    book = Book()
    book.filler(2)
    give_up = time.monotonic() + PATIENCE_S
    with Rogue(BAD["holds more than there is"]) as bad:
        cosigners = Cosigners([named("w", bad.url)])
        while "witness w holds 999, more than the log has" not in caplog.text:
            assert time.monotonic() < give_up
            list(cosigners.collect(book.note(2), 2, lambda old: ()))
            time.sleep(0.02)


def test_a_redirect_is_not_followed(good: Served) -> None:
    book = Book()
    book.filler(2)
    away = f"HTTP/1.1 307 Go\r\nLocation: {good.url}/add-checkpoint\r\nContent-Length: 0\r\n\r\n"
    with Rogue(rogue.says(away.encode())) as bad:
        found = list(Cosigners([named("w", bad.url)]).collect(book.note(2), 2, lambda old: ()))
    assert found == []
    assert good.ask(b"")[0] == 400  # it was available, and got no request for a head
    assert not list(good.state.glob("*.note"))


def test_a_witness_cannot_write_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A52: nor can it fill the disk."""
    book = Book()
    book.filler(2)
    for answer in (b"\x1b[2J\nCRITICAL owned\r\n", b"HTTP/1.1 500 \x1b[31m\r\n\r\n" + b"x" * 70000):
        with Rogue(rogue.says(answer)) as bad:
            list(Cosigners([named("w", bad.url)]).collect(book.note(2), 2, lambda old: ()))
    assert caplog.messages
    for message in caplog.messages:
        assert "\x1b" not in message
        assert "\n" not in message
        assert len(message) < 400


@every(
    "url",
    ["http://nobody.invalid", "ftp://a", "http://", "http://a:99999", "http://[::1", "file:///etc",
     "http://ä" + "b" * 70 + ".example", "http://a b/"],
)  # fmt: skip
def test_an_invalid_address_is_refused(url: str) -> None:
    book = Book()
    book.filler(2)
    assert list(Cosigners([named("w", url)]).collect(book.note(2), 2, lambda old: ())) == []
