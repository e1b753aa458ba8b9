"""A plan as it is typed: every problem at its place, and the plan when there is none."""

from __future__ import annotations

from remediation.domain import plan
from remediation.domain.draft import Draft, DraftStep, check, draft_of
from remediation.domain.errors import MissingField, ProtectedTarget, TwoStepsOneTarget

WHY = "It is misused from outside."
ROLE = {"cluster": "crm", "role": "svc"}


def pointers(draft: Draft) -> list[str]:
    made, problems = check(draft, protected=frozenset({"portal"}), allow_test=True)
    assert (made is None) == bool(problems)
    return [problem.pointer for problem in problems]


def disable(**fields: str) -> DraftStep:
    return DraftStep("postgres.role.disable", fields={**ROLE, **fields})


def test_a_whole_draft_is_the_plan_that_an_agent_would_send() -> None:
    made, problems = check(
        Draft("staging", (disable(),), WHY), protected=frozenset(), allow_test=True
    )
    said = {
        "version": 1,
        "environment": "staging",
        "steps": [
            {
                "action": "postgres.role.disable",
                "target": {"kind": "postgres.role", **ROLE},
                "parameters": {},
            }
        ],
    }
    assert problems == ()
    assert made == plan.parse(said, protected=frozenset())  # type: ignore[arg-type]


def test_every_problem_of_every_step_is_found_at_once() -> None:
    draft = Draft("", (disable(cluster="Bad Cluster", role=""), DraftStep("nope"), disable()), "x")
    assert sorted(pointers(draft)) == [
        "/environment", "/rationale", "/steps/0/target/cluster", "/steps/0/target/role",
        "/steps/1/action",
    ]  # fmt: skip


def test_a_draft_without_steps_says_so() -> None:
    assert pointers(Draft("staging", (), WHY)) == ["/steps"]


def test_a_protected_target_is_found_in_its_field() -> None:
    _, problems = check(
        Draft("staging", (disable(cluster="portal"), disable(role="postgres")), WHY),
        protected=frozenset({"portal"}),
    )
    assert [(p.pointer, type(p.refusal)) for p in problems] == [
        ("/steps/0/target/cluster", ProtectedTarget),
        ("/steps/1/target/role", ProtectedTarget),
    ]


def test_two_steps_on_one_target_are_found_in_the_second() -> None:
    offered = DraftStep("postgres.role.enable", locator="postgres.role:crm/svc")
    _, problems = check(Draft("staging", (disable(), offered), WHY), protected=frozenset())
    assert [(p.pointer, type(p.refusal)) for p in problems] == [
        ("/steps/1/target", TwoStepsOneTarget)
    ]


def test_an_offered_target_of_another_kind_is_refused() -> None:
    step = DraftStep("aws.iam.deactivate_access_key", locator="postgres.role:crm/svc")
    assert pointers(Draft("staging", (step,), WHY)) == ["/steps/0/target"]


def test_a_free_name_keeps_its_spaces_and_another_field_loses_them() -> None:
    made, _ = check(
        Draft("staging", (disable(cluster=" crm ", role=" svc "),), WHY), protected=frozenset()
    )
    assert made is not None
    assert dict(made.targets[0].fields) == {"cluster": "crm", "role": " svc "}


def test_a01_invisible_characters_are_refused() -> None:
    assert pointers(Draft("staging", (disable(role="a\u200bb"),), WHY)) == ["/steps/0/target/role"]
    assert pointers(Draft("staging", (disable(),), WHY + "\u202e")) == ["/rationale"]


def test_a_plan_becomes_the_draft_that_makes_it_again() -> None:
    first, _ = check(
        Draft(
            "production",
            (
                disable(role="my role"),
                DraftStep("test.noop", "test.target:t1", parameters={"note": "a"}),
            ),
            WHY,
        ),
        protected=frozenset(),
        allow_test=True,
    )
    assert first is not None
    again = draft_of(first)
    second, _ = check(
        Draft(again.environment, again.steps, WHY), protected=frozenset(), allow_test=True
    )
    assert second == first


def test_a_missing_required_value_is_missing() -> None:
    _, problems = check(Draft("staging", (disable(role=""),), WHY), protected=frozenset())
    assert isinstance(problems[0].refusal, MissingField)
