"""Limit the size of files and functions, so that each can be read at once.

Split a file by subject, never only for its size. A file under thirty lines needs a reason.
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

# Kinds of files that may be short.
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
    "audit/account.py": "isolates the operating system's accounts",
    "audit/alone.py": "isolates the advisory lock of the one sequencer",
    "audit/management/operator.py": "names the operator in commands of the log",
    "audit/schema.py": "the order of the living SQL files",
    "audit/tlog/b64.py": "isolates strict base64",
    "audit/verifying.py": "isolates `cryptography`",
    "hitlportal/__main__.py": "what `python -m hitlportal` runs",
    "hitlportal/cache.py": "a class that a setting names",
    "hitlportal/demo/mail.py": "a class that a setting names",
    "hitlportal/demo/servers/errors.py": "refusals of the demo's servers",
    "hitlportal/development/manifest.py": "a command of `make`",
    "hitlportal/gunicorn.py": "the settings that a web server loads",
    "hitlportal/routers.py": "a class that a setting names",
    "hitlportal/wsgi.py": "the module that a web server loads",
    "remediation/domain/b64url.py": "isolates strict base64url",
    "remediation/domain/instant.py": "the one form of a time in signed bytes",
    "remediation/domain/intake/place.py": "a position in an imported file",
    "remediation/executors/aws_errors.py": "isolates the words of a driver's errors",
    "remediation/executors/entra_steps.py": "where a family's steps are made",
    "remediation/executors/github_steps.py": "where a family's steps are made",
    "remediation/executors/postgres_driver.py": "what a provider's entry names",
    "remediation/executors/postgres_scram.py": "isolates the verifier of RFC 5802",
    "remediation/executors/tls.py": "what a provider's entry names",
    "remediation/schema.py": "the order of the living SQL files",
    "remediation/services/outbox/notice_lock.py": "isolates the lock of notices",
    "remediation/services/outbox/failing.py": "what pages read of the worker's channels",
    "remediation/services/clock.py": "isolates the database's clock",
    "remediation/services/load_plan.py": "isolates the settings that a plan is read under",
    "remediation/views/agents/views.py": "a page has the same names everywhere",
    "remediation/views/help/page.py": "a page has the same names everywhere",
    "remediation/views/help/presenter.py": "a page has the same names everywhere",
    "remediation/views/account/theme.py": "isolates a cookie",
    "remediation/views/account/presenter.py": "isolates the encoding of passkeys",
}


def sources() -> dict[str, str]:
    """Return the product's Python by path, without migrations: their length follows the schema."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    }


def length(text: str) -> int:
    return text.count("\n")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield name and length of every function and method."""
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


# Refusals of the gate that keep the name of another refusal: the record treats both as one.
_GATES_OWN = {"SeparationOfDuties", "GateAgentDisabled", "GateProposerLost"}


def _packages() -> set[str]:
    return {
        path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in sources()
    }
