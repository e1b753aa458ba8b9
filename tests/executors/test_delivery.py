"""Delivery: staged is not promoted, crashes are repaired, others' versions stay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from remediation.domain.store_place import version_name
from remediation.executors.base import Deadline
from remediation.executors.delivery import (
    Rotation,
    find_store,
    rotate_into,
    settle_staged,
    take_back,
)
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.secret import SecretValue
from remediation.executors.stores.store import OpenPlace, PromotedByOther, StagedByOther
from tests.executors.contract import make_plan
from tests.executors.stores.killing import Target, clearance, deliver, open_place
from tests.executors.stores.worlds import WORLDS, StoreWorld

ROOT = Path(__file__).parents[2]
VERSION = version_name(clearance().proposal_id, 0)


@pytest.fixture(params=WORLDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> StoreWorld:
    make, server = WORLDS[request.param]
    world: StoreWorld = make(tmp_path, request.getfixturevalue(server) if server else None)
    return world


@pytest.fixture
def files(tmp_path: Path) -> StoreWorld:
    """A store of files, for what does not depend on the kind."""
    return WORLDS["file"][0](tmp_path, None)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "target.json")


def place_of(world: StoreWorld) -> OpenPlace:
    return open_place(world.targets(), world.path)


def password(world: StoreWorld) -> SecretValue:
    return SecretValue({"password": world.consumer_reads()["password"]})


# How many lines lie between two kills: every line where the store answers at once.
EVERY = {"file": 2, "openbao": 13, "openbao-cut": 29, "aws_secrets_manager": 29}


@pytest.mark.parametrize("kind", WORLDS)
def test_killed_at_any_line_the_next_call_finishes_with_the_same_value(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """No third password, no promotion before the target takes it, no value lost (A30)."""
    make, server = WORLDS[kind]
    given = request.getfixturevalue(server) if server else None
    most = 400 // EVERY[kind]
    worlds = [make(tmp_path, given)]
    worlds += [make(tmp_path, given) for _ in range(most)] if kind == "aws_secrets_manager" else []
    worlds[0].targets()
    paths = [world.path for world in worlds]
    paths += [f"{worlds[0].path}-{n}" for n in range(most - len(paths))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.executors.stores.killing", str(tmp_path), str(EVERY[kind]),
         *paths],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in lines if line["wrong"]] == []
    assert lines[-1]["killed"] == "" and len(lines) > 5, lines
    places = {line["killed"].partition(":")[0] for line in lines}
    assert {"delivery.py", f"{kind.partition('-')[0]}.py"} <= places


def test_a_delivery_promotes_what_the_target_takes(kept: StoreWorld, target: Target) -> None:
    kept.by_hand({"username": "orders", "password": "by hand"})
    outcome = deliver(kept.targets(), kept.path, target)
    assert outcome.made == {"version": VERSION}
    assert outcome.detail["store"] == kept.place
    assert outcome.detail["simulated_store"] is (kept.kind == "aws_secrets_manager")
    assert target.proves(password(kept)) and kept.consumer_reads()["username"] == "orders"
    again = deliver(kept.targets(), kept.path, target)
    assert again.made == outcome.made and len(target.state()["sets"]) == 1


@pytest.mark.parametrize("theirs", [{"password": "theirs-theirs"}, None])
def test_a_version_staged_by_somebody_else_stops_it(
    kept: StoreWorld, target: Target, theirs: dict[str, str] | None
) -> None:
    kept.by_hand({"password": "by hand"})
    kept.stage_by_hand(theirs)
    with pytest.raises(StagedByOther, match="a person promotes or discards it first"):
        deliver(kept.targets(), kept.path, target)
    assert target.state()["sets"] == []
    assert kept.consumer_reads() == {"password": "by hand"}
    assert kept.store.look(kept.path).staged is not None


def test_a_value_that_the_policy_refuses_is_replaced_and_discarded(
    kept: StoreWorld, target: Target
) -> None:
    target.refuses = 2
    deliver(kept.targets(), kept.path, target)
    assert target.state()["refused"] == 2 and target.proves(password(kept))


def test_values_that_are_all_refused_leave_nothing_staged(kept: StoreWorld, target: Target) -> None:
    kept.by_hand({"password": "by hand"})
    target.refuses = 99
    with pytest.raises(NotApplied, match="refused 3 values by its policy: too simple"):
        deliver(kept.targets(), kept.path, target)
    assert kept.store.look(kept.path).staged is None
    assert kept.consumer_reads() == {"password": "by hand"}


def test_a_lost_answer_is_read_at_the_target_and_not_asked_again(
    files: StoreWorld, target: Target
) -> None:
    target.loses_answer = True
    with pytest.raises(OutcomeUnknown, match="ConnectionError"):
        deliver(files.targets(), files.path, target)
    assert files.store.look(files.path).promoted == ""
    deliver(files.targets(), files.path, target)
    assert len(target.state()["sets"]) == 1 and target.proves(password(files))


def _say(error: Exception) -> Callable[[SecretValue], None]:
    def fail(value: SecretValue) -> None:
        raise error

    return fail


@pytest.mark.parametrize("answer", [True, False, None])
def test_an_unknown_outcome_that_the_target_shows_is_known(
    files: StoreWorld, answer: bool | None
) -> None:
    made = SecretValue({"password": "made-here"})
    rotation = Rotation(lambda: made, _say(OutcomeUnknown("no answer")), lambda _: answer)
    if answer:
        assert rotate_into(place_of(files), rotation).made == {"version": VERSION}
        return
    with pytest.raises(OutcomeUnknown):
        rotate_into(place_of(files), rotation)
    held = files.store.look(files.path)
    assert held.promoted == "" and held.staged is not None  # for the next call


def test_a_refusal_of_the_target_discards_the_value(files: StoreWorld) -> None:
    made = SecretValue({"password": "made-here"})
    rotation = Rotation(lambda: made, _say(NotApplied("not today")), lambda _: False)
    with pytest.raises(NotApplied, match="not today"):
        rotate_into(place_of(files), rotation)
    assert files.store.look(files.path).staged is None


def test_what_is_set_and_not_in_force_everywhere_is_not_promoted(files: StoreWorld) -> None:
    answers = iter([None, False, False])
    made = SecretValue({"password": "made-here"})
    rotation = Rotation(lambda: made, lambda _: None, lambda _: next(answers), patience_s=0.7)
    with pytest.raises(PartlyApplied, match="not in force at each place"):
        rotate_into(place_of(files), rotation)
    assert files.store.look(files.path).promoted == ""


def test_a_fresh_credential_that_is_refused_for_a_moment_is_not_refused(
    files: StoreWorld,
) -> None:
    answers = iter([False, None, True])
    made = SecretValue({"password": "made-here"})
    rotation = Rotation(lambda: made, lambda _: None, lambda _: next(answers), patience_s=5)
    assert rotate_into(place_of(files), rotation).made == {"version": VERSION}


def test_somebody_who_promotes_meanwhile_keeps_his_version(
    kept: StoreWorld, target: Target
) -> None:
    kept.by_hand({"password": "first"})

    def set_meanwhile(value: SecretValue) -> None:
        kept.by_hand({"password": "by hand"})
        target.set(value)

    rotation = Rotation(target.rotation().make, set_meanwhile, target.proves)
    with pytest.raises(PromotedByOther):
        rotate_into(place_of(kept), rotation)
    assert kept.consumer_reads() == {"password": "by hand"}


def test_what_the_target_made_is_never_made_twice(files: StoreWorld) -> None:
    """The provider's secret is told once: without it, a person decides on what is left."""
    calls: list[str] = []

    def make() -> SecretValue:
        calls.append("make")
        raise ConnectionError("the answer is lost")

    rotation = Rotation(
        make, lambda _: None, lambda _: True, lost=lambda: "key AKIANEW" if calls else ""
    )
    with pytest.raises(OutcomeUnknown, match="ConnectionError"):
        rotate_into(place_of(files), rotation)
    with pytest.raises(PartlyApplied, match="its value is lost: key AKIANEW"):
        rotate_into(place_of(files), rotation)
    assert calls == ["make"]


def test_what_the_store_does_not_take_is_unmade(files: StoreWorld) -> None:
    unmade: list[str] = []

    def make() -> SecretValue:
        files.store.directory.chmod(0o777)  # type: ignore[attr-defined]
        return SecretValue({"access_key_id": "AKIANEW", "secret_access_key": "told-once"})

    rotation = Rotation(
        make, lambda _: None, lambda _: True,
        unmake=lambda value: unmade.append(value.reveal("access_key_id")),
    )  # fmt: skip
    with pytest.raises(NotApplied, match="nobody else may write"):
        rotate_into(place_of(files), rotation)
    assert unmade == ["AKIANEW"]


def test_settling_promotes_or_discards_and_never_makes(files: StoreWorld, target: Target) -> None:
    def never(*_: object) -> SecretValue:
        raise AssertionError("it must not be called")

    rotation = Rotation(never, never, target.proves)  # type: ignore[arg-type]
    with pytest.raises(NotApplied, match="nothing of this step is staged"):
        settle_staged(place_of(files), rotation)
    value = SecretValue({"password": "staged-value"})
    place_of(files).stage(value)
    with pytest.raises(NotApplied, match="discarded"):
        settle_staged(place_of(files), rotation)
    assert files.store.look(files.path).staged is None
    place_of(files).stage(value)
    target.set(value)
    assert settle_staged(place_of(files), rotation).made == {"version": VERSION}
    assert files.consumer_reads() == {"password": "staged-value"}


def test_taking_back_gives_consumers_the_version_before(kept: StoreWorld, target: Target) -> None:
    kept.by_hand({"password": "by hand"})
    deliver(kept.targets(), kept.path, target)
    for _ in range(2):
        take_back(place_of(kept))
        assert kept.consumer_reads() == {"password": "by hand"}
    assert place_of(kept).read() is None


def test_no_time_left_stops_before_the_target(files: StoreWorld, target: Target) -> None:
    place = place_of(files)
    late = OpenPlace(place.store, place.path, place.staged, place.clearance, Deadline.within(-1))
    with pytest.raises(NotApplied, match="no time"):
        rotate_into(late, target.rotation())
    assert target.state()["sets"] == []


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("apps:orders/database", ""),
        ("apps:orders/database/deeper", "takes nothing of"),
        ("apps:billing/database", "takes nothing of"),
        ("other:orders/database", "no store other"),
        ("apps:orders/../billing", "store:path"),
        ("apps:/orders", "store:path"),
        ("apps:orders/.hidden", "store:path"),
        ("apps:orders/a\n", "store:path"),
        ("orders/database", "store:path"),
        (7, "store:path"),
    ],
)
def test_a_target_may_use_only_the_places_that_the_operator_allows(
    files: StoreWorld, place: object, says: str
) -> None:
    step = make_plan("test.noop", {"kind": "test.target", "name": "alpha"}, {}).steps[0]
    if not says:
        assert find_store(files.targets(), step.target, place)[1] == "orders/database"
        return
    with pytest.raises(NotApplied, match=says):
        find_store(files.targets(), step.target, place)
