"""Every refusal has a name, a message and, at the gate, a place to go."""

from __future__ import annotations

from remediation.domain import errors
from remediation.domain.errors import GATE_REASONS, GateRefused, Next, Refused


def every_refusal(top: type[Refused] = Refused) -> list[type[Refused]]:
    found = list(top.__subclasses__())
    return found + [below for one in found for below in every_refusal(one)]


def test_every_refusal_has_a_message_of_its_own() -> None:
    messages = [cls.__doc__ for cls in every_refusal()]
    assert all(messages)
    assert len(set(messages)) == len(messages)


def test_the_name_is_the_class_in_snake_case() -> None:
    assert errors.MalformedJson.name == "malformed_json"
    assert errors.TwoStepsOneTarget.name == "two_steps_one_target"


def test_two_names_at_the_gate_are_those_of_the_refusal_table() -> None:
    assert errors.SeparationOfDuties.name == "separation"
    assert errors.GateAgentDisabled.name == "agent_disabled"


def test_a_refusal_says_its_name_its_detail_and_its_place() -> None:
    assert str(errors.UnknownField("'x'", pointer="/a")) == "unknown_field: 'x' at /a"
    assert str(errors.TooLarge()) == "too_large: The input is too large."
    assert errors.Throttled(30).retry_after == 30


def test_every_gate_reason_is_listed_under_its_name() -> None:
    below = {cls for cls in every_refusal(GateRefused)}
    assert set(GATE_REASONS.values()) == below
    assert all(GATE_REASONS[cls.name] is cls for cls in below)


def test_the_refusal_table() -> None:
    table = {name: cls.next for name, cls in GATE_REASONS.items()}
    assert table == {
        "drift": Next.REVIEW,
        "target_gone": Next.REVIEW,
        "ruling_tightened": Next.REVIEW,
        "reviewer_lost": Next.REVIEW,
        "frozen": Next.RETRY,
        "target_unobservable": Next.RETRY,
        "hold_missing": Next.RETRY,
        "target_busy": Next.RETRY,
        "not_served": Next.RETRY,
        "audit_unavailable": Next.RETRY,
        "policy_unavailable": Next.RETRY,
        "clock_skew": Next.RETRY,
        "deadline": Next.EXPIRE,
        "digest": Next.REFUSE,
        "not_narrower": Next.REFUSE,
        "signature": Next.REFUSE,
        "unknown_approver_key": Next.REVIEW,
        "quorum": Next.REFUSE,
        "separation": Next.REFUSE,
        "agent_disabled": Next.REFUSE,
        "proposer_lost": Next.REFUSE,
        "incident_closed": Next.REFUSE,
        "bad_inclusion": Next.REFUSE,
    }
