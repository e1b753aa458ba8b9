"""The title of a plan: a verb and its target, from the plan's bytes alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remediation.domain import plan as plans
from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.headline import done, headline
from remediation.domain.plan import Order, Plan, parse_target
from tests.domain import thing_plans


def a_plan(*steps: tuple[str, dict[str, str]]) -> Plan:
    body: dict[str, Any] = {
        "version": 1,
        "environment": "production",
        "steps": [
            {
                "action": action,
                "target": {"kind": ACTIONS[action].target_kind, **target},
                "parameters": {},
            }
            for action, target in steps
        ],
    }
    return plans.parse(body, protected=frozenset(), allow_test=True)


def roles(*names: str, cluster: str = "ledger") -> list[tuple[str, dict[str, str]]]:
    return [("postgres.role.disable", {"cluster": cluster, "role": name}) for name in names]


def test_one_step_is_a_command() -> None:
    assert headline(a_plan(*roles("svc_reports"))) == (
        "Disable login for PostgreSQL role svc_reports (cluster ledger) and close its open sessions"
    )


def test_several_steps_of_one_kind_are_counted() -> None:
    assert headline(a_plan(*roles("a", "b", "c"))) == "Disable 3 PostgreSQL roles on ledger"
    apart = a_plan(*roles("a"), *roles("b", cluster="billing"))
    assert headline(apart) == "Disable 2 PostgreSQL roles"


def test_different_actions_name_their_number_and_the_first() -> None:
    back = ("postgres.role.enable", {"cluster": "ledger", "role": "b"})
    found = headline(a_plan(*roles("a"), back))
    assert found.startswith("2 steps, the first: Disable login for PostgreSQL role a")


ROTATIONS = {
    "postgres.role.rotate_password": "Rotate the password of PostgreSQL role ",
    "postgres.role.create_twin": "Rotate PostgreSQL role svc_reporting (cluster billing) to a ",
    "aws.user_keys.create_key": "Rotate the access key of AWS IAM user deploy ",
    "openbao.approle.new_secret_id": "Rotate the secret id of AppRole orders ",
    "openbao.database_role.new_credential": "Rotate the database credential of role readonly ",
    "tls.certificate.issue": "Rotate TLS certificate ",
    "test.thing.make": "Rotate the token of test thing one",
    "test.thing.rotate": "Rotate the token of test thing one",
}


def rotating(kind: str, **parameters: str) -> Plan:
    """Return a plan with this step and one of another action."""
    spec = ACTIONS[kind]
    plan = thing_plans.parsed(thing_plans.rotation())
    example = TARGETS[spec.target_kind].example
    target = parse_target({"kind": spec.target_kind, **example}, allow_test=True)
    made = replace(
        plan.steps[0],
        action=kind,
        executor=spec.version,
        target=target,
        parameters={**spec.example, **parameters},
    )
    return replace(plan, steps=(made, *plan.steps[1:]))


def test_a_plan_that_rotates_says_what_it_rotates() -> None:
    """Whatever its first step is, in either order; without an order it is no rotation."""
    assert {kind for kind, spec in ACTIONS.items() if spec.delivers} == set(ROTATIONS)
    for kind, title in ROTATIONS.items():
        plan = rotating(kind)
        assert headline(plan).startswith(title)
        cut = replace(plan, order=Order.CUT_FIRST, steps=(*plan.steps[1:], plan.steps[0]))
        assert headline(cut).startswith(title)
        assert headline(replace(plan, order=Order.NONE)).startswith(f"{len(plan.steps)} steps, the")


def test_a_rotation_of_several_things_counts_the_others() -> None:
    one = rotating("aws.user_keys.create_key")
    other = rotating("openbao.approle.new_secret_id")
    both = replace(one, steps=(*one.steps, *other.steps))
    assert headline(both) == (
        "Rotate the access key of AWS IAM user deploy (account 123456789012), and 1 more"
    )


def test_a01_no_parameter_adds_words_to_the_title() -> None:
    plan = rotating("postgres.role.create_twin", like="x (cluster test), nothing")
    assert "role “x (cluster test), nothing” (cluster billing)" in headline(plan)


def test_a01_no_name_adds_words_to_the_title() -> None:
    """A01: a role that is called like the rest of a sentence stands in quotes."""
    found = headline(a_plan(*roles("x (cluster test), nothing else\u202e")))
    assert "role “x (cluster test), nothing else⟨U+202E⟩” (cluster ledger)" in found


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_every_action_has_a_title_that_names_its_target(kind: str) -> None:
    spec = ACTIONS[kind]
    example = TARGETS[spec.target_kind].example
    found = headline(a_plan((kind, dict(example)))) if not spec.example else ""
    assert not spec.example or spec.sentence
    for value in example.values() if found else ():
        assert value in found


def test_what_is_so_once_a_step_is_confirmed() -> None:
    assert done(a_plan(*roles("svc_reports")).steps[0]) == "Login of svc_reports on ledger is off."


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_every_action_says_what_is_so_once_it_is_done(kind: str) -> None:
    spec = ACTIONS[kind]
    found = spec.done.format_map(TARGETS[spec.target_kind].example)
    assert found.endswith(".")
