"""A plan that rotates an AWS access key, in both orders."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain import catalogue, plan
from remediation.domain.errors import BadInput
from remediation.domain.narrowing import Kept, keep, why_wider

OLD = "AKIAIOSFODNN7EXAMPLE"
USER: dict[str, Json] = {"kind": "aws.user_keys", "account": "123456789012", "user": "deploy"}
KEY: dict[str, Json] = {**USER, "kind": "aws.iam.access_key", "access_key_id": OLD}


def wait(*names: str, step: int = 0, person: bool = False) -> Json:
    asked: list[Json] = [{"condition": name, "step": step} for name in names]
    return {"conditions": asked, "person": person, "within_s": 86_400}


def step(action: str, target: dict[str, Json], **more: Json) -> dict[str, Json]:
    return {"action": action, "target": target, "parameters": {}, **more}


def create(**more: Json) -> dict[str, Json]:
    parameters: Json = {"store": "apps:deploy/aws", "replaces": OLD}
    return {**step("aws.user_keys.create_key", USER, **more), "parameters": parameters}


def parse(order: str, *steps: dict[str, Json]) -> plan.Plan:
    body: Json = {"version": 2, "environment": "production", "order": order, "steps": [*steps]}
    return plan.parse(body, protected=frozenset())


WAIT = wait("consumers_moved", "old_quiet", person=True)
OTHER = "AKIAI44QH8DHBEXAMPLE"
DECOY: dict[str, Json] = {
    **create(),
    "target": {**USER, "user": "decoy"},
    "parameters": {"store": "apps:decoy/aws", "replaces": OTHER},
}
RETIRE = step("aws.iam.deactivate_access_key", KEY)
DELETE = step("aws.access_key.delete", KEY)


def test_both_orders_are_plans() -> None:
    assert parse("move_first", create(wait=WAIT), RETIRE).version == 2
    assert parse("cut_first", RETIRE, create()).order == "cut_first"
    quiet = wait("consumers_moved", "old_quiet", step=1)
    both = {**DECOY, "wait": wait(person=True)}
    assert parse("move_first", both, create(wait=quiet), RETIRE).order == "move_first"


@pytest.mark.parametrize("asked", [wait("consumers_moved"), wait("old_quiet")])
def test_a_record_of_uses_alone_does_not_end_the_old_key(asked: Json) -> None:
    """It distinguishes no processes: one of a consumer's can still have the old key."""
    with pytest.raises(BadInput) as refused:
        parse("move_first", create(wait=asked), RETIRE)
    assert refused.value.name == "rotation_order"
    parse("move_first", create(wait=wait("consumers_moved", "old_quiet")), RETIRE)
    parse("move_first", create(wait=wait("consumers_moved", person=True)), RETIRE)


OTHER_KEY = {**KEY, "access_key_id": OTHER}
DECOY_MOVED: Json = {**DECOY, "wait": wait("consumers_moved", "old_quiet")}
UNNAMED: dict[str, Json] = create(wait=wait("consumers_moved"))
UNNAMED["parameters"] = {"store": "apps:deploy/aws"}
DISCARD = {**step("aws.user_keys.discard_key", USER), "parameters": {"access_key_id": OLD}}


@pytest.mark.parametrize(
    "steps",
    [
        (DECOY_MOVED, RETIRE),  # a key for somebody else
        (DECOY_MOVED, RETIRE, create()),  # it cuts first under the name of the other order
        (create(wait=wait("consumers_moved", "old_quiet")), step(RETIRE["action"], OTHER_KEY)),
        (UNNAMED, RETIRE),  # the new key is for nothing that the plan names
    ],
)
def test_what_ends_is_what_an_earlier_step_replaces_or_a_person_is_asked(
    steps: tuple[dict[str, Json], ...],
) -> None:
    with pytest.raises(BadInput, match="replaces what this step ends"):
        parse("move_first", *steps)
    asked = {**steps[0], "wait": wait("consumers_moved", person=True)}
    parse("move_first", asked, *steps[1:])


def test_quiet_is_not_waited_for_where_no_old_key_is_named() -> None:
    with pytest.raises(BadInput, match="does not say which one it replaces"):
        parse("move_first", {**UNNAMED, "wait": WAIT}, RETIRE)


def test_a_key_is_not_discarded_before_its_consumers_moved() -> None:
    with pytest.raises(BadInput) as refused:
        parse("move_first", create(), DISCARD)
    assert refused.value.name == "rotation_order"


def test_a_plan_of_version_1_makes_no_credential() -> None:
    """It has no waits, so it would end the old one before consumers have the new one."""
    body: Json = {"version": 1, "environment": "production", "steps": [create(), RETIRE]}
    with pytest.raises(BadInput, match="say cut_first or move_first"):
        plan.parse(body, protected=frozenset())


def test_a_narrowed_plan_does_not_end_what_it_no_longer_replaces() -> None:
    asked = {**DECOY, "wait": wait(person=True)}
    whole = parse("move_first", create(), asked, RETIRE)
    kept = [Kept(index, whole.steps[index].parameters) for index in (1, 2)]
    narrowed = keep(whole, kept, protected=frozenset())
    assert "stays without step 1, which replaces it" in why_wider(whole, narrowed)
    kept = [Kept(index, whole.steps[index].parameters) for index in (0, 1)]
    assert not why_wider(whole, keep(whole, kept, protected=frozenset()))


@pytest.mark.parametrize(
    ("order", "steps", "why"),
    [
        ("move_first", (create(), RETIRE), "rotation_order"),
        ("cut_first", (create(wait=WAIT), RETIRE), "rotation_order"),
        ("none", (create(wait=WAIT),), "rotation_order"),
        ("move_first", (create(wait=WAIT), RETIRE, DELETE), "two_steps_one_target"),
        # It waits for consumers of a decoy, and of what it ends for nobody.
        ("move_first", (DECOY, create(wait=wait("consumers_moved")), RETIRE), "rotation_order"),
    ],
)
def test_a_rotation_in_no_order_is_refused(
    order: str, steps: tuple[dict[str, Json], ...], why: str
) -> None:
    with pytest.raises(BadInput) as refused:
        parse(order, *steps)
    assert refused.value.name == why


def test_cutting_first_leaves_the_pin_of_the_users_keys_as_it_is() -> None:
    """The old key's status changes before the new one is made; that is no drift."""
    before: dict[str, Json] = {"keys": [OLD], "stored": "hitl-000000000000-0"}
    assert catalogue.ACTIONS["aws.user_keys.create_key"].pin_fields == ("keys", "stored")
    assert catalogue.after("aws.user_keys.create_key", before) == {
        "keys": ["<access_key_id>", OLD],
        "stored": "<version>",
    }
