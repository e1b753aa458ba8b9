"""The agent's code holds no value of the cases."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import hitlportal.demo.agent
from hitlportal.demo.agent.records import Json
from tests.agent.cases import CASES, NAMES, reading
from tests.every import every

AGENT = Path(hitlportal.demo.agent.__file__).parent
FILES = sorted(AGENT.rglob("*.py"))
# Words of the simulations and their authors.
WORDS = re.compile(
    r"stratus|red.?team|christophe|bert-jan|benjamin|tracy|tracey|panther|invictus|datadog|grimoire"
    r"|detonat|terraform",
    re.IGNORECASE,
)
IDENTIFIERS = (
    re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}"),
    re.compile(r"\b[0-9]{12}\b"),
    re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"),
    re.compile(r"\bi-[0-9a-f]{8,}", re.IGNORECASE),
    re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-"),
    re.compile(r"arn:aws:"),
)
# Values that AWS defines, which a detector may know: they name nobody.
VOCABULARY = {
    "eventName", "eventSource", "eventType", "eventVersion", "eventCategory", "type", "MFAUsed",
    "errorCode", "documentName", "ConsoleLogin", "status", "Status", "attribute", "policyArn",
    "eventTime", "action", "attributeType", "ipProtocol", "readWriteType", "key", "invokedBy",
    "awsRegion", "httpTokens", "state", "tenancy", "documentVersion",
}  # fmt: skip

# Names of AWS services name nobody.
SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com")


def values(value: Json, name: str = "") -> Iterator[str]:
    """Yield every text of a record that somebody chose or that names something."""
    if isinstance(value, str) and name not in VOCABULARY:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from values(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from values(item, key)


def chosen(name: str) -> set[str]:
    """Return texts of a case that are names, not single words."""
    texts = {text for record in reading(name).records for text in values(record.body)}
    named = re.compile(r"[-/_:.0-9]|[A-Z]{8}")
    return {t for t in texts if len(t) >= 8 and named.search(t) and not SERVICE.fullmatch(t)}


@every("name", NAMES)
def test_the_code_holds_no_value_of_a_case(name: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    found = {text for text in chosen(name) if text in code}
    assert found == set()


def test_the_check_would_notice_a_value_of_a_case() -> None:
    """The test above can fail: the cases have thousands of such values."""
    texts = set().union(*(chosen(name) for name in NAMES))
    assert len(texts) > 2000
    for needle in ("AKIA30BEZSJBVKOFKZW0", "arn:aws:iam::946986569305:user/christophe"):
        assert needle in texts


@every("path", FILES, ids=lambda path: path.name)
def test_no_word_or_identifier_of_the_simulations_stands_in_the_code(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert not WORDS.search(code)
    assert [found for pattern in IDENTIFIERS for found in pattern.findall(code)] == []
    for name in NAMES:
        assert name not in code


@every("path", FILES, ids=lambda path: path.name)
def test_the_user_agent_is_not_read(path: Path) -> None:
    """The caller chooses it, and it would identify the simulations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not any(text.lower() == "useragent" for text in strings)


@every("path", FILES, ids=lambda path: path.name)
def test_it_uses_nothing_but_the_standard_library(path: Path) -> None:
    """Except for YAML scenarios. Nothing of the portal: the agent uses it over HTTP only."""
    allowed = {*sys.stdlib_module_names, "yaml"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.startswith("hitlportal.demo.agent") or name.split(".")[0] in allowed


def test_every_file_of_the_cases_has_its_source_and_licence() -> None:
    text = (CASES / "SOURCES.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    present = {
        path.relative_to(CASES).as_posix()
        for path in CASES.rglob("*")
        if path.is_file() and path.parent.name != "LICENSES" and path.name != "SOURCES.md"
    }
    assert listed == present
    for licence in re.findall(r"`(LICENSES/[^`]+)`", text):
        assert (CASES / licence).is_file()
    assert "tests/agent/ground_truth" in text
