"""A plan in a few words, from its bytes and the declarations alone."""

from __future__ import annotations

from typing import Any

from remediation.domain import headline, plan
from remediation.domain.catalogue import ACTIONS
from tests.services.execution.test_reverse_run import steps


def parsed(*made: dict[str, Any]) -> plan.Plan:
    value: Any = {"version": 1, "environment": "staging", "steps": list(made)}
    return plan.parse(value, protected=frozenset())


def role(name: str, cluster: str = "crm") -> dict[str, Any]:
    (made,) = steps(name)
    return {**made, "target": {**made["target"], "cluster": cluster}}


def test_one_step_says_verb_and_target() -> None:
    made = parsed(role("svc_reports"))
    assert headline.headline(made) == "Disable login of PostgreSQL role svc_reports on crm"
    assert headline.done(made.steps[0]) == "Login of svc_reports on crm is off."


def test_steps_of_one_action_are_one_phrase() -> None:
    made = parsed(role("a"), role("b"), role("c"))
    assert headline.headline(made) == "Disable login of 3 PostgreSQL roles on crm"


def test_steps_that_differ_in_a_named_field_are_not_one_phrase() -> None:
    made = parsed(role("a"), role("b", cluster="ledger"))
    assert headline.headline(made) == "Disable login of PostgreSQL role a on crm (+1)"


def test_a01_a_name_adds_no_words_to_the_phrase() -> None:
    """A role may have any name: braces are not filled again, and words are quoted."""
    made = parsed(role("x on ledger {number} {cluster}"), role("b"))
    assert "“x on ledger {number} {cluster}”" in headline.of_step(made.steps[0])
    assert headline.headline(made) == "Disable login of 2 PostgreSQL roles on crm"


def test_every_action_of_ours_has_its_words_and_they_name_only_its_fields() -> None:
    from remediation.domain.catalogue import TARGETS

    for spec in ACTIONS.values():
        target = TARGETS[spec.target_kind]
        if not spec.headline:
            continue
        assert spec.done and spec.headline_many, spec.kind
        target_words = spec.headline.format_map(target.example)
        assert not target_words.endswith(".") and spec.done.format_map(target.example)[-1] == "."
        spec.headline_many.format_map({**target.example, "number": 2})


def test_an_action_without_words_is_named_by_title_and_locator() -> None:
    from dataclasses import replace

    made = parsed(role("a")).steps[0]

    class Bare(plan.Step):
        @property
        def spec(self) -> Any:
            return replace(made.spec, headline="", headline_many="", done="")

    bare = Bare(**{key: getattr(made, key) for key in made.__dataclass_fields__})
    assert headline.of_step(bare) == "Disable a PostgreSQL role: postgres.role:crm/a"
    assert headline.done(bare) == "Disable a PostgreSQL role: postgres.role:crm/a."
