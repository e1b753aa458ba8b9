"""docs/demo.md: each demo check has a row in the table that explains it."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, pages


def test_the_demos_checks_have_the_numbers_of_the_table() -> None:
    demo = (path.read_text("utf-8") for path in (ROOT / "hitlportal" / "demo").rglob("*.py"))
    used = {
        int(n) for text in demo for n in re.findall(r'checks\.(?:line|equal)\(\s*"(\d+)"', text)
    }
    rows = [int(n) for n in re.findall(r"^\| (\d+) \|", pages()["docs/demo.md"], re.MULTILINE)]
    assert rows == sorted(used) == list(range(1, len(rows) + 1))
