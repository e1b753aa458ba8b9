"""Read the documents: their texts and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A command in `code` inside a sentence or a table begins with one of these words.
INLINE = re.compile(r"`((?:hitlportal|hitlportal-as|make|python3?|\.ci/run) [^`]+|\.ci/run)`")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command as a reader types it."""

    page: str
    text: str
    # Mentioned in a sentence, where it may omit arguments that the command needs.
    mentioned: bool = False

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def pages() -> dict[str, str]:
    """Return the text of every document by its path from the root of the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(found)}


def commands() -> Iterator[Command]:
    """Yield every command of a fenced `sh` block, and every inline one."""
    for page, text in pages().items():
        for language, block in FENCE.findall(text):
            if language == "sh":
                for line in block.replace("\\\n", " ").splitlines():
                    if line.strip() and not line.lstrip().startswith("#"):
                        yield Command(page, line.strip())
        for code in INLINE.findall(FENCE.sub("", text)):
            yield Command(page, " ".join(code.split()), mentioned=page != "docs/commands.md")
