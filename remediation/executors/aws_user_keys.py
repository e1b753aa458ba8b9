"""Look at all access keys of a user: what each slot holds, and who else may rotate them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget, account, own_keys
from remediation.executors.aws_client import client_of, reading, uncut
from remediation.executors.aws_errors import Spreading
from remediation.executors.aws_iam import Keys, agreed, user_of
from remediation.executors.base import GONE, Executor, Point
from remediation.executors.delivery import look_in_store
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

# Tags by which tools and people say that a resource is theirs, without "-" and "_".
_OWNER_TAG = re.compile(
    r"(managed|provisioned|created|rotated|owned)(by|with)|iac|iactool|terraform|pulumi|rotationowner"
    r"|crossplane(kind|name|providerconfig)|awscloudformation(stackname|stackid|logicalid)"
)
# Values of such a tag that name no other owner.
_NOBODY = frozenset({"", "none", "no", "false", "manual", "manually", "hitlportal"})


# The service of the worker's own try of a new key; a use there does not show a consumer.
OWN_SERVICE = "sts"
# The worker tries a key as soon as it is made; AWS dates uses to the quarter of an hour.
OWN_TRY = timedelta(minutes=15)


def look_at_user(step: Step, targets: Targets) -> Observation:
    """Read the user's keys, and the place that the step delivers to, if it delivers.

    Raises TargetUnobservable, also while reads disagree.
    """
    fields = step.target.fields
    target = account(targets, fields["account"])
    try:
        with reading(step):
            client = client_of(target, *target.observe())
            user = user_of(client, fields["user"])
            if user is None:
                return GONE
            keys = agreed(client, fields["user"], _said)
            slots = [slot(client, key_id, keys) for key_id in sorted(keys)]
    except Spreading as error:
        raise TargetUnobservable(f"{step.target.locator}: {error}") from error
    owners = [*_owners(user), *_own(targets, keys)]
    return _observation(step, targets, slots, owners, target)


def _said(keys: Keys) -> str:
    return ", ".join(f"{key_id} {keys[key_id]['Status']}" for key_id in sorted(keys)) or "no key"


def slot(client: Any, key_id: str, keys: Keys) -> dict[str, Json]:
    """Return what is known of one of a user's keys."""
    used = client.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
    last = used.get("LastUsedDate")
    return {
        "id": key_id,
        "status": str(keys[key_id]["Status"]),
        "created": keys[key_id]["CreateDate"].isoformat(),
        # None is not "never": AWS has tracked uses since 2015, and not of every service.
        "last_used": last.isoformat() if last else None,
        "last_used_service": used.get("ServiceName") if last else None,
        "last_used_region": used.get("Region") if last else None,
    }


def _observation(
    step: Step,
    targets: Targets,
    slots: Sequence[Mapping[str, Json]],
    owners: Sequence[str],
    target: AwsTarget,
) -> Observation:
    keys: list[Json] = [*sorted(str(slot["id"]) for slot in slots)]
    state: dict[str, Json] = {"keys": keys}
    staged: Json = None
    if step.spec.delivers:
        state["stored"] = ""  # who only looks at the user names no place
    place = step.parameters.get(step.spec.delivers)
    if place is not None:
        # A store that rotates the place by a schedule of its own is refused here, in its words.
        held = look_in_store(targets, step.target, place)
        state["stored"] = held.promoted
        staged = held.staged.to_json() if held.staged else None
    shown: dict[str, Json] = {
        "slots": [dict(slot) for slot in slots],
        "rotated_by": list(owners),
        "staged": staged,
        "uncut": [*uncut(target)],
    }
    return Observation(True, state, shown, target.simulated)


def _owners(user: Mapping[str, Any]) -> list[str]:
    """Return the user's tags that name another owner of its keys."""
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in user.get("Tags", [])}
    return [
        f"tag {name} = {value}"[:120]
        for name, value in sorted(tags.items())
        if _OWNER_TAG.fullmatch(re.sub(r"[^a-z]", "", name.lower()))
        and value.strip().lower() not in _NOBODY
    ]


def _own(targets: Targets, keys: Keys) -> list[str]:
    own = sorted(own_keys(targets) & set(keys))
    return [f"this portal, whose own login is key {key}" for key in own]


def slots_of(observation: Observation) -> list[dict[str, Json]]:
    """Return every key of an observation, each with its status, age and last use."""
    slots = observation.shown.get("slots")
    return [slot for slot in slots if isinstance(slot, dict)] if isinstance(slots, list) else []


def describe_slots(observation: Observation) -> str:
    """Return what each slot holds, in words."""
    return "; ".join(map(_words, slots_of(observation))) or "no key"


def _words(slot: Mapping[str, Json]) -> str:
    used = f"last used {slot['last_used']} by {slot['last_used_service']}"
    return (
        f"{slot['id']} {slot['status']}, created {slot['created']},"
        f" {used if slot['last_used'] else 'no use on AWS record'}"
    )


def is_used(slot: Mapping[str, Json]) -> bool:
    """Return whether AWS shows a use of a key that is certainly not the worker's own try."""
    return bool(slot["last_used"]) and slot["last_used_service"] != OWN_SERVICE


def may_be_used(slot: Mapping[str, Json]) -> bool:
    """Return whether AWS shows a use of a key that need not be the worker's own try.

    That one comes soon after the key was made; a later use of the same service is a consumer's, or
    the worker's late one, and is taken for a consumer's.
    """
    if is_used(slot) or not slot["last_used"]:
        return is_used(slot)
    used, made = (datetime.fromisoformat(str(slot[name])) for name in ("last_used", "created"))
    return used - made > OWN_TRY


def all_keys(state: Mapping[str, Json]) -> frozenset[str]:
    """Return the ids of all keys of a pinned state."""
    held = state.get("keys")
    return frozenset(str(key) for key in held) if isinstance(held, list) else frozenset()


def active_keys(observation: Observation) -> frozenset[str]:
    """Return the ids of the Active keys."""
    return frozenset(
        str(slot["id"]) for slot in slots_of(observation) if slot["status"] == "Active"
    )


def refuse_other_owner(observation: Observation) -> None:
    owners = observation.shown.get("rotated_by")
    if owners:
        raise NotApplied(
            f"somebody else rotates this user's keys: {owners}. Two owners undo each other: rotate"
            " there, or end that ownership first. A tool that replaces a key may delete the old one"
            " before it creates the new one"
        )


def refuse_used(observation: Observation, key_id: str) -> None:
    """Refuse to delete a key that somebody may use."""
    for slot in slots_of(observation):
        if slot["id"] == key_id and may_be_used(slot):
            raise NotApplied(
                f"key {key_id} is in use (last {slot['last_used']}, by"
                f" {slot['last_used_service']}): a deleted key cannot come back"
            )


class UserKeys(Executor):
    """The common parts of making and discarding a key."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return look_at_user(step, targets)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"AWS account {step.target.fields['account']} IAM (read through the observer's key)"
        if not observation.exists:
            return (Point(place, None),)
        return (Point(place, not active_keys(observation)),)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "slots": observation.shown["slots"]}

    def look(self, step: Step, targets: Targets) -> Observation:
        """Look before a change. Raises NotApplied."""
        try:
            found = look_at_user(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        if not found.exists:
            raise NotApplied(f"{step.target.locator} does not exist")
        return found
