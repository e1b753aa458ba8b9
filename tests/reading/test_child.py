"""Large reports are read in a child of low priority, with limits and no secrets (A83)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from remediation.domain import errors, report
from remediation.reading import child
from remediation.reading.here import Here, Reading, Rules
from tests.benchmarks.hostile_reports import citations, secrets

RULES = Rules(frozenset(), allow_test=True)


def _answer(reading: Reading, known: frozenset[str]) -> object:
    return reading.about, list(reading.targets), reading.search(()), reading.mask(known)


def test_a83_child_and_process_answer_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_DATABASE_URL", "a-secret")
    one = child.Child()
    for raw in (secrets("t1"), citations("t1")):
        known = frozenset({"it is misused by them"})
        here = _answer(Here(report.parse(raw, protected=frozenset(), allow_test=True)), known)
        with child.read(raw, RULES, one) as apart:
            assert _answer(apart, known) == here
            at = Path("/proc") / str(one.process.pid)
            assert os.getpriority(os.PRIO_PROCESS, one.process.pid) == 19
            names = {line.split(b"=")[0] for line in (at / "environ").read_bytes().split(b"\0")}
            assert names == {b"PYTHONPATH", b"PYTHONUTF8", b""}
    with pytest.raises(errors.MalformedJson), child.read(b"{", RULES, one):
        pass


def test_a83_a_killed_child_fails_and_the_next_one_reads() -> None:
    one, raw = child.Child(), secrets("t1")
    with pytest.raises(child.Failed), child.read(raw, RULES, one) as apart:
        one.process.kill()
        apart.search(())
    with child.read(raw, RULES) as apart:
        assert apart.about.kind == "credential_misuse"


@pytest.mark.parametrize("limits", [(0, child.MEMORY), (child.CPU_S, 130 * 1024 * 1024)])
def test_a83_a_report_beyond_time_or_memory_is_refused(limits: tuple[int, int]) -> None:
    with (
        pytest.raises(errors.TooLarge),
        child.read(secrets("t1"), RULES, child.Child(*limits)) as a,
    ):
        for _ in range(1):
            _answer(a, frozenset())
