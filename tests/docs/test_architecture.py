"""ARCHITECTURE.md: every named function exists, and each way enters each layer once."""

from __future__ import annotations

import ast
import importlib
import re
from functools import reduce
from typing import Any

import pytest

from tests.docs.pages import ROOT, pages

TEXT = pages()["ARCHITECTURE.md"]
NAMED = re.compile(r"`((?:remediation|audit|hitlportal)(?:\.\w+)+)`")
WAY = re.compile(r"^### (.+?)\n(.+?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
WAYS = {title: body for title, body in WAY.findall(TEXT)}
PLACE = re.compile(r"^\| [^|]+ \| `([\w/.]+):(\w+)` \|$", re.MULTILINE)
# The layers from the top down, with the module prefixes of their functions.
LAYERS = {
    "Door": r"remediation\.(api|views|admin|tasks|management)\b",
    "Services": r"remediation\.services\b",
    "Executors": r"remediation\.executors\b",
    "Rows": r"remediation\.models\b",
    "Domain": r"remediation\.domain\b",
    "Log": r"audit\.(log|inclusion)\b",
    "Way in": r"audit\.log\b",
    "Turns": r"audit\.serving\b",
    "Sequencer": r"audit\.sequencer\b",
    "Witnesses": r"audit\.cosigning\b",
    "Maths": r"audit\.tlog\b",
}


def found(dotted: str) -> Any:
    """Return the object with this name: the longest prefix that is a module, then attributes."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[end:], module)
    raise AssertionError(dotted)


def test_every_function_of_the_ways_exists() -> None:
    names = NAMED.findall(TEXT)
    assert len(names) > 40
    missing = []
    for name in names:
        try:
            assert callable(found(name)), name
        except (AttributeError, AssertionError):
            missing.append(name)
    assert not missing


def test_there_are_five_ways_of_about_five_layers() -> None:
    assert len(WAYS) == 5


@pytest.mark.parametrize("title", WAYS)
def test_each_way_enters_each_layer_once_from_the_top_down(title: str) -> None:
    items = re.findall(r"^\d\. \*\*(.+?)\*\*: (.+)$", WAYS[title], re.MULTILINE)
    layers = [layer for layer, _ in items]
    order = [layer for layer in LAYERS if layer in layers]
    assert layers == order
    for layer, functions in items:
        for name in NAMED.findall(functions):
            assert re.match(LAYERS[layer], name), f"{name} does not lie in {layer}"


def test_no_function_of_a_way_calls_a_layer_above_it() -> None:
    """Imports point down. import-linter checks every module; this checks the named functions."""
    above = {"domain": ("services", "models", "executors", "api", "views", "management", "tasks")}
    above["models"] = above["executors"] = above["domain"][0:1] + above["domain"][3:]
    above["services"] = above["domain"][3:]
    for name in NAMED.findall(TEXT):
        layer = name.split(".")[1]
        module = next(
            path
            for end in range(len(name.split(".")), 0, -1)
            for path in (
                ROOT.joinpath(*name.split(".")[:end]).with_suffix(".py"),
                ROOT.joinpath(*name.split(".")[:end], "__init__.py"),
            )
            if path.exists()
        )
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("remediation."):
                assert (node.module or "").split(".")[1] not in above.get(layer, ()), name


def test_every_behaviour_stands_where_the_table_says() -> None:
    places = PLACE.findall(TEXT)
    assert len(places) >= 20
    for path, function in places:
        file = ROOT / path
        if file.suffix == ".sql" and not file.exists():  # before the SQL lies by subject
            file = next(
                up
                for up in file.parent.glob("*.up.sql")
                if f"FUNCTION remediation.{function}(" in up.read_text("utf-8")
            )
        text = file.read_text("utf-8")
        if file.suffix == ".sql":
            assert re.search(rf"FUNCTION remediation\.{function}\b", text), f"{path}:{function}"
        else:
            names = {n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)}
            assert function in names, f"{path}:{function}"
