"""A plan that rotates an AWS access key, in both orders."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain import catalogue, plan
from remediation.domain.errors import BadInput

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
DECOY: dict[str, Json] = {
    **create(), "target": {**USER, "user": "decoy"}, "parameters": {"store": "apps:decoy/aws"}
}  # fmt: skip
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
