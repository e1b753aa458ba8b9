"""README.md stays true: every variable and every command that exists is in it, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("hitlportal", "remediation", "audit")
# How code reads a setting: through hitlportal.env, or straight from the environment.
READ = re.compile(r"""(?:env\.\w+|environ(?:\.get)?)[(\[]\s*["'](HITL_[A-Z_]+)["']""")
# Django's own commands that this project only makes refuse.
REFUSING = {"createsuperuser", "changepassword"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")
    yield ROOT / "tests" / "servers.py"


def test_every_variable_is_documented_and_no_other() -> None:
    read = {name for path in sources() for name in READ.findall(path.read_text("utf-8"))}
    configuration = README.partition("## Configuration")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(HITL_[A-Z_]+)`", configuration))
    assert documented == read


def test_every_command_is_documented_and_no_other() -> None:
    made = {
        path.stem
        for package in PACKAGES
        for path in (ROOT / package / "management" / "commands").glob("[!_]*.py")
    }
    documented = set(re.findall(r"manage\.py (\w+)", README.partition("## Commands")[2]))
    assert documented == (made - REFUSING) | {"verify_evidence", "demo", "audit_witness"}


def test_the_demos_checks_have_the_numbers_of_the_table() -> None:
    """Each check line of the play has a row that says what it is about, and each row a line."""
    demo = (path.read_text("utf-8") for path in (ROOT / "hitlportal" / "demo").rglob("*.py"))
    used = {
        int(n) for text in demo for n in re.findall(r'checks\.(?:line|equal)\(\s*"(\d+)"', text)
    }
    rows = [int(n) for n in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert rows == sorted(used) == list(range(1, len(rows) + 1))


def test_every_link_into_the_repository_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link
