"""See who uses which access key of a user, for the waits of a rotation.

Two sources, and what each cannot tell:

* **GetAccessKeyLastUsed**: the last use of each key, by service and Region. Of several uses within
  15 minutes AWS records the first, and no AWS text says how late; four hours are taken, as for
  IAM's other last-used data. It names no consumer. No date means that AWS has no record, which is
  not "never". Every service counts, so *old_quiet* rests on it.
* **CloudTrail's LookupEvents**, where the targets file has `cloudtrail = true`: each call with the
  key, with address and user agent, some minutes late. Data events (objects of S3, invocations of
  functions, items of tables) are not in it. So it can show that a consumer moved, and never alone
  that nobody uses the old key. The user agent is what the client says of itself.

Both are seen alive by the observer's own calls, which must appear there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.conditions import (
    MAX_DETAIL,
    MOST_CONSUMERS,
    Consumer,
    ConsumerSeen,
    Name,
    Sighting,
    Use,
)
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget, account
from remediation.executors.aws_client import APP_ID, client_of, reading
from remediation.executors.aws_user_keys import all_keys, is_used, look_at_user, slots_of
from remediation.executors.base import Question
from remediation.executors.delivery import look_in_store
from remediation.executors.targets import Targets

RESOLUTION_S = 15 * 60
LAST_USED_DELAY_S = 4 * 3600
TRAIL_DELAY_S = 15 * 60
# Where CloudTrail keeps the events of IAM and STS, whatever the account's Region.
GLOBAL_REGION = "us-east-1"
MOST_PAGES = 4  # of 50 events, newest first: the last use of each consumer is what counts


@dataclass(frozen=True)
class Event:
    """One call with a key, as CloudTrail has it. `cut`: older ones were there, and not read."""

    at: datetime
    address: str
    agent: str
    cut: bool = False

    def is_of(self, consumer: Consumer) -> bool:
        """Return whether the consumer's address or a name in the user agent fits."""
        if not consumer.seen_as:
            return False
        names = {part for word in self.agent.split() for part in (word, word.partition("/")[0])}
        words = {consumer.seen_as, f"app/{consumer.seen_as}"}
        return self.address == consumer.seen_as or bool(names & words)

    @property
    def is_own(self) -> bool:
        """Return whether the portal made the call; a client that says so is not counted, either."""
        return f"app/{APP_ID}" in self.agent.split()


@dataclass(frozen=True)
class _Seen:
    """What both sources say at one time."""

    old_at: datetime | None
    new_at: datetime | None
    alive_at: datetime | None
    trail: _Trail | None


@dataclass(frozen=True)
class _Trail:
    old: tuple[Event, ...]
    new: tuple[Event, ...]
    alive_at: datetime | None


def look_for(question: Question, step: Step, targets: Targets) -> Sighting:
    """Look for a condition of a rotation. Raises TargetUnobservable."""
    now = datetime.now(UTC)
    observation = look_at_user(step, targets)
    old, new = str(step.parameters.get("replaces", "")), question.made["access_key_id"]
    slots = {str(slot["id"]): slot for slot in slots_of(observation)}
    unplanned = sorted(all_keys(observation.state) - {old, new})
    target = account(targets, step.target.fields["account"])
    with reading(step):
        seen = _look(target, step, slots, old, new, question.since)
    consumers = _consumers(question, step, targets, seen, now)
    moved = question.condition == Name.CONSUMERS_MOVED
    trail = seen.trail if moved else None
    return Sighting(
        condition=question.condition,
        step=step.index,
        at=now,
        alive_at=trail.alive_at if trail else seen.alive_at,
        # Uses before the new key was there say nothing about consumers that could use it.
        covers_since=question.since,
        resolution_s=0 if trail else RESOLUTION_S,
        delay_s=TRAIL_DELAY_S if trail else LAST_USED_DELAY_S,
        consumers=consumers,
        old_used_at=seen.old_at,
        others=_others(question, seen),
        why=_why(question, observation.exists, slots, (old, new), unplanned, seen, now)[
            :MAX_DETAIL
        ],
    )


def _look(
    target: AwsTarget,
    step: Step,
    slots: Mapping[str, Mapping[str, Json]],
    old: str,
    new: str,
    since: datetime,
) -> _Seen:
    client = client_of(target, *target.observe())
    own = client.get_access_key_last_used(AccessKeyId=target.observe_access_key_id)
    new_slot = slots.get(new)
    return _Seen(
        old_at=_last_used(slots.get(old)),
        new_at=_last_used(new_slot) if new_slot and is_used(new_slot) else None,
        alive_at=own["AccessKeyLastUsed"].get("LastUsedDate"),
        trail=_trail(target, old, new, since) if target.cloudtrail else None,
    )


def _last_used(slot: Mapping[str, Json] | None) -> datetime | None:
    text = slot["last_used"] if slot else None
    return datetime.fromisoformat(str(text)) if text else None


def _trail(target: AwsTarget, old: str, new: str, since: datetime) -> _Trail:
    own = _events(target, target.observe_access_key_id, since)
    return _Trail(
        old=tuple(_events(target, old, since)) if old else (),
        new=tuple(event for event in _events(target, new, since) if not event.is_own),
        alive_at=max((event.at for event in own), default=None),
    )


def _events(target: AwsTarget, key_id: str, since: datetime) -> list[Event]:
    """Return the newest calls with a key since then, in each Region that is looked at."""
    regions = {target.region} if target.simulated else {target.region, GLOBAL_REGION}
    found: list[Event] = []
    for region in sorted(regions):
        client = client_of(target, *target.observe(), service="cloudtrail", region=region)
        pages = client.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": key_id}],
            StartTime=since,
        )
        for number, page in enumerate(pages, start=1):
            found += [_event(each) for each in page["Events"]]
            if number >= MOST_PAGES:
                if page.get("NextToken") and found:
                    found[-1] = replace(found[-1], cut=True)
                break
    return found


def _event(given: Mapping[str, Any]) -> Event:
    record = json.loads(given["CloudTrailEvent"])
    return Event(
        given["EventTime"].astimezone(UTC),
        str(record.get("sourceIPAddress", ""))[:100],
        str(record.get("userAgent", ""))[:500],
    )


def _consumers(
    question: Question, step: Step, targets: Targets, seen: _Seen, now: datetime
) -> tuple[ConsumerSeen, ...]:
    if seen.trail is not None:
        before = _before(question)
        return tuple(
            _by_trail(one, seen, seen.trail, before.get(one.service, {}))
            for one in question.consumers
        )
    fetched = look_in_store(targets, step.target, step.parameters["store"]).fetched_at
    if fetched is not None and not question.since <= fetched <= now:
        fetched = None
    alone = len(question.consumers) == 1
    return tuple(_by_last_use(one, seen, fetched, alone=alone) for one in question.consumers)


def _before(question: Question) -> dict[str, dict[str, datetime | None]]:
    """Return what the last look saw of each consumer: the calls of a busy one can since be more
    than are read, and those of another one not among them.

    A sighting names the service alone. One that records show by several names is left out: what
    was seen under one name says nothing about another.
    """
    last = question.previous
    if last is None or last.condition != question.condition:
        return {}
    names = Counter(
        service for service, _ in {(one.service, one.seen_as) for one in question.consumers}
    )
    seen = Counter(one.service for one in set(last.consumers))
    return {
        one.service: {"old": one.last_old, "new": one.last_new}
        for one in last.consumers
        if names[one.service] == seen[one.service] == 1
    }


def _by_trail(
    consumer: Consumer, seen: _Seen, trail: _Trail, before: Mapping[str, datetime | None]
) -> ConsumerSeen:
    olds = [event.at for event in trail.old if event.is_of(consumer)]
    news = [event.at for event in trail.new if event.is_of(consumer)]
    olds += [at for at in (before.get("old"),) if at]
    news += [at for at in (before.get("new"),) if at]
    last_new = max(news, default=None)
    # A use of the old key that no event explains may be a data event of any consumer.
    silent = _unexplained(seen.old_at, trail.old)
    # An intruder can make so many calls that a consumer's are not among those read.
    unread = [event.at for event in trail.old if event.cut]
    last_old = max([*olds, *unread, *([silent] if silent else [])], default=None)
    if last_new is None:
        return ConsumerSeen(consumer.service, Use.NOT_SEEN, last_old, None, "")
    detail = "by its address or user agent in CloudTrail; a user agent is the client's own word"
    if silent is not None and silent > last_new:
        detail = "the old key was used since, and CloudTrail does not show by whom"
    elif unread and max(unread) > last_new:
        detail = "more calls with the old key than are read: it may have made some of them"
    return ConsumerSeen(consumer.service, Use.MOVED, last_old, last_new, detail)


def _unexplained(old_at: datetime | None, events: Sequence[Event]) -> datetime | None:
    """Return the old key's last use if no event of that time shows it."""
    if old_at is None:
        return None
    span = timedelta(seconds=RESOLUTION_S)
    return None if any(abs(event.at - old_at) <= span for event in events) else old_at


def _by_last_use(
    consumer: Consumer, seen: _Seen, fetched: datetime | None, *, alone: bool
) -> ConsumerSeen:
    if not alone:
        detail = "AWS's last use names no consumer; cloudtrail = true tells several apart"
        return ConsumerSeen(consumer.service, Use.NOT_SEEN, None, None, detail)
    old_at, new_at = seen.old_at, seen.new_at
    if new_at is None:
        use = Use.FETCHED if fetched else Use.NOT_SEEN
        return ConsumerSeen(consumer.service, use, old_at, None, "")
    # AWS records the first use in 15 minutes: the old key may have been used up to then.
    latest_old = old_at + timedelta(seconds=RESOLUTION_S) if old_at else None
    if latest_old is not None and latest_old > new_at:
        detail = "AWS records one use in 15 minutes; the old key may be in use, too"
        use = Use.FETCHED if fetched else Use.NOT_SEEN
        return ConsumerSeen(consumer.service, use, old_at, new_at, detail)
    return ConsumerSeen(
        consumer.service, Use.MOVED, old_at, new_at, "by the last use of each key; it is the only"
        " consumer that the inventory names",
    )  # fmt: skip


def _others(question: Question, seen: _Seen) -> tuple[str, ...]:
    """Return who uses the old key and is no consumer of the inventory."""
    if seen.trail is None:
        return ()
    found = {
        f"{event.address} ({event.agent})"[:MAX_DETAIL]
        for event in seen.trail.old
        if not any(event.is_of(one) for one in question.consumers)
    }
    return tuple(sorted(found))[:MOST_CONSUMERS]


def _why(
    question: Question,
    exists: bool,
    slots: Mapping[str, Mapping[str, Json]],
    planned: tuple[str, str],
    unplanned: Sequence[str],
    seen: _Seen,
    now: datetime,
) -> str:
    """Return why nothing can be concluded; "" if it can."""
    old, new = planned
    if not exists:
        return "the user does not exist"
    if new not in slots or slots[new]["status"] != "Active":
        return f"the new key {new} is not Active"
    if unplanned:
        return f"a key that the plan did not make is there: {', '.join(unplanned)}"
    if question.condition == Name.OLD_QUIET and not old:
        return "the step names no key that the new one replaces"
    if old and question.consumers and seen.old_at is None:
        return (
            f"AWS has no record of any use of {old}, though the inventory names consumers of it:"
            " that is not the same as never"
        )
    if question.condition == Name.CONSUMERS_MOVED and seen.trail is not None:
        late = timedelta(seconds=TRAIL_DELAY_S)
        if seen.trail.alive_at is None or now - seen.trail.alive_at > late:
            return "CloudTrail does not show the observer's own calls"
    return ""
