"""Fold long texts: their beginning is shown, and the whole of them is one click away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from remediation.domain import inert

# Characters and lines of a folded text, as they are drawn: a hidden character takes eight.
MOST, LINES = 220, 4
# A text that is only a little longer is shown whole.
SLACK = 40


@dataclass(frozen=True)
class Folded:
    """A text with the beginning that is shown while it is folded."""

    whole_untrusted: str
    most: int = MOST
    lines: int = LINES

    @cached_property
    def start_untrusted(self) -> str:
        """Return the beginning; empty when the whole text is shown."""
        text, drawn, lines = self.whole_untrusted, 0, 1
        for at, character in enumerate(text):
            drawn += _drawn(character)
            lines += character == "\n"
            if lines > self.lines or drawn > self.most:
                short = lines <= self.lines and len(text) - at <= SLACK
                return "" if short and _short(text[at:]) else text[:at] or text[:1]
        return ""

    @property
    def more(self) -> int:
        """Return how many characters are folded."""
        return len(self.whole_untrusted) - len(self.start_untrusted)


def _short(rest: str) -> bool:
    return "\n" not in rest and sum(map(_drawn, rest)) <= SLACK


def _drawn(character: str) -> int:
    """Return how many characters are drawn for it."""
    return 1 if " " <= character <= "~" else len(inert.visible(character))


def fold(text: str, most: int = MOST, lines: int = LINES) -> Folded:
    """Return the text with the beginning to show."""
    return Folded(text, most, lines)
