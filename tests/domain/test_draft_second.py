"""What ends what a step leaves alive is offered, and added by one press."""

from __future__ import annotations

from datetime import UTC, datetime

from remediation.domain.draft import Draft, DraftStep, DraftWait, check
from remediation.domain.draft_second import offers, taken
from remediation.domain.plan import MAX_STEPS

NOW = datetime(2026, 12, 2, 9, 30, 5, 250, tzinfo=UTC)
WHY = "It is misused from outside."
OFF = DraftStep("valkey.user.disable", "valkey.user:sessions/svc_cart")
KEPT = DraftStep(OFF.action, OFF.locator, parameters={"end_connections": "no"})
END = "valkey.user.end_connections"


def names(*steps: DraftStep) -> list[str]:
    return [one.name for one in offers(Draft("staging", steps, WHY), allow_test=False)]


def press(name: str, *steps: DraftStep, order: str = "none") -> Draft:
    return taken(Draft("staging", steps, WHY, order), name, now=NOW, allow_test=False)


def test_the_parameter_is_offered_first_and_then_the_step() -> None:
    assert names(OFF) == names(KEPT) == ["0 end_connections", f"0 {END}"]


def test_nothing_is_offered_where_it_is_ended_or_cannot_be() -> None:
    ended = DraftStep(OFF.action, OFF.locator, parameters={"end_connections": "yes"})
    lock = DraftStep("ldap.account.lock", "ldap.account:corp/svc")
    role = DraftStep("postgres.role.disable", "postgres.role:crm/svc")
    assert names(ended, lock, role, DraftStep("nope")) == []


def test_one_press_chooses_the_parameter() -> None:
    made, problems = check(press("0 end_connections", KEPT), protected=frozenset())
    assert problems == () and made is not None
    assert made.steps[0].parameters == {"end_connections": True}


def test_one_press_adds_the_step_after_its_own_with_the_time_of_now() -> None:
    other = DraftStep("postgres.role.disable", "postgres.role:crm/svc")
    draft = press(f"0 {END}", KEPT, other)
    made, problems = check(draft, protected=frozenset())
    assert problems == () and made is not None
    assert [step.action for step in made.steps] == [KEPT.action, END, other.action]
    assert made.steps[1].target == made.steps[0].target
    assert made.steps[1].parameters == {"begun_before": "2026-12-02T09:30:05Z"}
    assert offers(draft, allow_test=False) == ()


def test_it_names_the_target_that_was_typed_field_by_field() -> None:
    typed = DraftStep(
        "postgres.membership.revoke", fields={"cluster": "crm", "role": "a b", "granted": "write"}
    )
    assert names(typed) == ["0 postgres.role.end_sessions"]
    made, problems = check(press("0 postgres.role.end_sessions", typed), protected=frozenset())
    assert problems == () and made is not None
    assert dict(made.steps[1].target.fields) == {"cluster": "crm", "role": "a b"}
    assert names(DraftStep(typed.action, fields={"cluster": "crm"})) == []


def test_after_a_rotation_the_time_is_that_of_the_new_password() -> None:
    rotate = DraftStep(
        "postgres.role.rotate_password",
        "postgres.role:crm/svc",
        parameters={"store": "apps:orders/database", "end_sessions": "no"},
        wait=DraftWait(("consumers_moved/0",), within_s="3600"),
    )
    draft = press("0 postgres.role.end_sessions", rotate, order="cut_first")
    assert draft.steps[1].parameters == {"begun_before": "steps/0/made/set_at"}
    assert check(draft, protected=frozenset())[1] == ()


def test_what_names_later_steps_moves_with_them() -> None:
    make = DraftStep("test.thing.make", "test.thing:one", parameters={"store": "file:one"})
    tell = DraftStep(
        "test.thing.announce", "test.thing:two", parameters={"token_id": "steps/1/made/token_id"}
    )
    first, _, second, third = press(f"0 {END}", KEPT, make, tell).steps
    assert (first, second) == (KEPT, make)
    assert third.parameters == {"token_id": "steps/2/made/token_id"}


def test_a_full_plan_and_an_unknown_offer_change_nothing() -> None:
    assert press("0 nothing", KEPT).steps == (KEPT,)
    assert press("7 end_connections", KEPT).steps == (KEPT,)
    full = (
        KEPT,
        *[DraftStep("postgres.role.disable", f"postgres.role:crm/r{n}") for n in range(15)],
    )
    assert len(full) == MAX_STEPS
    assert names(*full) == ["0 end_connections"]
