"""A plan that rotates an AWS access key, in both orders."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain import catalogue, plan
from remediation.domain.errors import BadInput

OLD = "AKIAIOSFODNN7EXAMPLE"
USER: dict[str, Json] = {"kind": "aws.user_keys", "account": "123456789012", "user": "deploy"}
KEY: dict[str, Json] = {**USER, "kind": "aws.iam.access_key", "access_key_id": OLD}
WAIT: Json = {
    "conditions": [{"condition": name, "step": 0} for name in ("consumers_moved", "old_quiet")],
    "person": True,
    "within_s": 86_400,
}


def step(action: str, target: dict[str, Json], **more: Json) -> dict[str, Json]:
    return {"action": action, "target": target, "parameters": {}, **more}


def create(**more: Json) -> dict[str, Json]:
    parameters: Json = {"store": "apps:deploy/aws", "replaces": OLD}
    return {**step("aws.user_keys.create_key", USER, **more), "parameters": parameters}


def parse(order: str, *steps: dict[str, Json]) -> plan.Plan:
    body: Json = {"version": 2, "environment": "production", "order": order, "steps": [*steps]}
    return plan.parse(body, protected=frozenset())


DECOY: dict[str, Json] = {
    **create(), "target": {**USER, "user": "decoy"}, "parameters": {"store": "apps:decoy/aws"}
}  # fmt: skip
DECOY_MOVED: Json = {
    "conditions": [{"condition": "consumers_moved", "step": 0}],
    "person": False,
    "within_s": 86_400,
}
BOTH_MOVED = {**DECOY, "wait": DECOY_MOVED}
MOVED: Json = {
    "conditions": [{"condition": "consumers_moved", "step": 1}],
    "person": False,
    "within_s": 86_400,
}
RETIRE = step("aws.iam.deactivate_access_key", KEY)
DELETE = step("aws.access_key.delete", KEY)


def test_both_orders_are_plans() -> None:
    assert parse("move_first", create(wait=WAIT), RETIRE).version == 2
    assert parse("cut_first", RETIRE, create()).order == "cut_first"
    assert parse("move_first", BOTH_MOVED, create(wait=MOVED), RETIRE).order == "move_first"


@pytest.mark.parametrize(
    ("order", "steps", "why"),
    [
        ("move_first", (create(), RETIRE), "rotation_order"),
        ("cut_first", (create(wait=WAIT), RETIRE), "rotation_order"),
        ("none", (create(wait=WAIT),), "rotation_order"),
        ("move_first", (create(wait=WAIT), RETIRE, DELETE), "two_steps_one_target"),
        # It waits for consumers of a decoy, and of what it ends for nobody.
        ("move_first", (DECOY, create(wait=DECOY_MOVED), RETIRE), "rotation_order"),
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
