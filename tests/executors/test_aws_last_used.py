"""Who uses which key: the waits of a rotation, against the simulated AWS.

Consumers are seen by their own calls, never by the store or by the worker's try of the new key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.conditions import Consumer, Name, Sighting, Use, why_not_met
from remediation.executors import aws_last_used
from remediation.executors.base import Question
from remediation.executors.run import run_apply, run_look_for, run_observe
from tests.executors import moto
from tests.executors.contract import UserKeysWorld, clearance
from tests.executors.lagging import LaggingIam, Reads, lagging

BILLING = Consumer("billing", "billing", 0, "reload")
NIGHTLY = Consumer("nightly", "nightly", 86_400, "restart")
# The observer's own use and the old key's last one are long after this.
LONG_AGO = timedelta(hours=6)


class Rotated(UserKeysWorld):
    """A user whose second key was made and delivered."""

    made: Mapping[str, str]
    since: datetime

    def rotate(self) -> None:
        plan = self.plan()
        self.before = run_observe(self.step, self.targets()).state
        self.made = run_apply(clearance(plan), plan.body, 0, self.targets()).made
        self.since = datetime.now(UTC)

    def use_old(self, app: str) -> None:
        self.moto.client(self.user.key, self.user.secret, app=app).list_account_aliases()

    def use_new(self, app: str) -> None:
        self.moto.client(*self.delivered().values(), app=app).list_account_aliases()

    def look(self, *consumers: Consumer, port: int | None = None, **other: Any) -> Sighting:
        """Look for consumers_moved, or for what is given."""
        question = Question(
            condition=other.get("condition", Name.CONSUMERS_MOVED),
            since=other.get("since", self.since),
            made=self.made,
            before=self.before,
            consumers=consumers,
            previous=other.get("previous"),
        )
        return run_look_for(question, self.step, self.targets(port))

    def unmet(self, *consumers: Consumer, **other: Any) -> str:
        """Return the name of why it is not met, "" if it is."""
        found = self.look(*consumers, **other)
        assert Sighting.from_json(found.to_json()) == found
        now = max(found.at, datetime.now(UTC)) + timedelta(seconds=1)
        why = why_not_met(found, consumers, since=other.get("since", self.since), now=now)
        return f"{why.name}: {why.detail}" if why else ""


class WithTrail(Rotated):
    cloudtrail = True


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> Rotated:
    made = Rotated("aws.user_keys.create_key", tmp_path, simulator)
    made.rotate()
    return made


@pytest.fixture
def trail(simulator: moto.Moto, tmp_path: Path) -> WithTrail:
    made = WithTrail("aws.user_keys.create_key", tmp_path, simulator)
    made.rotate()
    return made


@pytest.fixture
def stopped(world: Rotated) -> Iterator[LaggingIam]:
    """AWS's record of uses stopped a day ago; it is seen by the observer's own key."""
    with lagging(world.moto.url, Reads.STALE) as iam:
        day_ago = datetime.now(UTC) - timedelta(days=1)
        iam.stopped = (moto.logins("1")["observer"]["id"], day_ago.isoformat())
        yield iam


# --- Consumers moved, by the last use of each key ----------------------------------------------


def test_one_consumer_is_moved_when_the_new_key_was_used_and_the_old_no_more(
    world: Rotated,
) -> None:
    assert world.unmet(BILLING) == "not_moved: billing"
    world.use_new("billing")
    assert world.unmet(BILLING) == ""
    (seen,) = world.look(BILLING).consumers
    assert seen.use is Use.MOVED and seen.last_new is not None and seen.last_new >= world.since


def test_the_workers_own_try_of_the_new_key_moves_nobody(world: Rotated) -> None:
    slots = run_observe(world.step, world.targets()).shown["slots"]
    assert isinstance(slots, list)
    used = {slot["id"]: slot["last_used_service"] for slot in slots if isinstance(slot, dict)}
    assert used[world.made["access_key_id"]] == "sts"
    (seen,) = world.look(BILLING, since=world.since - timedelta(minutes=5)).consumers
    assert seen.use is not Use.MOVED and seen.last_new is None


def test_a_read_of_the_store_is_fetched_and_not_moved(world: Rotated) -> None:
    held = world.look(BILLING).consumers[0]
    assert held.use in (Use.NOT_SEEN, Use.FETCHED)
    assert world.unmet(BILLING) == "not_moved: billing"


def test_a_mix_of_both_keys_is_not_moved(world: Rotated) -> None:
    """AWS records the first use in 15 minutes: the old one may have been used later than shown."""
    world.use_new("billing")
    world.use_old("billing")
    assert world.unmet(BILLING) == "not_moved: billing"
    world.use_new("billing")  # after the old one, and within its 15 minutes
    assert world.unmet(BILLING) == "not_moved: billing"
    (seen,) = world.look(BILLING).consumers
    assert "one use in 15 minutes" in seen.detail


def test_several_consumers_are_not_told_apart_by_the_last_use(world: Rotated) -> None:
    """The twin with one consumer is the first test."""
    world.use_new("billing")
    assert world.unmet(BILLING, NIGHTLY) == "not_moved: billing, nightly"
    details = {one.detail for one in world.look(BILLING, NIGHTLY).consumers}
    assert details == {"AWS's last use names no consumer; cloudtrail = true tells several apart"}


def test_no_record_is_not_never(simulator: moto.Moto, tmp_path: Path) -> None:
    """The twin: every other user's old key has a last use."""
    world = Rotated("aws.user_keys.create_key", tmp_path, simulator)
    admin = simulator.admin()
    admin.delete_access_key(UserName=world.user.name, AccessKeyId=world.user.key)
    fresh = admin.create_access_key(UserName=world.user.name)["AccessKey"]
    world.user = moto.User(world.user.name, fresh["AccessKeyId"], "", fresh["SecretAccessKey"])
    world.rotate()
    world.use_new("billing")
    assert "not the same as never" in world.unmet(BILLING)
    since = world.since - LONG_AGO
    assert "not the same as never" in world.unmet(BILLING, condition=Name.OLD_QUIET, since=since)


# --- Consumers moved, by CloudTrail ------------------------------------------------------------


def test_each_consumer_is_seen_on_its_own_and_others_are_named(trail: WithTrail) -> None:
    trail.use_old("billing")
    trail.use_old("intruder")
    assert trail.unmet(BILLING, NIGHTLY) == "not_moved: billing, nightly"
    trail.use_new("billing")
    assert trail.unmet(BILLING, NIGHTLY) == "not_moved: nightly"
    trail.use_new("nightly")
    assert trail.unmet(BILLING, NIGHTLY) == ""
    found = trail.look(BILLING, NIGHTLY)
    assert [one.use for one in found.consumers] == [Use.MOVED, Use.MOVED]
    (other,) = found.others
    assert "app/intruder" in other and "127.0.0.1" in other
    assert (found.resolution_s, found.delay_s) == (0, 900)


def test_a_consumer_that_goes_back_to_the_old_key_is_not_moved(trail: WithTrail) -> None:
    trail.use_old("billing")
    trail.use_new("billing")
    assert trail.unmet(BILLING) == ""
    trail.use_old("billing")
    assert trail.unmet(BILLING) == "not_moved: billing"


def test_a_flood_of_calls_with_the_old_key_hides_no_consumer_on_it(
    trail: WithTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the leaked key makes it; only so many calls are read, the newest first."""
    monkeypatch.setattr(aws_last_used, "MOST_PAGES", 1)
    trail.use_new("billing")
    trail.use_old("billing")
    intruder = trail.moto.client(trail.user.key, trail.user.secret, app="intruder")
    for _ in range(51):
        intruder.list_account_aliases()
    assert trail.unmet(BILLING) == "not_moved: billing"
    (seen,) = trail.look(BILLING).consumers
    assert "more calls with the old key than are read" in seen.detail
    trail.use_new("billing")
    assert trail.unmet(BILLING) == ""


def test_a_name_in_part_is_another_consumer(trail: WithTrail) -> None:
    trail.use_old("billing")
    trail.use_new("billing-reports")
    assert trail.unmet(BILLING) == "not_moved: billing"


def test_a_use_of_the_old_key_that_cloudtrail_does_not_show_moves_nobody(
    trail: WithTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads of objects in S3 are data events: the last use has them, CloudTrail does not."""
    trail.use_new("billing")
    trail.use_old("billing")
    shown = aws_last_used._events

    def without_old(target: Any, key_id: str, since: datetime) -> Any:
        return [] if key_id == trail.user.key else shown(target, key_id, since)

    monkeypatch.setattr(aws_last_used, "_events", without_old)
    assert trail.unmet(BILLING) == "not_moved: billing"
    (seen,) = trail.look(BILLING).consumers
    assert seen.detail == "the old key was used since, and CloudTrail does not show by whom"


def test_a_trail_that_stopped_is_no_evidence(
    trail: WithTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail.use_new("billing")
    assert trail.unmet(BILLING) == ""
    shown, own = aws_last_used._events, moto.logins("1")["observer"]["id"]

    def stopped(target: Any, key_id: str, since: datetime) -> Any:
        return [] if key_id == own else shown(target, key_id, since)

    monkeypatch.setattr(aws_last_used, "_events", stopped)
    assert trail.unmet(BILLING) == (
        "not_observable: CloudTrail does not show the observer's own calls"
    )


# --- Old quiet ---------------------------------------------------------------------------------


def test_the_window_is_resolution_delay_and_the_longest_period(world: Rotated) -> None:
    found = world.look(BILLING, condition=Name.OLD_QUIET)
    assert (found.resolution_s, found.delay_s) == (900, 14_400)
    assert world.unmet(BILLING, condition=Name.OLD_QUIET).startswith("window_open")
    since = world.since - LONG_AGO
    assert world.unmet(BILLING, condition=Name.OLD_QUIET, since=since) == ""
    # F29: a nightly job may have begun before the new key was there.
    assert world.unmet(BILLING, NIGHTLY, condition=Name.OLD_QUIET, since=since).startswith(
        "window_open"
    )


def test_a_use_of_the_old_key_ends_the_quiet(world: Rotated) -> None:
    since = world.since - LONG_AGO
    assert world.unmet(BILLING, condition=Name.OLD_QUIET, since=since) == ""
    world.use_old("anybody")
    assert world.unmet(BILLING, condition=Name.OLD_QUIET, since=since).startswith("old_in_use")


def test_a_source_that_stopped_is_no_evidence_of_quiet(world: Rotated, stopped: LaggingIam) -> None:
    since = world.since - LONG_AGO
    assert world.unmet(BILLING, condition=Name.OLD_QUIET, since=since) == ""
    assert world.unmet(
        BILLING, condition=Name.OLD_QUIET, since=since, port=stopped.port
    ).startswith("source_silent")


# --- What was not planned ----------------------------------------------------------------------


def test_f28_an_unplanned_key_and_a_lost_new_one_stop_every_condition(world: Rotated) -> None:
    world.use_new("billing")
    assert world.unmet(BILLING) == ""
    admin, new = world.moto.admin(), world.made["access_key_id"]
    admin.update_access_key(UserName=world.user.name, AccessKeyId=new, Status="Inactive")
    assert world.unmet(BILLING) == f"not_observable: the new key {new} is not Active"
    admin.update_access_key(UserName=world.user.name, AccessKeyId=new, Status="Active")
    admin.delete_access_key(UserName=world.user.name, AccessKeyId=world.user.key)
    other = admin.create_access_key(UserName=world.user.name)["AccessKey"]["AccessKeyId"]
    for condition in (Name.CONSUMERS_MOVED, Name.OLD_QUIET):
        assert world.unmet(BILLING, condition=condition) == (
            f"not_observable: a key that the plan did not make is there: {other}"
        )


def test_a_busy_consumer_does_not_hide_one_that_was_seen_before(
    trail: WithTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more calls than are read, the newest are; the nightly one's is older by then."""
    monkeypatch.setattr(aws_last_used, "MOST_PAGES", 1)
    trail.use_new("nightly")
    first = trail.look(BILLING, NIGHTLY)
    for _ in range(60):  # a page has 50
        trail.use_new("billing")
    assert "nightly" in trail.unmet(BILLING, NIGHTLY)
    assert trail.unmet(BILLING, NIGHTLY, previous=first) == ""


def test_what_was_seen_under_one_name_of_a_service_says_nothing_about_its_other_name(
    trail: WithTrail,
) -> None:
    batch = Consumer("billing", "batch", 0, "restart")
    trail.use_new("billing")
    first = trail.look(BILLING)
    assert trail.unmet(BILLING, previous=first) == ""
    assert trail.unmet(BILLING, batch, previous=first) == "not_moved: billing"
    both = trail.look(batch, BILLING)
    assert trail.unmet(BILLING, batch, previous=both) == "not_moved: billing"
