"""Write into docs/attacks.md which tests name each attack line: `python -m tests.docs.attacks`."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "attacks.md"
LINE = re.compile(r"^\* (A\d\d) .*$", re.MULTILINE)
# In a comment or docstring, or as the name of a test.
NAMED = re.compile(r"\bA(\d\d)\b|\bdef test_a(\d\d)_")
# Lines that no test names, and why.
OPEN = {
    "A15": "rules are code of a release, with a version in each signed ruling: no page, command or"
    " row removes one",
}
# The generated part: everything indented below a line.
GENERATED = re.compile(r"^  .*\n", re.MULTILINE)


def named() -> dict[str, list[str]]:
    """Return the test files that name each line, by line."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("tests/docs/"):
            for said, called in NAMED.findall(path.read_text("utf-8")):
                found[f"A{said or called}"].add(name)
    return {line: sorted(files) for line, files in found.items()}


def render(text: str) -> str:
    """Return the page with the names of tests below each line."""
    tests = named()

    def below(match: re.Match[str]) -> str:
        files = tests.get(match[1])
        why = f"**open**: {OPEN.get(match[1], 'nobody has said why')}"
        told = ", ".join(f"`{file}`" for file in files) if files else why
        return f"{match[0]}\n  {told}"

    return LINE.sub(below, GENERATED.sub("", text))


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
