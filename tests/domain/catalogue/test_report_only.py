"""Kinds without actions, and the kind for any other identity: reported, never acted on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from remediation.domain import report
from remediation.domain.catalogue import ACTIONS, TARGETS, is_report_only, other
from remediation.domain.errors import BadInput, BadValue, UnknownTargetKind
from remediation.domain.plan import Target, parse, parse_target
from tests.domain.story import report_json

NAMES = [
    "deploy-bot", "a", "_x", "b" * 200, "name@project.iam.gserviceaccount.com",
    "b3b1c1f0-0000-4000-8000-000000000000", "build+main=1", "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx",
    "svc$", "DOMAIN~user", "%2Fteam%2Fkey", "AKIAIOSFODNN7EXAMPLE", "null", "0",
    "__proto__",
]  # fmt: skip
HOSTILE = [
    "", " ", "a b", "a/b", "/", "../x", "a:b", ":", ".", "..", "-rf", "--", "a.", "a-",
    "a\n", "\na", "a\nb", "a\tb", "a\x00b", "a\u202eb", "a\u200bb", "аdmin", "ａ", "é", "İ",
    "<b>", "a&b", "a\"b", "a'b", "a`b", "a\\b", "a;b", "a|b", "(a)", "{name}", "{0}", "[a]",
    "a*", "a?", "a#b", "b" * 201, "b" * 300, "b" * 5_000, "💥",
]  # fmt: skip


def identity(name: str, provider: str = "github") -> dict[str, str]:
    return {"kind": other.IDENTITY.kind, "provider": provider, "name": name}


def test_names_of_any_system_are_accepted_and_their_locators_are_unambiguous() -> None:
    for name in NAMES:
        target = parse_target(dict(identity(name)))
        assert target.locator == f"other.identity:github/{name}"
        assert len(target.locator) <= 300
        kind, _, rest = target.locator.partition(":")
        assert (kind, *rest.split("/")) == (target.kind, "github", name)
    longest = parse_target(dict(identity("b" * 200, "p" * 63)))
    assert len(longest.locator) <= 300


def test_a_hostile_name_is_refused_at_its_place() -> None:
    for name in HOSTILE:
        with pytest.raises(BadValue) as refused:
            parse_target(dict(identity(name)))
        assert refused.value.pointer == "/name", name
        with pytest.raises(BadValue) as refused:
            parse_target(dict(identity("fine", name)))
        assert refused.value.pointer == "/provider", name


def test_no_two_identities_share_a_locator() -> None:
    found: dict[str, Target] = {}
    for provider in ("a", "a_b", "a-b", "aa", "github"):
        for name in NAMES:
            target = parse_target(dict(identity(name, provider)))
            assert found.setdefault(target.locator, target) == target
    assert len(found) == 5 * len(NAMES)


def test_an_incident_about_any_identity_is_accepted() -> None:
    for kind, spec in TARGETS.items():
        told = {"kind": kind, **spec.example}
        value: Any = report_json()
        value["incident"]["identity"] = value["diagnosis"]["identity"] = told
        del value["proposal"]
        accepted = report.from_json(value, protected=frozenset(), allow_test=True)
        assert accepted.incident.identity.kind == kind


def test_a_name_that_holds_a_secret_is_refused() -> None:
    """An agent might use a leaked token as the name, and names are never masked."""
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    for place in ("incident", "diagnosis"):
        value: Any = report_json()
        value[place]["identity"] = identity(token)
        with pytest.raises(BadValue) as refused:
            report.from_json(value, protected=frozenset())
        assert refused.value.pointer == f"/{place}/identity/name"
        assert token not in str(refused.value)


def test_no_plan_can_be_made_for_what_is_report_only() -> None:
    kinds = [spec for spec in TARGETS.values() if spec.report_only]
    assert other.IDENTITY in kinds
    for spec in kinds:
        assert is_report_only(spec.locator.format_map(spec.example))
        for action in ACTIONS.values():
            step = {
                "action": action.kind,
                "target": {"kind": spec.kind, **spec.example},
                "parameters": dict(action.example),
            }
            with pytest.raises(UnknownTargetKind):
                parse(
                    {"version": 1, "environment": "production", "steps": [step]},  # type: ignore[dict-item]
                    protected=frozenset(),
                    allow_test=True,
                )


def test_a_loose_pattern_lets_no_separator_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The registry tries some values; reading a target refuses what it misses."""
    from remediation.domain import step

    assert not step._compiled(r"x.*").fullmatch("xa/b")
    assert not step._compiled(r"x[\s\S]*").fullmatch("x\n/b")
    assert step._compiled(r"x.*|y").fullmatch("y")
    with pytest.raises(BadInput):
        parse_target({"kind": "postgres.role", "cluster": "a/b", "role": "c"})
    assert re.fullmatch(other.IDENTITY.fields["name"], "a", re.ASCII)
