"""docs/configuration.md has every variable that the code reads, and no other."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.pages import ROOT, pages

VARIABLES = ROOT / "hitlportal" / "variables.toml"
PACKAGES = ("hitlportal", "remediation", "audit")
NAME = re.compile(r"HITL_[A-Z_]+")
# Tests set these for each other, to find servers that another process started.
FOR_TESTS = re.compile(r"HITL_TEST_(?!POSTGRES$)")


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")
    yield ROOT / "tests" / "servers.py"


@cache
def read_variables() -> tuple[set[str], set[str]]:
    """Return names that are the first argument of a call or an index, and those read as secrets."""
    names, secrets = set(), set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            first: ast.expr | None = None
            if isinstance(node, ast.Call) and node.args:
                first = node.args[0]
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                first = node.slice
            if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
                continue
            name = first.value
            if NAME.fullmatch(name) and not FOR_TESTS.match(name):
                names.add(name)
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("secret"):
                    secrets.add(name)
    return names, secrets


def rows() -> list[tuple[str, str]]:
    """Yield (variables, the rest of the row) of every table row of the page."""
    text = pages()["docs/configuration.md"]
    return re.findall(r"^\| (`HITL_[^|]+) \|(.+)\|$", text, re.MULTILINE)


def processes(cell: str) -> set[str]:
    """Return the processes that a cell of the second column means."""
    every = {"web", "worker", "owner", "sequencer", "eraser", "operator", "beat"}
    words = {word.strip(" `") for word in cell.split(",")}
    return {"all": every, "all but beat": every - {"beat"}}.get(cell.strip(), words)


def test_every_variable_is_documented_once_and_no_other() -> None:
    documented = [name for variables, _ in rows() for name in NAME.findall(variables)]
    assert sorted(documented) == sorted(read_variables()[0])


def test_secrets_are_marked_as_such_and_nothing_else() -> None:
    marked = {
        n for variables, rest in rows() if "`secret`" in rest for n in NAME.findall(variables)
    }
    assert marked == read_variables()[1]


def test_processes_and_defaults_are_those_of_the_list() -> None:
    listed = tomllib.loads(VARIABLES.read_text("utf-8"))
    for variables, rest in rows():
        cell, _, meaning = rest.partition("|")
        for name in NAME.findall(variables):
            assert processes(cell) == set(listed[name]["used_by"]), name
            assert listed[name].get("default", "") in meaning, name


def test_pages_and_samples_name_no_variable_that_does_not_exist() -> None:
    known = read_variables()[0]
    texts = pages() | {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file()
    }
    for page, text in texts.items():
        for name in NAME.findall(text):
            plain = name.removesuffix("_FILE")
            assert name in known or plain in known or name == "HITL_", f"{page}: {name}"
