"""No sentence of a page outside of gettext, read from the sources: a branch that no test draws has
no other reader."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.every import every
from tests.hostile.test_one_way_out import ROOT, TEMPLATES

PACKAGES = [ROOT / name for name in ("hitlportal", "remediation", "audit")]
# The description of the agents' API is in its one language.
PAGES = [path for path in TEMPLATES if path.parent.name != "api"]
SCRIPTS = sorted(path for package in PACKAGES for path in package.rglob("static/**/*.js"))
CODE = sorted(
    path
    for package in PACKAGES
    for folder in ("views", "admin", "templatetags")
    for path in (package / folder).rglob("*.py")
)

_TOKEN = re.compile(
    r"(\{% blocktranslate.*?endblocktranslate %\}|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>)",
    re.DOTALL,
)
_EXACT = re.compile(r"</?(code|pre|kbd|script|style)\b")
_SAID = re.compile(r'\b(?:aria-label|title|placeholder|data-label|alt|label)="([^"]*)"')
_WORDS = re.compile(r"[A-Za-z]{2,}")
# Given to a tag or a template as an argument, in plain quotes.
_ARGUMENT = re.compile(r'(?:=|\{% (?:icon|pill) \S+ )"([A-Z][a-z]+ [^"]*|[a-z]+ [a-z ]+)"')
# The program's name, an entity, and classes that a block gives to its page.
NO_WORDS = {"hitlportal", "rsaquo", "narrow", "onescreen", "colM"}


def bare(template: str) -> Iterator[str]:
    """Text and attributes of a template that no translator would see."""
    exact = 0
    for place, token in enumerate(_TOKEN.split(template)):
        if place % 2 == 0:
            words = set(_WORDS.findall(token)) - NO_WORDS
            if words and not exact:
                yield " ".join(token.split())
            continue
        if tag := _EXACT.match(token):
            exact += -1 if token.startswith("</") else (1 if tag else 0)
        if token.startswith("<"):
            yield from (said for said in _SAID.findall(token) if _WORDS.match(said))
        elif token.startswith(("{% include", "{% icon", "{% pill", "{% with")):
            yield from _ARGUMENT.findall(token)


@every("path", PAGES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    assert list(bare(path.read_text(encoding="utf-8"))) == []


def test_the_reader_of_templates_sees_what_it_is_for() -> None:
    """The control."""
    assert list(bare("<p>Words</p><code>exact</code>{% translate 'x y' %}")) == ["Words"]
    assert list(bare('<i title="Some words">{{ said }}</i>')) == ["Some words"]
    assert list(bare("{% if x %}one{% else %}{% translate 'two' %}{% endif %}")) == ["one"]
    assert list(bare('{% include "x.html" with question="Is it so?" %}')) == ["Is it so?"]
    assert list(bare('{% icon "check" "does not hold" %}{% icon "check" _("holds") %}')) == [
        "does not hold"
    ]


# Keywords under which people read what is given.
READ = {"label", "help_text", "description", "empty_label", "heading", "explain", "back_title"}
GETTEXT = {"gettext", "gettext_lazy", "ngettext", "pgettext", "pgettext_lazy", "npgettext"}


def _name(call: ast.Call) -> str:
    function = call.func
    return getattr(function, "attr", "") or getattr(function, "id", "")


def unmarked(source: str) -> Iterator[str]:
    """Constants that a person reads, and messages in f-strings, where xgettext is blind."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inner = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
            yield from (f"in an f-string: {_name(one)}" for one in inner if _name(one) in GETTEXT)
        if not isinstance(node, ast.Call):
            continue
        given = [one.value for one in node.keywords if one.arg in READ]
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if owner == "messages":
            given += node.args[1:]
        if _name(node) == "add_error":
            given += node.args[1:]
        for value in given:
            if isinstance(value, ast.JoinedStr) or (
                isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value
            ):
                yield ast.unparse(value)


@every("path", CODE, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_view_says_what_is_not_marked(path: Path) -> None:
    assert list(unmarked(path.read_text(encoding="utf-8"))) == []


def test_the_reader_of_code_sees_what_it_is_for() -> None:
    """The control."""
    assert list(unmarked('messages.success(request, "Done.")')) == ["'Done.'"]
    assert list(unmarked('forms.CharField(label="Name", max_length=3)')) == ["'Name'"]
    assert list(unmarked("x = f\"{gettext('a')} b\"")) == ["in an f-string: gettext"]
    assert list(unmarked('forms.CharField(label=gettext_lazy("Name"))')) == []


@every("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_has_sentences_of_its_own(path: Path) -> None:
    assert sentences(path.read_text(encoding="utf-8")) == []


def test_the_reader_of_scripts_sees_what_it_is_for() -> None:
    """The control."""
    assert sentences('say("Choose a role."); // "Not this one"') == ["Choose a role."]
    assert sentences('word("review", "slot"); querySelector("[name=slot] input")') == []


def sentences(script: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", script, flags=re.DOTALL)
    return re.findall(r"""(?:"|`)([A-Z][a-z]+ [^"`]*|[a-z]+ [a-z]+ [a-z ]+)(?:"|`)""", text)
