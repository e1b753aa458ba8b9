"""The catalogue is whole and agrees with itself."""

from __future__ import annotations

import re
import string

from jsonschema import Draft202012Validator

from remediation.domain.catalogue import ACTIONS, TARGETS, is_test


def fields_of(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_the_actions_are_exactly_these() -> None:
    assert set(ACTIONS) == {
        "postgres.role.disable",
        "postgres.role.enable",
        "aws.iam.deactivate_access_key",
        "aws.iam.activate_access_key",
        "test.noop",
    }
    assert [kind for kind in ACTIONS if is_test(kind)] == ["test.noop"]


def test_every_action_works_on_a_known_kind_and_can_name_it() -> None:
    for spec in ACTIONS.values():
        target = TARGETS[spec.target_kind]
        assert fields_of(spec.sentence) == set(target.fields), spec.kind


def test_every_rollback_is_an_action_on_the_same_kind_of_target() -> None:
    for spec in ACTIONS.values():
        assert spec.reversible == (spec.rollback is not None)
        if spec.rollback:
            assert ACTIONS[spec.rollback].target_kind == spec.target_kind


def test_an_action_without_a_pin_carries_a_written_reason() -> None:
    for spec in ACTIONS.values():
        assert bool(spec.pin_fields) != bool(spec.unpinned_reason), spec.kind


def test_every_action_says_what_it_cannot_do_and_what_becomes_of_sessions() -> None:
    for spec in ACTIONS.values():
        assert spec.cannot
        assert spec.ends_sessions
        assert spec.hard_timeout_s > 0


def test_parameters_are_closed_json_schemas() -> None:
    for spec in ACTIONS.values():
        Draft202012Validator.check_schema(dict(spec.parameters))
        assert spec.parameters["additionalProperties"] is False


def test_a_locator_reads_in_one_way_only() -> None:
    """No pattern lets "/" or ":" through, so two targets never share a locator."""
    for spec in TARGETS.values():
        assert fields_of(spec.locator) == set(spec.fields)
        assert spec.distinguishing in spec.fields
        for pattern in spec.fields.values():
            for forbidden in ("a/b", "a:b", "a b", "a\nb", "ａ", ""):
                assert not re.fullmatch(pattern, forbidden, re.ASCII)
