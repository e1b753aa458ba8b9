"""The witness: the table of C2SP tlog-witness on a real server, and requests by the sequencer."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from audit import witness_server
from audit.cosigning import Cosigners
from audit.tlog import cosignature
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Fork, Malformed, Rollback
from audit.tlog.merkle import EMPTY_ROOT, consistency_proof
from audit.tlog.note import Note, SignatureLine
from audit.tlog.policy import Policy, Witness
from audit.tlog.witness import Request, advance
from audit.verifying import verify
from audit.witness_server import Witness as Remembering
from audit.witness_server import server
from tests.audit.conftest import House, rows
from tests.domain import record
from tests.domain.record import Book

Answer = tuple[int, bytes, str]


class Served:
    """Start a witness on a local port."""

    def __init__(self, state: Path, port: int = 0) -> None:
        self.state = state
        self.remembering = Remembering(record.WITNESS, [record.SIGNER.vkey], state)
        self.server = server(("127.0.0.1", port), self.remembering)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, body: bytes, path: str = "/add-checkpoint", method: str = "POST") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "")
        finally:
            connection.close()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Accept requests without answering them."""
        with self.remembering._lock:
            yield

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "witness")
    yield made
    made.stop()


@pytest.fixture
def book() -> Book:
    made = Book()
    made.filler(20)
    return made


def request(book: Book, old: int, new: int, **changes: object) -> bytes:
    proof = tuple(consistency_proof(book.reader(new), old, new))
    given = {"old_size": old, "proof": proof, "note": book.note(new), **changes}
    return Request(**given).dump()  # type: ignore[arg-type]


def test_a_log_grows_and_each_head_is_cosigned(served: Served, book: Book) -> None:
    for old, new in ((0, 3), (3, 3), (3, 20)):
        status, answer, _ = served.ask(request(book, old, new))
        assert status == 200
        line = SignatureLine.parse(answer.decode().strip())
        assert cosignature.check(book.head(new).text(), line, record.WITNESS.vkey, verify) > 0


def test_the_table_of_the_specification(served: Served, book: Book) -> None:
    assert served.ask(request(book, 0, 10))[0] == 200
    other = Book()
    other.add("worker:notice:sent", "x", "y", {})
    other.filler(19)
    forged = Note(book.head(12).text(), (record.signer(seed="x").line(book.head(12).text()),))
    false = Note(
        book.head(12).text(),
        (SignatureLine(record.SIGNER.vkey.name, record.SIGNER.vkey.key_id, bytes(64)),),
    )
    unknown = record.signer("unknown.example/log")
    text = Checkpoint("unknown.example/log", 1, bytes(32)).text()
    extended = Checkpoint(record.ORIGIN, 12, book.head(12).root, ("more",)).text()
    cases: list[tuple[int, bytes]] = [
        (409, request(book, 3, 12)),  # not the remembered size
        (409, request(book, 0, 12, proof=())),
        (409, request(book, 3, 5)),
        (400, request(book, 10, 12, old_size=13)),  # beyond the new size
        (422, request(book, 10, 12, proof=())),
        (422, request(book, 10, 12, proof=(bytes(32),) * 3)),
        (422, request(book, 10, 12, note=other.note(12))),  # another history
        (409, request(book, 10, 10, note=other.note(10))),  # two roots for one size
        (403, request(book, 10, 12, note=forged.dump())),
        (403, request(book, 10, 12, note=false.dump())),
        (404, request(book, 10, 12, note=Note(text, (unknown.line(text),)).dump())),
        (400, request(book, 10, 12, note=Note(extended, (record.SIGNER.line(extended),)).dump())),
        (400, b""), (400, b"old 10\n"), (400, b"old x\n\n" + book.note(12).encode()),
        (400, b"\xff"), (400, request(book, 10, 12).replace(b"old 10", b"old 010")),
        (400, request(book, 10, 12, proof=(bytes(32),) * 64)),
    ]  # fmt: skip
    for status, body in cases:
        assert served.ask(body)[0] == status, body[:200]
    # None of these changed the remembered head.
    status, said, kind = served.ask(request(book, 3, 12))
    assert (status, said, kind) == (409, b"10\n", "text/x.tlog.size")
    assert served.ask(request(book, 10, 12))[0] == 200


def test_an_empty_tree_has_one_root(served: Served) -> None:
    for root, status in ((bytes(32), 422), (EMPTY_ROOT, 200)):
        text = Checkpoint(record.ORIGIN, 0, root).text()
        body = Request(0, (), Note(text, (record.SIGNER.line(text),)).dump()).dump()
        assert served.ask(body)[0] == status


def test_other_paths_and_methods_are_refused(served: Served) -> None:
    assert served.ask(b"x", "/")[0] == 404
    assert served.ask(b"", "/add-checkpoint", "GET")[0] == 501
    assert served.ask(b"x" * 70_000)[0] == 400


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "65537", "1_0", "0x10", "\u0664", "", "1 1"])
def test_an_invalid_length_is_a_bad_request(served: Served, length: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as to:
        to.sendall(f"POST /add-checkpoint HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        assert to.recv(100).startswith(b"HTTP/1.0 400 ")


@pytest.mark.parametrize("sent", [b"", b"POST /add", b"POST /add-checkpoint HTTP/1.1\r\nA: ",
    b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 60000\r\n\r\n"])  # fmt: skip
def test_a63_a_slow_client_is_cut_off_and_blocks_nobody(
    served: Served, book: Book, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """As many clients as the server allows send a byte now and then, for ever."""
    monkeypatch.setattr(witness_server, "WHOLE_S", 0.3)
    monkeypatch.setattr(witness_server, "MAX_CLIENTS", 4)
    before = threading.active_count()
    clients = [socket.create_connection(("127.0.0.1", served.port), timeout=60) for _ in range(8)]
    open_ = list(clients)
    give_up = time.monotonic() + 60
    for to in clients:
        with suppress(OSError):
            to.sendall(sent)
    while open_:
        assert time.monotonic() < give_up, len(open_)
        assert threading.active_count() <= before + 8
        time.sleep(0.05)
        open_ = [to for to in open_ if dripped(to)]
    for to in clients:
        to.close()
    assert served.ask(request(book, 0, 3))[0] == 200


def dripped(to: socket.socket) -> bool:
    """Return whether the other side still accepts a byte."""
    try:
        to.sendall(b"a")
        to.setblocking(False)
        return to.recv(1000) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        to.setblocking(True)


def test_two_heads_at_once_are_never_both_cosigned_when_they_fork(
    served: Served, book: Book
) -> None:
    assert served.ask(request(book, 0, 5))[0] == 200
    fork = Book(book.bodies[:5])
    fork.add("worker:notice:sent", "x", "y", {})
    fork.filler(14)
    bodies = [request(book, 5, 20), request(fork, 5, 20)] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(served.ask, bodies))
    won = {at % 2 for at, (status, _, _) in enumerate(answers) if status == 200}
    assert len(won) == 1


def test_the_remembered_head_survives_a_restart(tmp_path: Path, book: Book) -> None:
    first = Served(tmp_path / "w")
    assert first.ask(request(book, 0, 9))[0] == 200
    first.stop()
    second = Served(tmp_path / "w")
    try:
        assert second.ask(request(book, 0, 9, proof=()))[0] == 409
        # A lost answer is given again.
        assert second.ask(request(book, 9, 9))[0] == 200
    finally:
        second.stop()


def test_a_head_must_go_on_from_the_remembered_one() -> None:
    head = Checkpoint("o", 5, b"r" * 32)
    advance(None, head, ())
    with pytest.raises(Rollback):
        advance(head, Checkpoint("o", 4, b"r" * 32), ())
    with pytest.raises(Fork):
        advance(head, Checkpoint("o", 5, b"s" * 32), ())
    with pytest.raises(Fork):
        advance(head, Checkpoint("o", 6, b"s" * 32), ())
    with pytest.raises(Malformed):
        advance(head, Checkpoint("p", 6, b"s" * 32), ())


# ---- asked by the sequencer ---------------------------------------------------------------------


def test_the_sequencer_collects_cosignatures(house: House, served: Served) -> None:
    witness = Witness("w", record.WITNESS.vkey, served.url)
    house.witnesses = (witness,)
    for count in (2, 300):
        house.write(count)
        house.integrate()
    assert rows("SELECT size, witness FROM audit.cosignature ORDER BY size") == [
        (2, "w"),
        (302, "w"),
    ]
    policy = Policy(record.POLICY.logs, (witness,), (), "w")
    ((note,),) = rows(
        "SELECT c.note || s.line || E'\\n' FROM audit.checkpoint c JOIN audit.cosignature s"
        " USING (size) WHERE size = 302"
    )
    assert policy.check(note, verify).checkpoint.size == 302
    # A new process does not know the witness's head: the witness answers, and it asks again.
    house.write(1)
    house.open()
    house.integrate()
    assert rows("SELECT count(*) FROM audit.cosignature") == [(3,)]


def test_an_unavailable_witness_costs_its_time_bound_and_is_asked_again(
    house: House, tmp_path: Path
) -> None:
    gone = Served(tmp_path / "w")
    url = gone.url
    gone.stop()
    house.witnesses = (Witness("w", record.WITNESS.vkey, url),)
    house.write(1)
    assert house.integrate() == 1
    assert rows("SELECT count(*) FROM audit.cosignature") == [(0,)]
    assert house.sequencer is not None
    assert not house.sequencer.cosign()


class Lying(Served):
    def __init__(self, state: Path, answer: bytes) -> None:
        super().__init__(state)
        handler = self.server.RequestHandlerClass

        def lie(self: object) -> None:
            self._answer(200, answer)  # type: ignore[attr-defined]

        handler.do_POST = lie  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"hello\n", b"\xff\xfe", b"x" * 200_000,
        str(record.WITNESS.cosign("another text\n", 1)).encode() + b"\n",
        str(record.signer("liar", "liar", 4).cosign("t\n", 1)).encode() + b"\n",
    ],
    ids=["empty", "prose", "no text", "long", "of another head", "of another witness"],
)  # fmt: skip
def test_a_false_cosignature_is_not_stored(tmp_path: Path, book: Book, answer: bytes) -> None:
    lying = Lying(tmp_path / "w", answer)
    try:
        cosigners = Cosigners([Witness("w", record.WITNESS.vkey, lying.url)])
        found = list(cosigners.collect(book.note(20), 20, lambda old: ()))
    finally:
        lying.stop()
    assert found == []
