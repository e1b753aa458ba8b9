"""Every entry becomes one plain sentence, whatever it holds."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from remediation.domain.events import Event
from remediation.domain.sentences import SENTENCES, describe
from tests.every import every

ID = "9e1f2a3b-1111-4222-8333-444455556666"


def test_every_event_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Event)


@every("event", Event)
def test_a_sentence_is_one_sentence_whatever_is_missing(event: Event) -> None:
    said = describe({"action": event, "actor": f"person:{ID}", "object": f"proposal:{ID}"})
    assert said.endswith(".")
    assert "{" not in said and "}" not in said
    assert said[0].isupper() or said[0] == "“"


def test_a_review_says_who_decided_what_about_what() -> None:
    statement = {
        "decision": "approve",
        "round": 2,
        "slot": "security",
        "verdicts": {"diagnosis": "yes", "scope": "yes", "action": "yes"},
    }
    entry = {
        "action": "person:review:signed",
        "actor": f"person:{ID}",
        "object": f"proposal:{ID}",
        "data": {"statement": statement},
    }
    assert describe(entry) == (
        "Person 9e1f2a3b signed “approve” on proposal 9e1f2a3b, round 2, as security:"
        " diagnosis yes, scope yes, action yes."
    )


def test_steps_are_counted_from_one_and_lists_by_number() -> None:
    step = {
        "action": "worker:step:recorded",
        "actor": "worker:host-1",
        "object": f"proposal:{ID}",
        "data": {"step": 0, "phase": "applied"},
    }
    assert describe(step) == (
        "The worker on host-1 recorded step 1 of proposal 9e1f2a3b as applied."
    )
    report = {
        "action": "agent:report:submitted",
        "actor": f"agent:{ID}",
        "object": f"incident:{ID}",
        "data": {"evidence": ["a", "b"]},
    }
    assert describe(report) == "Agent 9e1f2a3b reported incident 9e1f2a3b with 2 artefacts."


def test_an_unknown_kind_is_called_unknown() -> None:
    assert describe({"action": "x:y:z", "actor": "system:portal", "object": "page:a"}) == (
        "The portal recorded x:y:z about page a."
    )


def test_a52_what_an_agent_said_cannot_add_a_field_or_grow_without_end() -> None:
    entry = {
        "action": "agent:incident:opened",
        "actor": f"agent:{ID}",
        "object": f"incident:{ID}",
        "data": {"title": "{who}" + "x" * 5_000, "kind": "{", "identity": "\u202e\x1b[2J"},
    }
    said = describe(entry)
    assert "{who}" in said
    assert len(said) < 1_000


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)  # other tests share the cores
@given(
    action=st.sampled_from([*map(str, Event), "", "no:such:event"]),
    entry=st.dictionaries(st.sampled_from(["actor", "object", "data"]), JSON),
)
def test_no_entry_makes_it_raise(action: str, entry: dict[str, Any]) -> None:
    said = describe({**entry, "action": action})
    assert re.search(r"\S", said)
