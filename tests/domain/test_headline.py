"""The title of a plan: a verb and its target, from the plan's bytes alone."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.domain import plan as plans
from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.headline import done, headline
from remediation.domain.plan import Plan


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
