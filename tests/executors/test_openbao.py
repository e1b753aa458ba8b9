"""AppRoles, secret ids and leases on a real OpenBao."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.tlog.canonical import Json
from remediation.domain.conditions import Consumer, Use, why_not_met
from remediation.domain.errors import BadInput, ProtectedTarget, TargetUnobservable
from remediation.executors import openbao_approle, openbao_secret_id
from remediation.executors.base import Deadline, Outcome, Question
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.openbao_server import Api
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_tighten,
    run_verify,
)
from tests.executors import install
from tests.executors.contract import clearance, make_plan
from tests.executors.openbao import SERVER, BaoWorld, Place, rules
from tests.executors.openbao_credential import NEW_CREDENTIAL, bao_world

NEW = "openbao.approle.new_secret_id"
DESTROY_NEW = "openbao.approle.destroy_secret_id"
DESTROY = "openbao.secret_id.destroy"
REVOKE = "openbao.lease.revoke"


@pytest.fixture
def place(bao_place: Place) -> Iterator[Place]:
    yield bao_place
    bao_place.end_tokens()


@pytest.fixture(autouse=True)
def _each_world_ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    worlds: list[BaoWorld] = []
    real = BaoWorld.__init__

    def init(self: BaoWorld, *given: Any) -> None:
        real(self, *given)
        worlds.append(self)

    monkeypatch.setattr(BaoWorld, "__init__", init)
    yield
    for world in worlds:
        world.close()


def apply(world: BaoWorld, parameters: dict[str, Json] | None = None) -> Outcome:
    plan = world.plan(parameters=parameters)
    return run_apply(clearance(plan), plan.body, 0, world.targets())


def verify(world: BaoWorld, parameters: dict[str, Json] | None = None) -> Outcome:
    plan = world.plan(parameters=parameters)
    return run_verify(clearance(plan), plan.body, 0, world.targets())


def delivered(world: BaoWorld) -> str:
    """Return what a consumer reads."""
    return (world.directory / "files/orders/approle/current/secret_id").read_text()


# Destroying


def test_destroying_ends_the_tokens_that_it_minted_and_no_other(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(DESTROY, tmp_path, place)
    place.server.policy("parent", 'path "auth/token/create" { capabilities = ["update"] }')
    place.role(world.role, token_policies=["parent"])
    own = place.sign_in(world.role_id, world.value)
    child = place.server.ask("POST", "auth/token/create", {}, token=own["client_token"])["auth"]
    anothers = place.sign_in(world.role_id, world.other[0])
    seen = run_observe(world.step, world.targets())
    assert [own["accessor"]] == [str(one).split()[0] for one in _list(seen.shown["own_tokens"])]
    assert seen.shown["unclear_tokens"] == []
    assert seen.shown["other_secret_ids"] == [world.other[1]]

    done = apply(world)
    assert done.detail["tokens_ended"] == [own["accessor"]]
    assert not place.is_valid(own["client_token"]) and not place.is_valid(child["client_token"])
    assert place.is_valid(anothers["client_token"])
    assert "400" in refusal(place, world.role_id, world.value)
    assert place.sign_in(world.role_id, world.other[0])


def test_tokens_of_unclear_origin_stay_and_are_said_unless_asked(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(DESTROY, tmp_path, place)
    world.value, world.accessor = world.other  # without metadata
    token = place.sign_in(world.role_id, world.value)
    executor = executor_of(world.step)
    assert apply(world).detail["tokens_ended"] == []
    assert place.is_valid(token["client_token"])
    seen = run_observe(world.step, world.targets())
    [point] = executor.points(world.step, seen)
    assert point.without_access is None and not point.open, "not contained: nobody can tell"
    assert token["accessor"] in str(verify(world).detail["unclear_tokens"])

    asked: dict[str, Json] = {"end_unclear_tokens": True}
    plan = world.plan(parameters=asked)
    [point] = executor.points(plan.steps[0], seen)
    assert token["accessor"] in point.open[0]
    with pytest.raises(VerifyFailed, match=token["accessor"]):
        executor.verify(clearance(plan), plan.steps[0], world.targets(), Deadline.within(0))
    done = run_tighten(clearance(plan), plan.body, 0, world.targets())
    assert done.detail["tokens_ended"] == [token["accessor"]]
    assert not place.is_valid(token["client_token"])
    [point] = executor.points(plan.steps[0], run_observe(plan.steps[0], world.targets()))
    assert point.without_access is True


def test_unclear_tokens_are_ended_with_the_secret_id_where_asked(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(DESTROY, tmp_path, place)
    kept = place.sign_in(world.role_id, world.value)  # has metadata: surely another's
    world.accessor = world.other[1]
    token = place.sign_in(world.role_id, world.other[0])
    done = apply(world, {"end_unclear_tokens": True})
    assert done.detail["tokens_ended"] == [token["accessor"]]
    assert place.is_valid(kept["client_token"])


def test_a_sign_in_between_the_calls_is_ended_too(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, late = BaoWorld(DESTROY, tmp_path, place), []
    real = openbao_secret_id.destroy

    def destroy(*given: Any) -> None:
        late.append(place.sign_in(world.role_id, world.value))
        real(*given)

    monkeypatch.setattr(openbao_secret_id, "destroy", destroy)
    assert apply(world).detail["tokens_ended"] == [late[0]["accessor"]]
    assert not place.is_valid(late[0]["client_token"])


def test_batch_tokens_are_said_and_nothing_is_contained(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(DESTROY, tmp_path, place)
    place.role(world.role, token_type="batch", token_ttl="20m")
    token = place.sign_in(world.role_id, world.value)["client_token"]
    apply(world)
    seen = verify(world).observation
    assert seen is not None and seen.shown["batch_tokens"] == "1200 s"
    [point] = executor_of(world.step).points(world.step, seen)
    assert point.without_access is None and place.is_valid(token)


def test_a_secret_id_that_is_not_there_is_refused_before_anybody_signs(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(DESTROY, tmp_path, place)
    world.accessor = "00000000-0000-0000-0000-000000000000"
    seen = run_observe(world.step, world.targets())
    with pytest.raises(NotApplied, match="no such secret id"):
        run_prepare(clearance(world.plan()), world.plan().body, 0, world.targets(), seen)


def test_the_role_that_the_operator_signs_in_with_is_refused(place: Place, tmp_path: Path) -> None:
    for action in (DESTROY, NEW):
        directory = tmp_path / action
        directory.mkdir()
        world = BaoWorld(action, directory, place)
        place.role(world.role, token_policies=[f"operate-{world.role}"])
        token = place.sign_in(world.role_id, world.value)["client_token"]
        (directory / "operate.token").write_text(token)
        before = world.look()
        with pytest.raises(NotApplied, match="the portal itself"):
            apply(world)
        assert world.look() == before and place.is_valid(token)


def test_an_unused_secret_id_is_destroyed_and_a_used_one_is_refused(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(DESTROY_NEW, tmp_path, place)
    place.sign_in(world.role_id, world.value)
    with pytest.raises(NotApplied, match=r"openbao\.secret_id\.destroy"):
        apply(world)
    assert world.accessor in place.accessors(world.role)
    world.accessor = world.other[1]
    apply(world)
    assert world.accessor not in place.accessors(world.role)


# Making and delivering


def test_the_delivered_secret_id_signs_in_and_stands_nowhere_else(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    old = delivered(world)
    done, seen = apply(world), verify(world)
    value = delivered(world)
    assert (
        value != old and place.sign_in(world.role_id, value) and place.sign_in(world.role_id, old)
    )
    assert done.made == seen.made
    assert done.made["accessor"] in place.accessors(world.role)
    for text in (
        repr(done),
        repr(seen),
        place.server.audit_log.read_text(),
        place.server.log.read_text(),
    ):
        assert value not in text


def test_a_lost_answer_is_settled_by_asking_for_the_staged_value(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    real = Api.post
    calls = []

    def lose(self: Api, path: str, body: Mapping[str, Json]) -> object:
        found = real(self, path, body)
        if path.endswith("custom-secret-id"):
            calls.append(path)
            raise ConnectionError("the answer was lost")
        return found

    monkeypatch.setattr(Api, "post", lose)
    done = apply(world)
    assert len(calls) == 1 and len(place.accessors(world.role)) == 3
    assert apply(world).made == done.made and len(calls) == 1


def test_after_a_crash_the_staged_value_is_used_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the value was staged, before OpenBao knew it; and after it, unpromoted."""
    world = BaoWorld(NEW, tmp_path, place)
    plan = world.plan()
    given = clearance(plan)
    for name in ("register", "is_there"):
        with monkeypatch.context() as patched:
            patched.setattr(openbao_approle._Made, name, _killed)
            with pytest.raises(KeyboardInterrupt):
                run_apply(given, plan.body, 0, world.targets())
        assert (world.directory / "files/orders/approle/current").readlink().name == "first"
    run_apply(given, plan.body, 0, world.targets())
    assert len(place.accessors(world.role)) == 3
    assert place.sign_in(world.role_id, delivered(world))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_version_that_somebody_else_staged_stops_it(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    held = world.directory / "files/orders/approle"
    (held / "staged").symlink_to("versions/theirs")
    with pytest.raises(NotApplied, match="theirs"):
        apply(world)
    assert len(place.accessors(world.role)) == 2


def test_a_place_that_the_store_does_not_allow_is_refused(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    for at in ("files:billing/approle", "others:orders/approle"):
        with pytest.raises(NotApplied):
            apply(world, {"store": at})
    assert len(place.accessors(world.role)) == 2


def test_a_secret_id_with_one_use_survives_the_proof(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    place.role(world.role, secret_id_num_uses=1)
    apply(world)
    verify(world)
    assert place.sign_in(world.role_id, delivered(world))
    assert "400" in refusal(place, world.role_id, delivered(world))


def test_a_role_that_asks_for_no_secret_id_is_refused(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    place.role(world.role, bind_secret_id=False, token_bound_cidrs=["127.0.0.1/32"])
    seen = run_observe(world.step, world.targets())
    with pytest.raises(NotApplied, match="asks for no secret id"):
        run_prepare(clearance(world.plan()), world.plan().body, 0, world.targets(), seen)


def test_undoing_a_delivery_brings_the_old_one_back_and_leaves_others_alone(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    old, plan, targets = delivered(world), world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    apply(world)
    somebody = place.secret_id(world.role)[1]
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert delivered(world) == old
    assert place.accessors(world.role) == sorted([world.accessor, world.other[1], somebody])


# Rights, names, answers


def test_with_one_right_less_each_action_refuses_and_nothing_changes(
    place: Place, tmp_path: Path
) -> None:
    needed = set()
    for action in (NEW, DESTROY_NEW, DESTROY, REVOKE, NEW_CREDENTIAL):
        directory = tmp_path / action
        directory.mkdir()
        world = bao_world(action, directory, place)
        if action == DESTROY:
            place.sign_in(world.role_id, world.value)
        for line in _lines():
            if action == NEW_CREDENTIAL and not re.search("database|make-", line):
                continue  # the others are needed by another action, too
            world.give_rights(without=f"^{re.escape(line)}$")
            before = world.look()
            try:
                run_observe(world.step, world.targets())
                if not _is_of_operator(line):
                    continue
                apply(world)
            except (TargetUnobservable, NotApplied):
                needed.add(line)
                assert world.look() == before
                assert world.changes() == 0 or action == NEW
                continue
            directory = tmp_path / f"{action} {len(needed)} {line.count('a')} {hash(line)}"
            directory.mkdir()
            world.close()
            world = bao_world(action, directory, place)
        world.close()
    assert set(_lines()) - needed <= {SELF}, "each documented right is needed"


SELF = 'path "auth/token/lookup-self" { capabilities = ["read"] }'


def _lines() -> list[str]:
    return [line for of in ("observer", "operator") for line in rules(of).splitlines() if line]


def _is_of_operator(line: str) -> bool:
    return line in rules("operator")


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "Orders"},
        {"role": "../policy"},
        {"role": "orders/secret-id"},
        {"role": "orders\n"},
        {"role": "оrders"},
        {"mount": "../sys"},
        {"mount": "approle/"},
        {"mount": "/approle"},
        {"mount": "team//approle"},
        {"mount": "team/../approle"},
        {"mount": "a?x=1"},
        {"mount": "a%2Fb"},
        {"accessor": "84896A0C-1347-AA90-A4F6-ACA8B7558780"},
        {"server": "Main"},
    ],
)
def test_a_name_that_could_mean_something_else_is_refused(fields: dict[str, Json]) -> None:
    target: dict[str, Json] = {
        "kind": "openbao.secret_id",
        "server": SERVER,
        "mount": "approle",
        "role": "orders",
        "accessor": "84896a0c-1347-aa90-a4f6-aca8b7558780",
    }
    make_plan(DESTROY, target, {"end_unclear_tokens": False})
    with pytest.raises(BadInput):
        make_plan(DESTROY, {**target, **fields}, {"end_unclear_tokens": False})
    for name in ("hitl-worker", "hitl.worker", "hitl_worker"):
        with pytest.raises(ProtectedTarget):
            make_plan(DESTROY, {**target, "role": name}, {"end_unclear_tokens": False})


def test_a_mount_in_a_path_is_another_target(place: Place, tmp_path: Path) -> None:
    class Nested(BaoWorld):
        mount = "team/approle"

    world = Nested(DESTROY, tmp_path, place)
    token = place.sign_in(world.role_id, world.value, world.mount)
    place.role(world.role)  # the same name at the other mount
    other = place.secret_id(world.role, owner="orders")
    assert "team%2Fapprole" in world.step.target.locator
    assert apply(world).detail["tokens_ended"] == [token["accessor"]]
    assert place.accessors(world.role) == [other[1]]


@pytest.mark.parametrize(
    ("error", "refusal"),
    [("ReadTimeout", OutcomeUnknown), ("ConnectTimeout", NotApplied), ("SSLError", OutcomeUnknown)],
)
def test_an_answer_that_is_lost_is_unknown_and_a_call_not_sent_is_refused(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
    refusal: type[StepFailed],
) -> None:
    from requests import exceptions

    world, real = BaoWorld(DESTROY, tmp_path, place), Api.post

    def fail(self: Api, path: str, body: Mapping[str, Json]) -> object:
        if path.endswith("/destroy"):
            raise getattr(exceptions, error)("https://bao.example/secret")
        return real(self, path, body)

    monkeypatch.setattr(Api, "post", fail)
    with pytest.raises(refusal) as raised:
        apply(world)
    assert "secret" not in raised.value.detail


# Waiting


def question(
    world: BaoWorld, condition: str, made: Mapping[str, str], since: datetime, *consumers: Consumer
) -> Question:
    return Question(condition, since, made, {}, consumers)


def test_consumers_are_seen_on_the_new_one_by_the_audit_log(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    consumer = Consumer("orders", "127.0.0.0/8", 0, "reload")
    elsewhere = Consumer("billing", "10.9.8.7", 0, "reload")
    place.sign_in(world.role_id, world.value)
    since = datetime.now(UTC)
    made = apply(world).made
    executor, step, targets = executor_of(world.step), world.step, world.targets()

    def unmet(condition: str, *consumers: Consumer) -> str:
        found = executor.look_for(
            question(world, condition, made, since, *consumers), step, targets
        )
        why = why_not_met(found, consumers, since=since, now=datetime.now(UTC))
        return why.name if why else ""

    assert unmet("consumers_moved", consumer) == "not_moved"
    place.sign_in(world.role_id, delivered(world))
    assert unmet("consumers_moved", consumer) == ""
    assert unmet("consumers_moved", consumer, elsewhere) == "not_moved"
    place.sign_in(world.role_id, world.value)  # a pool that is a mix of both
    assert unmet("consumers_moved", consumer) == "not_moved"
    assert unmet("old_quiet", elsewhere) in ("old_in_use", "window_open")


def test_a_later_use_of_an_old_token_is_a_use_of_the_old(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    token = place.sign_in(world.role_id, world.value)["client_token"]
    since = datetime.now(UTC)
    made = apply(world).made
    place.sign_in(world.role_id, delivered(world))
    before = datetime.now(UTC)
    assert place.is_valid(token)  # it asks who it is
    consumer = Consumer("orders", "127.0.0.1", 0, "reload")
    found = executor_of(world.step).look_for(
        question(world, "old_quiet", made, since, consumer), world.step, world.targets()
    )
    assert found.old_used_at is not None and found.old_used_at >= before - timedelta(seconds=1)
    assert found.consumers[0].use is Use.MOVED
    assert found.consumers[0].last_old > found.consumers[0].last_new  # type: ignore[operator]


def test_without_a_live_audit_log_no_condition_is_met(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(NEW, tmp_path, place)
    made, since = apply(world).made, datetime.now(UTC)
    consumer = Consumer("orders", "127.0.0.1", 0, "reload")
    asked = question(world, "consumers_moved", made, since, consumer)
    text = world.toml()
    (tmp_path / "old.log").write_text(place.server.audit_log.read_text())
    for line in ("", f'audit_log = "{tmp_path / "old.log"}"', 'audit_log = "missing.log"'):
        world.toml = lambda port=None, line=line: re.sub("audit_log = .*", line, text)  # type: ignore[method-assign]
        found = executor_of(world.step).look_for(asked, world.step, world.targets())
        why = why_not_met(found, (consumer,), since=since, now=datetime.now(UTC))
        assert why is not None and why.name == "not_observable", line


# Leases


@pytest.fixture
def session(place: Place) -> Iterator[list[psycopg.Connection[Any]]]:
    opened: list[psycopg.Connection[Any]] = []
    yield opened
    for one in opened:
        one.close()


def open_session(world: BaoWorld) -> psycopg.Connection[Any]:
    return psycopg.connect(
        install.login(
            world.place.superuser, world.credential["username"], world.credential["password"]
        ),
        autocommit=True,
    )


def test_a_revoked_lease_leaves_its_session_alive_and_it_is_said(
    place: Place, tmp_path: Path, session: list[psycopg.Connection[Any]]
) -> None:
    world = BaoWorld(REVOKE, tmp_path, place)
    session.append(open_session(world))
    seen = run_observe(world.step, world.targets())
    assert seen.shown["database_role"] == [world.credential["username"]]
    assert _count(seen.shown["sessions"]) == 1

    done = apply(world, {"end_sessions": False})
    assert done.detail["dropped_roles"] == [world.credential["username"]]
    assert session[0].execute("SELECT 1").fetchone() == (1,), "PostgreSQL keeps the session"
    with pytest.raises(psycopg.OperationalError):
        open_session(world)
    plan = world.plan(parameters={"end_sessions": False})
    seen = run_observe(plan.steps[0], world.targets())
    assert "dropped role" in str(seen.shown["orphan_sessions"])
    points = executor_of(plan.steps[0]).points(plan.steps[0], seen)
    assert [point.without_access for point in points] == [True, False]
    assert verify(world, {"end_sessions": False}).detail["orphan_sessions"]

    with pytest.raises(VerifyFailed, match="dropped role"):
        executor_of(world.step).verify(
            clearance(world.plan()), world.step, world.targets(), Deadline.within(0)
        )
    run_tighten(clearance(world.plan()), world.plan().body, 0, world.targets())
    with pytest.raises(psycopg.OperationalError):
        session[0].execute("SELECT 1")
    verify(world)


def test_sessions_of_the_lease_are_ended_where_asked_and_no_other(
    place: Place, tmp_path: Path, session: list[psycopg.Connection[Any]]
) -> None:
    world = BaoWorld(REVOKE, tmp_path, place)
    other = place.server.ask("GET", f"database/creds/{world.role}")["data"]
    session += [
        open_session(world),
        psycopg.connect(install.login(place.superuser, other["username"], other["password"])),
    ]
    done = apply(world)
    assert _count(done.detail["sessions_ended"]) == 1
    with pytest.raises(psycopg.OperationalError):
        session[0].execute("SELECT 1")
    assert session[1].execute("SELECT 1").fetchone() == (1,)
    verify(world)


def test_a_role_that_owns_a_table_keeps_the_lease_and_it_is_said(
    place: Place, tmp_path: Path
) -> None:
    world = BaoWorld(REVOKE, tmp_path, place)
    user = world.credential["username"]
    place.run(f'CREATE TABLE "{world.role}" (); ALTER TABLE "{world.role}" OWNER TO "{user}"')
    seen = run_observe(world.step, world.targets())
    assert seen.shown["owned_objects"] == 1
    with pytest.raises(OutcomeUnknown, match="could not revoke"):
        apply(world)
    assert run_observe(world.step, world.targets()).state == {"live": True}
    place.run(f'DROP TABLE "{world.role}"')
    apply(world)
    assert world.database_roles() == []


def test_ending_sessions_needs_a_login_in_the_database(place: Place, tmp_path: Path) -> None:
    world = BaoWorld(REVOKE, tmp_path, place)
    text = world.toml()
    cut = re.sub(r"\[openbao\.main\.database.*?\n\n", "", text, flags=re.S)
    world.toml = lambda port=None: cut  # type: ignore[method-assign]
    seen = run_observe(world.step, world.targets())
    assert seen.shown["sessions"] is None
    with pytest.raises(NotApplied, match="cannot look into the database"):
        run_prepare(clearance(world.plan()), world.plan().body, 0, world.targets(), seen)
    with pytest.raises(NotApplied, match="no login for database"):
        apply(world)
    assert run_observe(world.step, world.targets()).state == {"live": True}
    apply(world, {"end_sessions": False})


def refusal(place: Place, role_id: str, secret_id: str) -> str:
    from hitlportal.demo.servers.openbao import BaoRefused

    with pytest.raises(BaoRefused) as raised:
        place.sign_in(role_id, secret_id)
    return str(raised.value)


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _count(value: object) -> int:
    return len(_list(value))
