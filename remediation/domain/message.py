"""A message to people: its subject and its lines, in the portal's words, inert for mail and chat.

Pure. Whatever agents or people wrote goes through `inert` here and nowhere else, so that no title
makes a link, a mention or a line of its own (docs/attacks.md A52).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from remediation.domain import inert
from remediation.domain.telling import About

NO_DECISION = "You cannot decide by replying to this message."
MAX_LINES = 60


@dataclass(frozen=True)
class Subject:
    """What a message is about; ``*_untrusted`` is quoted, the rest is the portal's."""

    title_untrusted: str
    # Of a proposal: one sentence for each step, from the plan's bytes.
    sentences: tuple[str, ...] = ()
    risk: str = ""
    environment: str = ""
    decide_by: datetime | None = None
    state: str = ""
    # Of an incident.
    locator_untrusted: str = ""


@dataclass(frozen=True)
class Message:
    """What goes out; ``key`` is the same each time that it is sent."""

    key: str
    subject: str
    body: str


def compose(
    key: str, about: About, subject: Subject, text: str, *, link: str, now: datetime
) -> Message:
    """Put a message together. ``text`` may quote people; by web it is quoted as a whole."""
    said = [inert.message(line) for line in text.split("\n")] if text else []
    if about.by_web:
        said = [f"> {line}" for line in said]
    first, rest = ([about.text], said) if about.text else (said[:1], said[1:])
    lines = [
        *first,
        "",
        *_facts(subject, now, to_decide=about.to_decide),
        f"{_opens(about)}: {link}",
        *(["", *rest[:MAX_LINES]] if rest else []),
        *([f"… and {len(rest) - MAX_LINES} more lines; see the page."] if rest[MAX_LINES:] else []),
        "",
        NO_DECISION,
    ]
    return Message(key, _headline(about, subject, now), "\n".join(lines) + "\n")


def describe_plan(sentences: Sequence[str]) -> str:
    """Describe a plan in one line: its first step, and how many follow."""
    if not sentences:
        return ""
    more = len(sentences) - 1
    tail = f" (and {more} more step{'' if more == 1 else 's'})" if more else ""
    return sentences[0].rstrip(".") + tail


def _headline(about: About, subject: Subject, now: datetime) -> str:
    """Return the subject: risk and minutes left first, because phones cut the end."""
    marks = [subject.risk.upper()] if subject.risk else []
    if about.to_decide and subject.decide_by is not None:
        marks.append(_left(subject.decide_by, now))
    what = describe_plan(subject.sentences) or subject.title_untrusted
    said = about.subject or subject.state.replace("_", " ")
    start = f"[hitlportal] {', '.join(marks)}: " if marks else "[hitlportal] "
    return f"{start}{inert.subject(_cut(what))}: {said}"


def _cut(text: str, most: int = 78) -> str:
    """Cut a long text between two words, visibly."""
    if len(text) <= most:
        return text
    words = text[:most].rpartition(" ")[0]
    return f"{words or text[:most]} …"


def _facts(subject: Subject, now: datetime, *, to_decide: bool) -> list[str]:
    lines = []
    if subject.sentences:
        lines.append(f"Plan: {inert.message(describe_plan(subject.sentences))}")
    if subject.risk:
        lines.append(f"Risk: {subject.risk}")
    if subject.environment:
        lines.append(f"Environment: {subject.environment}")
    if to_decide and subject.decide_by is not None:
        at = subject.decide_by.strftime("%H:%M")
        lines.append(f"Decide by: {at} UTC ({_left(subject.decide_by, now)})")
    if subject.title_untrusted:
        lines.append(f"Incident: {inert.message(subject.title_untrusted)}")
    if subject.locator_untrusted:
        lines.append(f"Identity: {inert.message(subject.locator_untrusted)}")
    return lines


def _left(deadline: datetime, now: datetime) -> str:
    minutes = int((deadline - now).total_seconds() // 60)
    if minutes < 1:
        return "less than a minute left"
    if minutes < 120:
        return f"{minutes} min left"
    return f"{minutes // 60} h left"


def _opens(about: About) -> str:
    return "Review and decide" if about.to_decide else "See"
