"""What an action does not stop follows from what was seen at the target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain.catalogue import ACTIONS, TARGETS, Limit
from remediation.domain.limits import LimitSentence, Standing, credential, limits, place_of
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, parse_target
from tests.domain.story import a_plan

LIMIT = Limit("members", "Members keep it: {value}.", "It has no member.", "Nobody looked.")
SILENT = replace(LIMIT, absent="")


def step_with(monkeypatch: pytest.MonkeyPatch, *declared: Limit) -> Step:
    # The story's plan is of an earlier version, which declares no limits.
    first = a_plan().steps[0]
    step = replace(first, executor=ACTIONS[first.action].version)
    spec = replace(ACTIONS[step.action], limits=declared)
    monkeypatch.setattr("remediation.domain.step.ACTIONS", {**ACTIONS, step.action: spec})
    return step


def seen(**shown: Json) -> Observation:
    return Observation(True, {}, shown, False)


@pytest.mark.parametrize(
    ("shown", "standing", "text"),
    [
        (["a", "b"], Standing.PRESENT, "Members keep it: a, b."),
        (3, Standing.PRESENT, "Members keep it: 3."),
        ("a", Standing.PRESENT, "Members keep it: a."),
        (True, Standing.PRESENT, "Members keep it: True."),
        ([{"id": "K1", "status": "Active"}], Standing.PRESENT, "Members keep it: K1 (Active)."),
        ([], Standing.ABSENT, "It has no member."),
        (0, Standing.ABSENT, "It has no member."),
        ("", Standing.ABSENT, "It has no member."),
        (False, Standing.ABSENT, "It has no member."),
        (None, Standing.UNKNOWN, "Nobody looked."),
    ],
)
def test_the_value_chooses_the_sentence(
    shown: Json, standing: Standing, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = limits(step_with(monkeypatch, LIMIT), seen(members=shown))
    assert (found.standing, found.fill(found.sentence)) == (standing, text)


@pytest.mark.parametrize(
    "observation",
    [
        None,
        seen(),
        seen(sessions=1),
        Observation(False, {}, {"members": []}, False),
    ],
)
def test_what_was_not_looked_at_is_said(
    observation: Observation | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never taken for absent: the target could not be read, or an older worker did not look."""
    (found,) = limits(step_with(monkeypatch, SILENT), observation)
    assert (found.standing, found.sentence) == (Standing.UNKNOWN, "Nobody looked.")


def test_what_is_absent_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits(step_with(monkeypatch, SILENT), seen(members=[])) == ()
    assert len(limits(step_with(monkeypatch, SILENT), seen(members=["a"]))) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none. Everything stops", "“none. Everything stops”"),
        ("a, b", "“a, b”"),
        ("a”, b", "“a⟨U+201D⟩, b”"),
        ("\u202ea", "“⟨U+202E⟩a”"),
        ("two\nlines", "“two⟨U+000A⟩lines”"),
        ("{value}", "“{value}”"),
    ],
)
def test_a01_a_name_adds_no_words_and_no_second_name(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = limits(step_with(monkeypatch, LIMIT), seen(members=[name, "z"]))
    assert found.value_untrusted == f"{text}, z"
    assert found.fill("Mitglieder {behalten} es: {value}.") == (
        f"Mitglieder {{behalten}} es: {text}, z."
    )


def test_nothing_is_left_out_of_a_long_list(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[Json] = [f"role_{number}" for number in range(500)]
    (found,) = limits(step_with(monkeypatch, LIMIT), seen(members=names))
    assert found.value_untrusted.count(",") == 499


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"kind": "postgres.role", "cluster": "billing", "role": "a b"}, "billing"),
        ({"kind": "test.target", "name": "t1"}, "test.target:t1"),
    ],
)
def test_the_place_is_where_the_target_is(fields: Any, place: str) -> None:
    assert place_of(parse_target(fields, allow_test=True)) == place


def test_an_action_without_declared_limits_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits(step_with(monkeypatch), seen(members=["a"])) == ()


def test_every_declared_limit_speaks_of_what_it_was_given() -> None:
    """Of each action of the catalogue, with and without an observation."""
    for spec in ACTIONS.values():
        for limit in spec.limits:
            assert limit.unknown and "{value}" not in limit.unknown + limit.absent, spec.kind
    sentence = LimitSentence("x", Standing.UNKNOWN, "{value}")
    assert sentence.fill("as it is") == "as it is"


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_every_action_says_how_far_its_credential_is_cut(kind: str) -> None:
    """The page says what somebody who takes over the worker can do besides the step."""
    spec = ACTIONS[kind]
    example = TARGETS[spec.target_kind].example
    target = parse_target({"kind": spec.target_kind, **example}, allow_test=True)
    step = replace(a_plan().steps[0], action=kind, executor=spec.version, target=target)
    declared = spec.credential
    assert declared is not None
    unread = credential(step, None)
    assert unread is not None and unread.sentence
    if not declared.field:
        assert (unread.standing is Standing.ABSENT) == kind.startswith("test.")
        return
    kept, cut = seen(**{declared.field: ["why"]}), seen(**{declared.field: []})
    standings = [found.standing for one in (kept, cut) if (found := credential(step, one))]
    assert standings == [Standing.PRESENT, Standing.ABSENT]
    said = credential(step, kept)
    assert said is not None and "why" in said.fill(said.sentence)


def test_an_earlier_version_says_nothing_of_a_credential() -> None:
    earlier = a_plan().steps[0]
    assert earlier.executor < ACTIONS[earlier.action].version
    assert credential(earlier, None) is None
