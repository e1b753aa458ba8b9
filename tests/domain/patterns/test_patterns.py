"""Public breaches: the shipped file, the strict loader, and what fits an incident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remediation.domain import patterns
from remediation.domain.checks import CHECKS
from remediation.domain.errors import BadInput

FILE = Path(patterns.__file__).with_name("breaches.json")
BREACHES = patterns.load(FILE.read_bytes())


def shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_bytes())
    return found


def test_the_shipped_file_is_whole() -> None:
    found = BREACHES
    assert len(found) == 35 and len({one.name for one in found}) == 35
    assert {each for one in found for each in one.features} == set(patterns.FEATURES)
    assert all(one.needed.endswith(".") and one.risk.endswith(".") for one in found)


@pytest.mark.parametrize(
    "change",
    [
        {"features": ["unheard_of"]},
        {"providers": []},
        {"sources": []},
        {"needed": ""},
        {"surplus": 1},
        {"when": 2024},
    ],
)
def test_what_is_not_known_is_refused(change: dict[str, Any]) -> None:
    value = shipped()
    value["breaches"][0] |= change
    with pytest.raises(BadInput):
        patterns.load(json.dumps(value).encode())


def test_an_id_twice_and_another_version_are_refused() -> None:
    value = shipped()
    with pytest.raises(BadInput):
        patterns.load(json.dumps({**value, "breaches": value["breaches"][:1] * 2}).encode())
    with pytest.raises(BadInput):
        patterns.load(json.dumps({**value, "version": 2}).encode())


def test_most_shared_features_first_then_the_same_provider() -> None:
    found = patterns.similar("postgres", {"still_valid_after_notice", "session_outlives"}, BREACHES)
    assert found[0].breach.id == "P17" and found[0].same_provider
    assert found[0].shared == ("still_valid_after_notice", "session_outlives")
    assert len(found) == patterns.MOST


def test_nothing_in_common_is_not_similar() -> None:
    assert patterns.similar("aws", set(), BREACHES) == ()
    assert patterns.similar("aws", {"unheard_of"}, BREACHES) == ()


def test_checks_that_tell_a_feature_exist() -> None:
    assert set(patterns.OF_CHECKS) <= set(CHECKS) | {"irreversible"}
    assert set(patterns.OF_CHECKS.values()) <= set(patterns.FEATURES)
