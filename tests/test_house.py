"""The rules of the house on size: files that a reader takes in at once, functions of one thought.

A file is split by subject, never only for its size; a file under thirty lines has a reason.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

from remediation.domain import errors
from remediation.domain.errors import Refused

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("audit", "hitlportal", "remediation")
MEDIAN, MOST, FUNCTION, LEAST = 120, 320, 60, 30

# Whole kinds of files that may be short: each is one thing by its nature.
SHORT_KINDS = (
    "/__init__.py",
    "/apps.py",
    "/urls.py",
    "hitlportal/account_urls.py",
    "/management/commands/",  # a command is a file of its own
    "/models/",  # a table or two of one subject
    "remediation/domain/checks/",  # a check is a file of its own
)
# File -> why it is short.
SHORT = {
    "audit/alone.py": "isolates the advisory lock of the one sequencer",
    "audit/management/operator.py": "who runs a command, for commands of the log alone",
    "audit/schema.py": "the order of the living SQL files",
    "audit/tlog/b64.py": "isolates strict base64",
    "audit/verifying.py": "isolates `cryptography`",
    "hitlportal/__main__.py": "what `python -m hitlportal` runs",
    "hitlportal/cache.py": "a class that a setting names",
    "hitlportal/demo/servers/errors.py": "refusals of the demo's servers",
    "hitlportal/development/manifest.py": "a tool of one call",
    "hitlportal/logs.py": "a class that a setting names",
    "hitlportal/routers.py": "a class that a setting names",
    "hitlportal/wsgi.py": "what a web server loads",
    "remediation/domain/b64url.py": "isolates strict base64url",
    "remediation/domain/instant.py": "the one form of a time in signed bytes",
    "remediation/domain/intake/place.py": "where in a file something stands",
    "remediation/domain/secrets/check.py": "what the check of secrets says, without its input",
    "remediation/executors/credentials.py": "isolates credentials: who may read which",
    "remediation/schema.py": "the order of the living SQL files",
    "remediation/services/clock.py": "isolates the database's clock",
    "remediation/services/plans.py": "isolates the settings that a plan is read under",
    "remediation/views/account/presenter.py": "isolates the encoding of passkeys",
}


def sources() -> dict[str, str]:
    """The product's Python by path. Migrations state a schema, as long as that is."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    }


def length(text: str) -> int:
    return text.count("\n")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of every function, methods too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_files_are_read_at_once() -> None:
    sizes = {path: length(text) for path, text in sources().items()}
    long = {path: size for path, size in sizes.items() if size > MOST}
    assert long == {}
    whole = [size for path, size in sizes.items() if not path.endswith("__init__.py")]
    assert statistics.median(whole) <= MEDIAN


def test_functions_are_short() -> None:
    long = {
        f"{path}:{name}": size
        for path, text in sources().items()
        for name, size in functions(text)
        if size > FUNCTION
    }
    assert long == {}


def test_a_short_file_has_a_reason() -> None:
    short = {
        path
        for path, text in sources().items()
        if length(text) < LEAST and not any(kind in f"/{path}" for kind in SHORT_KINDS)
    }
    assert short - SHORT.keys() == set()


def test_no_exemption_outlives_its_file() -> None:
    found = sources()
    assert [path for path in SHORT if path not in found] == []
    assert [path for path in SHORT if length(found[path]) >= LEAST] == []


def refusals(of: type[Refused]) -> Iterator[type[Refused]]:
    yield of
    for one in of.__subclasses__():
        yield from refusals(one)


def test_a_refusal_is_one_class_with_a_name_and_a_message_of_its_own() -> None:
    known = [one for one in dict.fromkeys(refusals(Refused)) if one.__module__ in _packages()]
    names = [one.name for one in known if one.__name__ not in _GATES_OWN]
    assert len(names) == len(set(names))
    messages = [one.message for one in known]
    assert all(messages)
    here = [one for one in known if one.__module__.startswith(errors.__name__)]
    assert {one.__name__ for one in here} <= set(errors.__all__)


# The gate says these again under the same name: for the record they are one.
_GATES_OWN = {"SeparationOfDuties", "GateAgentDisabled", "GateProposerLost"}


def _packages() -> set[str]:
    return {
        path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in sources()
    }
