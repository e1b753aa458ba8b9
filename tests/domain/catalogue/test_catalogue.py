"""The catalogue is complete and consistent."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

from jsonschema import Draft202012Validator

from remediation.domain.catalogue import ACTIONS, TARGETS, is_test
from remediation.domain.catalogue import test as test_provider


def fields_of(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


FROZEN = json.loads((Path(__file__).parent / "frozen.json").read_text(encoding="utf-8"))


def test_signed_actions_keep_their_meaning() -> None:
    """The file is append-only: a new kind, or a new version of an action, adds to it."""
    for kind, told in FROZEN["targets"].items():
        spec = TARGETS[kind]
        assert told == {
            "locator": spec.locator,
            "fields": dict(spec.fields),
            "distinguishing": spec.distinguishing,
        }, kind
    now = {
        f"{kind}@{spec.version}": spec
        for kind, present in ACTIONS.items()
        for spec in (present, *present.earlier)
    }
    for versioned, spec in now.items():
        assert FROZEN["actions"][versioned] == {
            "sentence": spec.sentence,
            "target_kind": spec.target_kind,
            "rollback": spec.rollback,
            "pin_fields": list(spec.pin_fields),
            "leads_to": dict(spec.leads_to),
            "parameters": dict(spec.parameters),
        }, versioned
    assert set(FROZEN["actions"]) == set(now), "no version is forgotten: signed plans name it"
    assert set(FROZEN["targets"]) == set(TARGETS)


def test_actions_for_tests_come_from_the_test_provider() -> None:
    assert {kind for kind in (*ACTIONS, *TARGETS) if is_test(kind)} == {
        *(spec.kind for spec in test_provider.PROVIDER.actions),
        *(spec.kind for spec in test_provider.PROVIDER.targets),
    }


def test_every_action_works_on_a_known_kind_and_can_name_it() -> None:
    for spec in ACTIONS.values():
        target = TARGETS[spec.target_kind]
        assert fields_of(spec.sentence) == set(target.fields), spec.kind


def test_every_rollback_is_an_action_on_the_same_kind_of_target() -> None:
    for spec in ACTIONS.values():
        assert spec.reversible == (spec.rollback is not None)
        if spec.rollback:
            assert ACTIONS[spec.rollback].target_kind == spec.target_kind


def test_an_action_without_a_pin_has_a_written_reason() -> None:
    for spec in ACTIONS.values():
        assert bool(spec.pin_fields) != bool(spec.unpinned_reason), spec.kind


def test_every_action_states_its_limits_and_its_effect_on_sessions() -> None:
    for spec in ACTIONS.values():
        assert spec.cannot
        assert spec.ends_sessions
        assert spec.hard_timeout_s > 0


def test_parameters_are_closed_json_schemas() -> None:
    for spec in ACTIONS.values():
        Draft202012Validator.check_schema(dict(spec.parameters))
        assert spec.parameters["additionalProperties"] is False


def test_a_locator_is_unambiguous() -> None:
    """No pattern lets "/" or ":" through, so two targets never share a locator."""
    for spec in TARGETS.values():
        assert fields_of(spec.locator) == set(spec.fields)
        assert spec.distinguishing in spec.fields
        for pattern in spec.fields.values():
            for forbidden in ("a/b", "a:b", "a b", "a\nb", "ａ", ""):
                assert not re.fullmatch(pattern, forbidden, re.ASCII)
