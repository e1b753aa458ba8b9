"""Text of agents has one way out, `domain/inert`: read from templates and code, so that a page, a
mail or a log line that is added later cannot forget it (docs/attacks.md A01, A52, A60)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from django.conf import settings
from django.template import Context, Template
from django.template.base import Lexer, TokenType

from hitlportal.logs import OneLine
from remediation import views
from tests.every import every

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [ROOT / name for name in ("hitlportal", "remediation", "audit")]
TEMPLATES = sorted(path for folder in PACKAGES for path in folder.rglob("templates/**/*.html"))
CODE = sorted(
    path
    for folder in PACKAGES
    for path in folder.rglob("*.py")
    if not {"demo", "development", "migrations"} & set(path.parts)
)

# The filters of templatetags/inert.py.
SAFE = re.compile(r"\|(inert|inert_line|plain|measure|length)$")
# The last name of an expression that may hold what an agent wrote.
TELLING = re.compile(
    r"(?:^|\.)(?:\w+_untrusted|sentences?(\.0)?|undone|locator|why|detail|reason|summary|rationale|source|actor"
    r"|object|value|body|text|plan_text|whole|owner|owner_team|(?<=incident\.)title)(\|.*)?$"
)
# What has such a name and is none: closed vocabularies, the portal's own words, exact bytes that a
# script reads out of a text area, a token that is shown once to whoever made it, what the reader
# typed, and fields of a form that hold text with its hidden characters made visible.
NOT_TELLING = {
    "reason.value", "slot.value", "page.decide.slots.0.value", "text", "body", "proof.text",
    "detail", "error", "page.slots.0.value", "page.chosen.text", "claim.text", "page.reason",
}  # fmt: skip


# Tags that print what they are given: sentences for translators with the values in them.
PRINTING = ("blocktranslate", "blocktrans", "translate", "trans", "firstof", "cycle")
_BOUND = re.compile(r"\w+=(.+)")


def expressions(path: Path) -> Iterator[str]:
    yield from printed(path.read_text(encoding="utf-8"))


def printed(template: str) -> Iterator[str]:
    """What a template prints: variables, and what the tags print that take values themselves."""
    for token in Lexer(template).tokenize():
        if token.token_type == TokenType.VAR:
            yield token.contents
        elif token.token_type == TokenType.BLOCK:
            tag, *parts = token.split_contents()
            if tag in PRINTING:
                given = (_BOUND.fullmatch(part) for part in parts)
                values = [
                    match[1] if match else part for match, part in zip(given, parts, strict=True)
                ]
                yield from (value for value in values if value[0] not in "\"'_")


def unsafe(template: str) -> list[str]:
    return [
        found
        for found in printed(template)
        if TELLING.search(found) and not SAFE.search(found) and found not in NOT_TELLING
    ]


@every("path", TEMPLATES, ids=lambda p: p.name)
def test_a01_no_template_shows_an_agents_text_past_inert(path: Path) -> None:
    assert unsafe(path.read_text(encoding="utf-8")) == []


@every("path", TEMPLATES, ids=lambda p: p.name)
def test_a60_no_template_takes_escaping_away(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("field.help_text|safe", "")
    assert not re.search(r"\|safe(seq)?\b|autoescape|\|urlize|\|linebreaks|\|striptags", text)


def untrusted_fields() -> list[str]:
    """Fields of the pages' data, by whatever module of the views, that hold foreign text."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(views.__path__, f"{views.__name__}.")
    ]
    return [
        field.name
        for module in modules
        for shape in vars(module).values()
        if is_dataclass(shape) and shape.__module__ == module.__name__
        for field in fields(shape)
        if field.name.endswith("_untrusted")
    ]


def test_house_5_6_one_suffix_marks_foreign_text_and_none_says_said() -> None:
    """`*_untrusted` is foreign text; the portal's own words come from `describe_*`, `format_*`."""
    places = [*sorted((ROOT / "remediation/views").rglob("*.py")), *TEMPLATES]
    places += sorted((ROOT / "remediation/templatetags").glob("*.py"))
    pattern = re.compile(r"\b(?!words__said)\w*_said\b")
    assert [path.name for path in places if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_the_rule_sees_what_it_is_for() -> None:
    """The control: every field that holds an agent's words is one that the rule would find."""
    untrusted = [f"row.{name}" for name in untrusted_fields()]
    assert len(untrusted) > 10
    assert all(TELLING.search(name) for name in untrusted)
    assert any(TELLING.search(found) for path in TEMPLATES for found in expressions(path))


def test_a01_a_sentence_for_translators_is_no_way_around() -> None:
    """The control for blocktranslate: what it binds is read like what stands in braces."""
    sentence = (
        "{% blocktranslate with who=row.actor{} trimmed %}by {{ who }}{% endblocktranslate %}"
    )
    assert unsafe(sentence.replace("{}", "")) == ["row.actor"]
    assert unsafe(sentence.replace("{}", "|inert")) == []
    assert unsafe("{% blocktranslate %}by {{ row.actor }}{% endblocktranslate %}") == ["row.actor"]
    assert unsafe("{% blocktranslate count n=row.reason %}a{% plural %}b{% endblocktranslate %}")
    assert unsafe("{% translate row.reason %}") == ["row.reason"]
    assert unsafe("{% translate 'reason' %}") == []


def test_a01_a_hostile_value_in_a_sentence_is_escaped_and_visible() -> None:
    hostile = "<script>alert(1)</script>%(who)s{{ 7|add:7 }}\u202e\n"
    bound = (
        "{% load i18n inert %}{% blocktranslate with who=actor|inert_line trimmed %}"
        "Halted by <b>{{ who }}</b>.{% endblocktranslate %}"
    )
    said = Template(bound).render(Context({"actor": hostile}))
    assert said.startswith("Halted by <b>&lt;script&gt;alert(1)&lt;/script&gt;%(who)s{{ 7|add:7 }}")
    assert "\u202e" not in said and "\n" not in said and "U+202E" in said
    # Without the filter it is escaped as every other value.
    plainly = "{% load i18n %}{% blocktranslate %}by {{ actor }}{% endblocktranslate %}"
    assert "<script>" not in Template(plainly).render(Context({"actor": hostile}))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func
            yield (
                (
                    name.attr
                    if isinstance(name, ast.Attribute)
                    else name.id
                    if isinstance(name, ast.Name)
                    else ""
                ),
                node,
            )


def users_of(*names: str) -> set[str]:
    return {
        str(path.relative_to(ROOT)) for path in CODE for name, _ in calls(path) if name in names
    }


def test_a60_html_is_made_in_three_places_from_constants_only() -> None:
    """`mark_safe` of anything but a constant of the icons would be a way around escaping."""
    assert users_of("mark_safe", "SafeString", "SafeText") == {"remediation/templatetags/portal.py"}


def test_a52_mails_are_made_in_two_places() -> None:
    """One sends what `domain/message.py` composed; the other holds no agent's text."""
    assert users_of("EmailMessage", "send_mail", "EmailMultiAlternatives", "mail_admins") == {
        "remediation/services/outbox/send.py",
        "audit/tasks.py",
    }
    assert users_of("by_mail", "by_apprise") == {"remediation/services/outbox/deliver.py"}
    text = (ROOT / "remediation/domain/message.py").read_text(encoding="utf-8")
    # Each use of what others wrote stands inside `inert`, or chooses what goes into it.
    assert re.findall(r"(?<!inert\.message\(subject\.)(?<!subject\.)\b\w+_untrusted", text) == [
        "title_untrusted",
        "locator_untrusted",
    ]


def test_a52_csv_is_written_in_one_place() -> None:
    assert users_of("writer", "DictWriter", "writerow") == {"audit/formats.py"}


def test_a52_every_log_handler_writes_single_lines_of_ascii() -> None:
    handlers, formatters = settings.LOGGING["handlers"], settings.LOGGING["formatters"]
    assert {handler["formatter"] for handler in handlers.values()} == {"line"}
    assert formatters == {"line": {"()": f"{OneLine.__module__}.{OneLine.__name__}"}}
    # Nobody prints past them, and nobody sets up another handler.
    # The command line prints to whoever typed it: help, its version, settings that are missing.
    assert users_of("print", "StreamHandler", "FileHandler", "SysLogHandler") <= {
        "hitlportal/command_line.py",
        # The operator's own words, or ours: keys and names of processes.
        "audit/keys.py",
        "hitlportal/health.py",
    }
    assert users_of("basicConfig") <= {"audit/witness_server.py"}


def test_unicode_tables_stand_in_one_place() -> None:
    """Whoever asks for categories neutralises text in a way of its own."""
    assert users_of("category", "combining") == {
        "audit/tlog/inert.py",
        # Compares names and never shows what comes out.
        "remediation/domain/checks/skeleton.py",
    }
    assert users_of("isprintable") <= {
        "audit/tlog/inert.py",
        # These compare, and show nothing of what they made.
        "remediation/domain/checks/injection.py",
        "remediation/domain/checks/skeleton.py",
        # Names that people give: refused, not changed.
        "remediation/services/reporting/agents.py",
        "remediation/services/people/enroll.py",
    }
