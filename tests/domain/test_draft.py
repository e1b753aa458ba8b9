"""A plan as it is typed: every problem at its place, and the plan when there is none."""

from __future__ import annotations

from dataclasses import replace

from remediation.domain import plan
from remediation.domain.draft import Draft, DraftStep, DraftWait, check, draft_of
from remediation.domain.errors import MissingField, ProtectedTarget, TwoStepsOneTarget
from tests.domain.thing_plans import MOVED as MOVED_JSON
from tests.domain.thing_plans import made as refers
from tests.domain.thing_plans import make, parsed, retire, second, thing
from tests.domain.thing_plans import rotation as rotated
from tests.domain.thing_plans import wait as wait_json

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
    # An action that does not say what it leaves there.
    key = "aws.iam.access_key:123456789012/deploy/AKIAIOSFODNN7EXAMPLE"
    off = DraftStep("aws.iam.deactivate_access_key", locator=key)
    _, problems = check(Draft("staging", (off, off), WHY), protected=frozenset())
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


# --- what only version 2 can say


MAKE = DraftStep("test.thing.make", fields={"name": "one"}, parameters={"store": "file:one"})
RETIRE = DraftStep(
    "test.thing.retire", fields={"name": "one"}, parameters={"token_id": "tk-000000000000"}
)
MOVED = DraftWait(("consumers_moved",), within_s="3600")


def rotation(*steps: DraftStep, order: str = "move_first") -> Draft:
    return Draft("production", steps, WHY, order)


def test_a_rotation_is_the_plan_that_an_agent_would_send() -> None:
    made, problems = check(
        rotation(replace(MAKE, wait=MOVED), RETIRE), protected=frozenset(), allow_test=True
    )
    assert problems == ()
    assert made == parsed(rotated())


def test_a_value_that_an_earlier_step_makes_is_typed_by_its_place() -> None:
    announce = DraftStep(
        "test.thing.announce",
        fields={"name": "two"},
        parameters={"token_id": " steps/0/made/token_id "},
    )
    made, _ = check(rotation(MAKE, announce), protected=frozenset(), allow_test=True)
    assert made is not None
    assert made.steps[1].parameters == {"token_id": refers(0)}
    for typed, pointer in (
        ("steps/1/made/token_id", "/steps/1/parameters/token_id"),
        ("steps/0/made/other", "/steps/1/parameters/token_id"),
        ("steps/0/made/", "/steps/1/parameters/token_id"),
    ):
        wrong = replace(announce, parameters={"token_id": typed})
        assert pointers(rotation(MAKE, wrong)) == [pointer]


def test_every_problem_of_a_wait_is_found_at_its_place() -> None:
    for wait, pointer in (
        (DraftWait(("consumers_moved",), within_s=""), "/within_s"),
        (DraftWait(("consumers_moved",), within_s="1h"), "/within_s"),
        (DraftWait(("consumers_moved",), within_s="9"), "/within_s"),
        (DraftWait(("consumers_moved",), within_s="9" * 10), "/within_s"),
        (DraftWait(("consumers moved",), within_s="60"), "/conditions/0"),
        (DraftWait(("consumers_moved", "x"), within_s="60"), "/conditions/1/condition"),
        (DraftWait(("consumers_moved/1",), within_s="60"), "/conditions/0/step"),
        (DraftWait(within_s="60"), ""),
    ):
        found = pointers(rotation(replace(MAKE, wait=wait), RETIRE))
        assert found == [f"/steps/0/wait{pointer}"], wait


def test_the_order_is_one_of_three() -> None:
    assert pointers(rotation(MAKE, RETIRE, order="later")) == ["/order"]
    assert pointers(rotation(MAKE, RETIRE)) == ["/steps/1"]


def test_a_rotation_is_typed_again_as_it_was() -> None:
    plan_ = parsed(
        second(
            make(wait=wait_json(MOVED_JSON, person=True)),
            retire(),
            thing("announce", "two", token_id=refers(0)),
        )
    )
    typed = replace(draft_of(plan_), rationale=WHY)
    made, problems = check(typed, protected=frozenset(), allow_test=True)
    assert (made, problems) == (plan_, ())
