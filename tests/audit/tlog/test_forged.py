"""A69: an entry that its writer may not write is named, not believed, and spoils no bundle."""

from __future__ import annotations

from typing import Any

import pytest

from audit.tlog import __main__ as cli
from audit.tlog import bundle, writers
from audit.tlog.canonical import read
from audit.tlog.errors import Mismatch, Missing, TlogError
from audit.tlog.rules import default
from tests.audit.tlog.case import PROPOSAL, Case, case
from tests.domain import record

PROPOSED = f"proposal:{PROPOSAL}"
MADE_UP = {"evidence": "ab" * 32}


def forged(action: str, data: dict[str, Any], about: str = PROPOSED, **by: str) -> Case:
    made = case()
    made.add(action, about, data, **{"actor": "worker:w", "writer": "hitl_web", **by})
    return made


# Each of these, believed, makes the bundle invalid or says what did not happen.
FORGERIES: list[tuple[str, dict[str, Any], str]] = [
    ("worker:halt:verified", {"person": "x"}, PROPOSED),
    ("worker:proposal:succeeded", {"from": "executing", "to": "succeeded"}, PROPOSED),
    ("worker:gate:cleared", MADE_UP, PROPOSED),
    ("worker:gate:cleared", {}, PROPOSED),
    ("worker:proposal:assessed", {"plan": 7, "pin": ["x"]}, PROPOSED),
    ("worker:step:recorded", {"step": 0, "phase": "undone"}, "proposal:another"),
    ("worker:incident:contained", {}, "incident:another"),
]


@pytest.mark.parametrize(("action", "data", "about"), FORGERIES)
def test_a69_a_forged_entry_is_named_and_nothing_else_changes(
    action: str, data: dict[str, Any], about: str
) -> None:
    plain, found = _verified(case()), _verified(forged(action, data, about))
    assert found.entries == plain.entries
    (one,) = found.forged
    assert str(one) == (
        f"entry {one.entry.index} is forged and not believed: it says worker:w, written by"
        f" hitl_web, which may not write {action}"
    )
    assert one.entry.writer == "hitl_web"


@pytest.mark.parametrize(("action", "data", "about"), FORGERIES[0:1] + FORGERIES[2:])
def test_the_control_that_believes_it_does_not_hold(
    action: str, data: dict[str, Any], about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = forged(action, data, about).dump()
    monkeypatch.setattr(writers.Judge, "why_forged", lambda *_: "")
    with pytest.raises(TlogError):
        bundle.verify(raw, record.POLICY)


def test_a69_a_true_entry_does_not_rest_on_a_forged_one() -> None:
    """The real worker verified no halt; a forged halt entry gives it nothing to rest on."""
    made = case()
    made.add("person:execution:halted", PROPOSED, {}, actor="person:p", writer="hitl_worker")
    made.add("worker:halt:verified", PROPOSED, {}, writer="hitl_worker")
    with pytest.raises(Missing, match="rests on person:execution:halted"):
        _verified(made)


def test_an_entry_of_its_own_writer_is_believed() -> None:
    made = case()
    made.add("worker:proposal:unknown", PROPOSED, {}, writer="hitl_worker")
    made.add("person:proposal:withdrawn", PROPOSED, {}, actor="person:p", writer="hitl_web")
    made.add("operator:bundle:exported", PROPOSED, {}, actor="operator:o", writer="hitl_worker")
    found = _verified(made)
    assert found.forged == ()
    assert [entry.writer for entry in found.entries[-3:]] == [
        "hitl_worker", "hitl_web", "hitl_worker",
    ]  # fmt: skip
    assert found.unwritten == len(found.entries) - 3


def test_entries_from_before_writers_were_recorded_are_read_as_they_were() -> None:
    found = _verified(case())
    assert (found.forged, found.unwritten) == ((), len(found.entries))


def test_a69_an_entry_without_a_writer_after_one_with_it_is_forged() -> None:
    """The guard stamps each; so it was off."""
    made = case()
    first = made.add("worker:notice:sent", PROPOSED, {}, writer="hitl_worker")
    made.add("worker:halt:verified", PROPOSED, {"person": "x"})
    (one,) = _verified(made).forged
    assert one.why == f"names no writer, and entry {first} before it does"


@pytest.mark.parametrize(
    "changes",
    [
        {"writer": "postgres"}, {"writer": "hitl_sequencer"}, {"actor": "worker"},
        {"actor": "person:p", "writer": "hitl_web"}, {"actor": ":x", "writer": "hitl_worker"},
    ],
)  # fmt: skip
def test_a69_any_other_pair_of_actor_and_writer_is_forged(changes: dict[str, str]) -> None:
    assert len(_verified(forged("worker:halt:verified", {}, **changes)).forged) == 1


@pytest.mark.parametrize("value", [None, 7, [], {}, ["hitl_worker"], ""])
def test_a_writer_that_is_no_text_is_forged(value: Any) -> None:
    said = {"actor": "worker:w", "action": "worker:notice:sent", "writer": value}
    assert writers.why_forged(said, default().writers)


def test_the_command_names_the_forged_entry_and_says_that_it_holds(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(forged("worker:halt:verified", {"person": "x"}).dump())
    assert cli.main(["verify", str(path), "--key", str(record.SIGNER.vkey)]) == 0
    said = capsys.readouterr().out
    assert "is forged and not believed: it says worker:w, written by hitl_web" in said
    assert "11 entries are from before writers were recorded" in said
    assert said.endswith("HOLDS\n")


def test_a_long_log_is_judged_as_each_entry_is() -> None:
    """Most entries are judged by their beginning and end, without parsing them."""
    made = forged("worker:halt:verified", {})
    made.add("worker:notice:sent", PROPOSED, {}, writer="hitl_worker")
    made.add(
        "worker:notice:sent", PROPOSED, {"x": '","v":1,"writer":"hitl_web"}'}, writer="hitl_worker"
    )
    made.add("worker:notice:sent", PROPOSED, {}, writer="hitl_web")
    made.add("person:view:saved", PROPOSED, {"x": 'é","writer":"'}, "person:p", "hitl_web")
    made.add("person:view:saved", PROPOSED, {}, "person:p", "hitl_worker")
    made.add("worker:notice:sent", PROPOSED, {}, 'x"y', "hitl_worker")
    for _ in range(2):
        made.book.bodies += made.book.bodies
    quick, slow = writers.Judge(default().writers), writers.Judge(default().writers)
    for at, body in enumerate([*made.book.bodies, b"no JSON", b"[]"]):
        said = read(body)
        wanted = "" if said is None else slow.why_forged(at, said)
        assert quick.why_forged_bytes(at, body) == wanted


def test_a_document_that_only_a_forged_entry_names_may_be_there() -> None:
    made = case()
    made.add(
        "worker:gate:cleared", PROPOSED, {"evidence": made.document("", b"x")}, writer="hitl_web"
    )
    assert len(_verified(made).forged) == 1
    made.document("", b"named by nobody")
    with pytest.raises((Missing, Mismatch)):
        _verified(made)


def _verified(made: Case) -> bundle.Verified:
    return bundle.verify(made.dump(), record.POLICY)


def test_a69_the_fast_path_of_the_judge_is_not_fooled_by_a_member_twice() -> None:
    """The guard was switched off for a moment (which the judge does not have to believe)."""
    judge = writers.Judge(default().writers)
    good = (
        b'{"action":"person:halt:started","actor":"person:1","at":"x","data":{},'
        b'"object":"o","v":1,"writer":"hitl_web"}'
    )
    assert judge.why_forged_bytes(0, good) == ""
    twice = (
        b'{"action":"person:halt:started","actor":"person:1","at":"x","data":{},'
        b'"object":"o","action":"worker:step:recorded","actor":"worker:1","v":1,'
        b'"writer":"hitl_web"}'
    )
    assert judge.why_forged_bytes(1, twice) != ""
