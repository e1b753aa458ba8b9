"""Live readings: bounded bytes, sentences of the declaration, and differences to the pin."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain.catalogue import TARGETS
from remediation.domain.containment import SeenPlace
from remediation.domain.errors import BadInput
from remediation.domain.live import MAX_BYTES, Found, Reading, bounded, differences, lines, step_for
from remediation.domain.observation import Observation

ROLE = "postgres.role:ledger/app"
KEY = "aws.iam.access_key:123456789012/deploy/AKIAIOSFODNN7EXAMPLE"


def seen(state: dict[str, Json], **shown: Json) -> Observation:
    return Observation(True, state, shown, simulated=False)


def said(kind: str, observation: Observation) -> list[str]:
    return [line.fill(line.sentence) for line in lines(kind, observation)]


def test_what_is_recorded_is_read() -> None:
    reading = Reading("2026", seen({"login": True}), (SeenPlace("server ledger", False),))
    again = Reading.parse(reading.body())
    assert again == reading and again.found is Found.ACCESS
    assert Reading("2026", None, why="no route").found is Found.UNREAD
    assert Reading("2026", None, known=False).found is Found.NOT_KNOWN
    with pytest.raises(BadInput):
        Reading.parse(b'{"at":"2026"}')


def test_a_target_makes_no_record_longer_than_allowed() -> None:
    many: Json = [{"a": "x" * 5000, "deep": [[[[["y"]]]]]} for _ in range(5000)]
    reading = Reading("2026", seen({"login": True}, sessions=many))
    assert len(reading.body()) <= MAX_BYTES
    Reading.parse(reading.body())
    assert bounded("x" * 400) == "x" * 300 + "…"
    wide = Reading("2026", seen({}, **{f"f{n}": ["x" * 300] * 40 for n in range(40)}))
    assert "more than the portal keeps" in Reading.parse(wide.body()).why


def test_a_role_in_words() -> None:
    observation = seen(
        {"login": True},
        valid_until=None,
        sessions=2,
        last_activity="2026-12-01 01:33:00+00",
        session_places=[{"from": "10.0.0.7", "program": "report job", "sessions": 2}],
        members=["a", "b c"],
        standbys_unseen=[],
    )
    words = said("postgres.role", observation)
    assert "It can log in." in words and "Its password has no end date." in words
    assert "Open sessions: 2. Last activity: 2026-12-01 01:33:00 UTC." in words
    assert any("“b c”" in one for one in words), "names are quoted"
    (places,) = [line for line in lines("postgres.role", observation) if line.items_untrusted]
    assert places.items_untrusted == ("from 10.0.0.7, program “report job”, sessions 2",)
    assert "It cannot log in." in said("postgres.role", seen({"login": False}))


def test_a_key_in_words_and_braces_in_values_stay() -> None:
    observation = seen(
        {"status": "Active"},
        last_used="2026-12-01T01:33:00+00:00",
        last_used_service="{last_used_region}",
        last_used_region="eu-west-1",
        other_keys=[],
    )
    words = said("aws.iam.access_key", observation)
    assert words[0].startswith("The key is Active")
    assert "“{last_used_region}”" in words[1] and "2026-12-01 01:33:00 UTC" in words[1]
    assert said("aws.iam.access_key", seen({"status": "Expired"}))[0].endswith("Expired.")


def test_only_what_was_read_is_compared_as_json() -> None:
    reading = Reading("2026", seen({"login": False, "oid": 7}))
    assert differences({"login": True, "oid": 7, "other": 1}, True, reading) == (
        ("login", True, False),
    )
    assert differences({"oid": True}, True, Reading("", seen({"oid": 1}))) == (("oid", True, 1),)
    gone = Reading("2026", Observation(False, {}, {}, simulated=False))
    assert differences({"login": True}, True, gone) == (("exists", True, False),)
    assert differences({"login": True}, True, Reading("2026", None, why="x")) == ()


def test_the_step_by_which_an_identity_is_read() -> None:
    step = step_for(ROLE)
    assert step is not None and step.spec.removes_access and step.target.locator == ROLE
    assert step_for(KEY) is not None
    assert step_for("aws.iam.root:123456789012") is None, "no action works on it"
    assert step_for("unheard.of:x") is None and step_for("postgres.role:x") is None


def test_every_kind_that_can_be_read_says_what_active_means() -> None:
    for kind, spec in TARGETS.items():
        if not spec.report_only and not kind.startswith(("test.", "acme.")):
            assert spec.live, kind
