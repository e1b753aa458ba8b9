"""Print tests and cases by directory: `pytest --collect-only -q -p tests.count | tail -60`.

A parametrised test counts once for each parameter; a looped one (tests/every.py) is one test with
as many cases as it loops over. The sum of cases must never fall when a corpus moves into a loop.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.every import CASES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After the list of what was collected."""
    session = terminalreporter._session
    tests: Counter[str] = Counter()
    cases: Counter[str] = Counter()
    for item in session.items if session else ():
        place = str(Path(item.nodeid.split("::")[0]).parent)
        tests[place] += 1
        cases[place] += getattr(getattr(item, "function", None), CASES, 1)
    for place in sorted(tests):
        terminalreporter.write_line(f"{place:40} {tests[place]:6} {cases[place]:6}")
    terminalreporter.write_line(f"{'together':40} {tests.total():6} {cases.total():6}")
