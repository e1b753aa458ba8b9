"""Users of a real RabbitMQ: what is cut, what stays, and which rights that takes."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import amqp
import pytest

from audit.tlog.canonical import Json, encode
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.domain import instant
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.observation import Observation
from remediation.executors import rabbitmq, rabbitmq_server
from remediation.executors.base import Candidate, Deadline, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.rabbitmq_calls import Operating
from remediation.executors.rabbitmq_hash import matches
from remediation.executors.rabbitmq_server import NoAnswer, Servers
from remediation.executors.rabbitmq_user import NOT_READ
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_secret_in_force,
    run_tighten,
    run_traces,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors import clusters
from tests.executors.contract import clearance, make_plan
from tests.executors.proxy import Stall, stalling
from tests.executors.rabbitmq import SERVER, RabbitPlace, RabbitWorld, tag
from tests.executors.rabbitmq_tls import Pki

DISABLE, ENABLE = "rabbitmq.user.disable", "rabbitmq.user.enable"
END = "rabbitmq.user.end_connections"


@pytest.fixture
def world(tmp_path: Path, rabbit_place: RabbitPlace) -> Iterator[RabbitWorld]:
    made = RabbitWorld(DISABLE, tmp_path, rabbit_place)
    yield made
    made.close()


@pytest.fixture
def administrator(rabbit_place: RabbitPlace) -> Iterator[None]:
    """The observer with the tag that reads hashes and tags of users."""
    rabbit_place.give("observe", "administrator")
    yield
    rabbit_place.give("observe", tag("observe"))


def run(world: RabbitWorld, action: str = DISABLE, **parameters: Json) -> Mapping[str, Json]:
    """Observe, check, apply and verify, as a run does; return the snapshot."""
    plan, targets = make_plan(action, world.target, {**parameters}), world.targets()
    seen = run_observe(plan.steps[0], targets)
    kept = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, kept)
    run_verify(clearance(plan), plan.body, 0, targets)
    return kept


def without(world: RabbitWorld) -> dict[str, bool | None]:
    """Return by place whether the user is without access there."""
    seen = run_observe(world.step, world.targets())
    return {p.place: p.without_access for p in executor_of(world.step).points(world.step, seen)}


def streams(world: RabbitWorld) -> str:
    return f"hitl@localhost port {world.place.server.ports['streams']}"


@contextmanager
def idle(world: RabbitWorld) -> Iterator[amqp.Connection]:
    """Open a connection that nobody reads: its client answers nothing."""
    made = amqp.Connection(
        host=f"{LOOPBACK}:{world.place.server.port}", userid=world.user, password=world.password
    )
    try:
        made.connect()
        yield made
    finally:
        made.collect()


def mqtt(world: RabbitWorld) -> int:
    """Sign in by MQTT 3.1.1 and return the server's code: 0 lets in, 5 is `not authorized`."""
    texts = (b"MQTT", b"cid", world.user.encode(), world.password.encode())
    name, *rest = (struct.pack(">H", len(one)) + one for one in texts)
    body = name + b"\x04\xc2" + struct.pack(">H", 60) + b"".join(rest)
    with socket.create_connection((LOOPBACK, world.place.server.ports["mqtt"]), 10) as opened:
        opened.sendall(bytes([0x10, len(body)]) + body)
        return opened.recv(4)[3]


def stream(world: RabbitWorld) -> int:
    """Open a virtual host by the stream protocol and return the server's code: 1 lets in."""
    plain = f"\0{world.user}\0{world.password}".encode()
    with socket.create_connection((LOOPBACK, world.place.server.ports["streams"]), 10) as opened:

        def send(key: int, body: bytes) -> None:
            frame = struct.pack(">HH", key, 1) + body
            opened.sendall(struct.pack(">I", len(frame)) + frame)

        def answer() -> bytes:
            size = struct.unpack(">I", opened.recv(4, socket.MSG_WAITALL))[0]
            return opened.recv(size, socket.MSG_WAITALL)

        send(17, struct.pack(">II", 1, 0))
        answer()
        send(18, struct.pack(">I", 4))
        answer()
        send(19, struct.pack(">IH", 2, 5) + b"PLAIN" + struct.pack(">I", len(plain)) + plain)
        assert struct.unpack(">H", answer()[8:10]) == (1,)
        answer()
        send(20, struct.pack(">II", 1_048_576, 60))
        send(21, struct.pack(">IH", 3, 1) + b"/")
        return int(struct.unpack(">H", answer()[8:10])[0])


def test_off_keeps_open_connections_and_lets_no_new_one_in(world: RabbitWorld) -> None:
    before = world.place.call("GET", "users", world.user)[1]
    with idle(world) as opened:
        assert mqtt(world) == 0
        run(world, end_connections=False)
        opened.channel().queue_declare(f"q-{world.user}", auto_delete=True)
        assert world.held.open
        with pytest.raises(amqp.NotAllowed, match="limit"):
            world.connect()
        assert mqtt(world) == 5
        place = f"RabbitMQ {SERVER}"
        listens = f"{place}, streams at {streams(world)}"
        assert without(world) == {place: False, listens: False, f"{place}, management API": None}
        # Nothing of the user was changed but its limit.
        now = world.place.call("GET", "users", world.user)[1]
        assert now == {**before, "limits": {"max-connections": 0}}


def test_with_its_connections_ended_a_user_is_without_access(
    world: RabbitWorld, administrator: None
) -> None:
    run(world, end_connections=True)
    assert world.held.ended()
    place = f"RabbitMQ {SERVER}"
    assert without(world).items() >= {place: True, f"{place}, management API": True}.items()
    run(world, ENABLE)
    assert world.connect().open


def test_a_client_that_does_not_answer_is_cut_off_all_the_same(world: RabbitWorld) -> None:
    with idle(world) as opened:
        channel = opened.channel()
        clusters.until(lambda: len(world.listed()) == 2)
        run(world, end_connections=True)
        assert len(world.listed()) == 1, "the server lists it until its client answers"
        assert run_observe(world.step, world.targets()).shown["connections"] == 0
        with pytest.raises(amqp.ConnectionForced):
            channel.queue_declare("q-after")
    assert world.place.call("GET", "queues", "/", "q-after")[0] == 404


def test_a_tag_lets_the_user_into_the_management_api_and_the_page_says_so(
    world: RabbitWorld, administrator: None
) -> None:
    place = world.place
    place.make_user(world.user, world.password, "management")
    run(world, end_connections=True)
    found = place.admin.get(
        f"{place.url}/api/whoami", auth=(world.user, world.password), timeout=10
    )
    assert found.status_code == 200
    assert run_observe(world.step, world.targets()).shown["tags"] == ["management"]
    assert without(world)[f"RabbitMQ {SERVER}, management API"] is False


def test_streams_do_not_ask_for_the_limit_and_the_page_says_so(world: RabbitWorld) -> None:
    run(world, end_connections=True)
    assert stream(world) == 1, "3.10 lets it in"
    seen, executor = run_observe(world.step, world.targets()), executor_of(world.step)
    assert seen.shown["stream_listeners"] == [streams(world)]
    assert without(world)[f"RabbitMQ {SERVER}, streams at {streams(world)}"] is False
    elsewhere = Observation(True, seen.state, {**seen.shown, "stream_listeners": []}, False)
    places = [point.place for point in executor.points(world.step, elsewhere)]
    assert places == [f"RabbitMQ {SERVER}", f"RabbitMQ {SERVER}, management API"]


def test_a_limit_of_the_users_own_comes_back_with_a_rollback(world: RabbitWorld) -> None:
    world.place.set_limit(world.user, 10)
    plan = make_plan(DISABLE, world.target, {"end_connections": False})
    assert run_observe(plan.steps[0], world.targets()).shown["own_limit"] == 10
    run(world, ENABLE)
    assert world.place.limit(world.user) == 10, "it was on"
    kept = run(world, end_connections=False)
    assert world.place.limit(world.user) == 0
    for _ in range(2):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, world.targets(), kept)
        assert world.place.limit(world.user) == 10
    world.place.set_limit(world.user, -1)  # the API's word for none
    seen = run_observe(plan.steps[0], world.targets())
    assert (seen.state, seen.shown["own_limit"]) == ({"status": "on"}, 0)


def test_connections_from_before_the_time_end_and_younger_ones_go_on(world: RabbitWorld) -> None:
    time.sleep(0.01)  # the server counts in milliseconds
    younger = world.connect()
    run(world, END, begun_before=world.cut)
    assert world.held.ended() and younger.open
    assert world.connect().open, "the user is on"
    later = instant.dump(datetime.now(UTC) + timedelta(minutes=1))
    plan = make_plan(END, world.target, {"begun_before": later})
    seen = run_observe(plan.steps[0], world.targets())
    with pytest.raises(NotApplied, match="not come yet"):
        run_prepare(clearance(plan), plan.body, 0, world.targets(), seen)
    with pytest.raises(NotApplied, match="not come yet"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert younger.open


def test_traces_name_each_connection_that_will_end(world: RabbitWorld) -> None:
    def traced(action: str, **parameters: Json) -> Any:
        step = make_plan(action, world.target, {**parameters}).steps[0]
        found = dict(run_traces(step, world.targets()))
        encode(found)
        return found

    world.hide_operate_credential()
    clusters.until(lambda: traced(DISABLE, end_connections=True)["connections"][0]["since"])
    [one] = traced(DISABLE, end_connections=True)["connections"]
    assert one["name"] == world.listed()[0] and one["since"] < world.cut
    assert (one["address"], one["protocol"], one["vhost"]) == (LOOPBACK, "AMQP 0-9-1", "/")
    assert (one["client_name"], one["client"]) == ("cart <b>1</b>", "py-amqp")
    assert (one["channels"], one["tls"]) == (0, False)
    assert traced(END, begun_before=world.cut)["connections"] == [one]
    assert traced(END, begun_before="2026-01-01T00:00:00Z") == {}
    assert traced(DISABLE, end_connections=False) == traced(ENABLE) == {}
    assert world.changes() == 0


def test_a_leaked_password_is_compared_without_a_sign_in(
    world: RabbitWorld, administrator: None
) -> None:
    given = [Candidate((world.password,), "generic"), Candidate(("another", "ä\udc80"), "generic")]
    seen = repr(run_observe(world.step, world.targets()).to_json())
    held = world.place.call("GET", "users", world.user)[1]["password_hash"]
    assert held not in seen and world.password not in seen
    before = len(world.place.lines())
    found = run_secret_in_force(world.step, world.targets(), given)
    assert found.answers == (True, None) and held not in repr(found)
    body = {"password_hash": "", "tags": ""}
    world.place.call("PUT", "users", world.user, body=body)
    assert run_secret_in_force(world.step, world.targets(), given).answers == (False, False)
    logged = [line for line in world.place.lines()[before:] if f" - {world.user} " in line]
    assert logged == [], "nobody signed in as the user"


def test_without_the_right_to_read_hashes_the_answer_is_not_known(world: RabbitWorld) -> None:
    found = run_secret_in_force(
        world.step, world.targets(), [Candidate((world.password,), "generic")]
    )
    assert (found.answers, found.why) == ((None,), NOT_READ)


def test_hashes_are_compared_by_their_algorithm() -> None:
    for name in ("sha256", "sha512", "md5"):
        digest = hashlib.new(name, b"\x01\x02\x03\x04" + "pä".encode()).digest()
        held = base64.b64encode(b"\x01\x02\x03\x04" + digest).decode()
        module = f"rabbit_password_hashing_{name}"
        assert (matches("pä", held, module), matches("p", held, module)) == (True, False)
        assert matches("pä", held, "of_a_plugin") is None
    for held in ("AAA", "!", "AAAA"):
        assert matches("p", held, "rabbit_password_hashing_sha256") is None
    assert matches("", "", "rabbit_password_hashing_sha256") is False


def test_with_one_right_less_each_action_refuses_and_nothing_changes(world: RabbitWorld) -> None:
    """The tags are the rights: of the operator each but administrator, of the observer the next."""
    place, before = world.place, world.look()
    parameters: dict[str, dict[str, Json]] = {
        DISABLE: {"end_connections": True},
        ENABLE: {},
        END: {"begun_before": world.cut},
    }
    try:
        for tags in ("monitoring", "policymaker,management", ""):
            place.give("operate", tags)
            for action, given in parameters.items():
                plan = make_plan(action, world.target, given)
                with pytest.raises(NotApplied):
                    run_apply(clearance(plan), plan.body, 0, world.targets())
        for tags in ("management", "policymaker", ""):
            place.give("observe", tags)
            with pytest.raises(TargetUnobservable):
                run_observe(world.step, world.targets())
    finally:
        for name in ("observe", "operate"):
            place.give(name, tag(name))
    assert (world.look(), world.changes()) == (before, 0)
    assert world.held.open


ODD = (
    "with/slash", "a%2Fb", "%20", " lead and trail ", "näme", "日本", "a?b=c#d", "a;b", "a\nb",
    "&x=1", "+", "...", "../limits", "{user}", "<b>", "'\"\\", "\u202egpj", "*", "x" * 100,
)  # fmt: skip


def test_odd_names_are_targets_like_others(
    world: RabbitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "LISTED_SECONDS", 0.0)
    for name in ODD:
        world.place.make_user(name, world.password)
        try:
            target = {**world.target, "user": name}
            plan, targets = make_plan(DISABLE, target, {"end_connections": True}), world.targets()
            run_apply(clearance(plan), plan.body, 0, targets)
            run_verify(clearance(plan), plan.body, 0, targets)
            assert world.place.limit(name) == 0, name
        finally:
            world.place.call("DELETE", "users", name)
    assert world.place.limit(world.user) is None and world.held.open


def test_a_name_that_the_api_has_no_address_for_is_no_target(world: RabbitWorld) -> None:
    places = world.targets().of(Servers)
    assert places is not None
    for name in (".", "..", ""):
        with pytest.raises(BadInput):
            make_plan(DISABLE, {**world.target, "user": name}, {"end_connections": True})
    for name in (".", ".."):  # and if one came through: it would be another address
        with places.servers[SERVER].observing() as api, pytest.raises(NoAnswer, match="no address"):
            api.ask("GET", "users", name)


def test_a_wrong_login_is_said_and_changes_nothing(world: RabbitWorld) -> None:
    (world.directory / "operate.password").write_text("wrong")
    with pytest.raises(NotApplied, match="answered 401"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    (world.directory / "wrong.toml").write_text(
        world.toml().replace(world.place.passwords["observe"], "wrong")
    )
    wrong = Targets.load(world.directory / "wrong.toml", portal_system_identifier=None)
    for read in (run_observe, lambda s, t: run_secret_in_force(s, t, [Candidate(("x",), "r")])):
        with pytest.raises(TargetUnobservable, match="answered 401"):
            read(world.step, wrong)


def test_the_api_is_asked_by_https_and_its_certificate_is_verified(world: RabbitWorld) -> None:
    url = f"https://{LOOPBACK}:{world.place.server.ports['tls']}"
    text = world.toml().replace(f'"{world.place.url}"', f'"{url}"\nca_file = "ca.pem"')
    (world.directory / "https.toml").write_text(text)
    targets = Targets.load(world.directory / "https.toml", portal_system_identifier=None)
    plan = world.plan()
    (world.directory / "ca.pem").write_text(Pki.made().ca)
    with pytest.raises(TargetUnobservable, match="SSLError"):
        run_observe(plan.steps[0], targets)
    with pytest.raises(NotApplied, match="SSLError"):
        run_apply(clearance(plan), plan.body, 0, targets)
    (world.directory / "ca.pem").write_text(world.place.server.pki.ca)
    run_apply(clearance(plan), plan.body, 0, targets)
    assert run_observe(plan.steps[0], targets).state["status"] == "off"


def test_a_section_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "targets.toml"
    for lines, why in (
        ('url = "http://10.0.0.5:15672"', "in clear"),
        ('url = "http://127.0.0.1:15672"\nca_file = "ca.pem"', "in clear"),
        ('url = "https://10.0.0.5:15671"', "needs ca_file"),
        ('url = "https://u:p@host"\nca_file = "ca.pem"', "is not http"),
        ('url = "https://host:99999"\nca_file = "ca.pem"', "is not http"),
        ('url = "https://host/?a=b"\nca_file = "ca.pem"', "is not http"),
        ('url = "https://host/../x"\nca_file = "ca.pem"', "is not http"),
        ('url = "https://host\\n"\nca_file = "ca.pem"', "is not http"),
    ):
        path.write_text(
            f'[rabbitmq.a]\n{lines}\nobserve_user = "o"\nobserve_password = "p"\n'
            'operate_user = "p"\noperate_password_file = "f"\n'
        )
        with pytest.raises(TargetsFileInvalid, match=why):
            Targets.load(path, portal_system_identifier=None)


def test_no_time_left_changes_nothing(world: RabbitWorld) -> None:
    plan, before = world.plan(), world.look()
    with pytest.raises(NotApplied, match="no time"):
        executor_of(plan.steps[0]).apply(
            clearance(plan), plan.steps[0], world.targets(), Deadline.within(1)
        )
    assert world.look() == before


def test_after_a_lost_answer_the_target_tells(
    world: RabbitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent again, and what a lost call left is ended by `tighten`."""
    monkeypatch.setattr(rabbitmq_server, "ANSWER_SECONDS", 1.0)
    plan, port = world.plan(), world.place.server.ports["plain"]
    executor = executor_of(plan.steps[0])
    expected = {b"PUT /api/user-limits": True, b"DELETE /api/connections": False}
    for at, delivered in expected.items():
        world.place.call("DELETE", "user-limits", world.user, "max-connections")
        before = world.changes()
        with stalling(port, Stall(at, delivered)) as through, pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, world.targets(through))
        assert world.changes() == before + 1
        seen = run_observe(plan.steps[0], world.targets())
        assert executor.settled(seen) is Settled.APPLIED
        assert executor.left_open(plan.steps[0], seen) == ("1 open connections",)
    run_tighten(clearance(plan), plan.body, 0, world.targets())
    assert world.held.ended()
    world.place.set_limit(world.user, 3)
    again = world.connect()
    clusters.until(world.listed)
    run_tighten(clearance(plan), plan.body, 0, world.targets())
    assert again.open, "somebody has switched the user on since"


def test_what_fails_after_the_first_change_is_said_to_be_half_done(
    world: RabbitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> int:
        raise NotApplied("RabbitMQ answered 401")

    monkeypatch.setattr(Operating, "end_all", refuse)
    plan = world.plan()
    with pytest.raises(PartlyApplied, match="is off, connections are left"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    with pytest.raises(NotApplied):  # the second time nothing is changed
        run_apply(clearance(plan), plan.body, 0, world.targets())


def answering(answer: bytes) -> Callable[[], socket.socket]:
    """Return a server that gives this answer to each request; closed by its caller."""
    import threading

    def serve(listener: socket.socket) -> None:
        try:
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(65_536)
                    client.sendall(answer)
        except OSError:
            return

    def start() -> socket.socket:
        listener = socket.create_server((LOOPBACK, 0))
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        return listener

    return start


def test_answers_of_something_else_are_not_taken_for_rabbitmqs(world: RabbitWorld) -> None:
    head = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s"
    bodies = (b"<html>", b"[]", b"{}", b'[{"value": 1}]', b"null", b'{"tags": 5}', b"\xff")
    answers = [head % (b"200 OK", len(body), b"", body) for body in bodies]
    answers.append(head % (b"302 Found", 0, b"Location: http://127.0.0.1:1/\r\n", b""))
    answers.append(b"SSH-2.0\r\n")
    for answer in answers:
        with answering(answer)() as listener:
            targets = world.targets(listener.getsockname()[1])
            with pytest.raises(TargetUnobservable):
                run_observe(world.step, targets)
            with pytest.raises(NotApplied):
                run_apply(clearance(world.plan()), world.plan().body, 0, targets)
