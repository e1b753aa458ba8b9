"""What a page says to people, piece by piece, and what it says to machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
# Exact bytes, commands, times and keys are the same in every language.
DATA = frozenset({"code", "kbd", "pre", "samp", "script", "style", "time", "textarea"})
# Locators, digests, names of actions (theme.css).
MACHINE = frozenset({"mono", "digest"})
SAID = ("title", "aria-label", "placeholder", "alt", "data-label", "label")
# Attributes that differ between languages, or between two requests, by their nature.
CHANGING = frozenset({*SAID, "lang", "dir", "data-now", "data-filter-title", "hx-headers"})


@dataclass
class Element:
    tag: str
    said: bool  # its text is for people, in the page's language
    template: bool


@dataclass
class Reader(HTMLParser):
    """Reads a page in a language. `said` is for people; `told` are the attributes for machines."""

    language: str
    said: list[tuple[str, str]] = field(default_factory=list)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # placeholders that nothing filled
    language_of_page: tuple[str, str] = ("", "")
    stack: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack.append(Element("", True, False))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language_of_page = (given.get("lang", ""), given.get("dir", ""))
        element = Element(
            tag, self._is_said(tag, given), self.stack[-1].template or tag == "template"
        )
        if element.said or "lang" not in given:
            self._attributes(tag, given, self.stack[-1].said and element.said)
        for name, value in given.items():
            submit = tag == "input" and given.get("type") == "submit" and name == "value"
            token = given.get("name") == "csrfmiddlewaretoken"
            if name not in CHANGING and not submit and not token:
                self.told.append((tag, name, value))
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while len(self.stack) > 1:
            if self.stack.pop().tag == tag:
                break

    def handle_data(self, data: str) -> None:
        here = self.stack[-1]
        if here.said and data.strip():
            self.said.append((here.tag, " ".join(data.split())))
        if "%(" in data and here.said:
            self.left.append(data.strip())

    def _is_said(self, tag: str, given: dict[str, str]) -> bool:
        if tag in DATA or given.get("translate") == "no":
            return False
        if MACHINE & set(given.get("class", "").split()):
            return False
        if "lang" in given:
            return given["lang"] == self.language
        return self.stack[-1].said

    def _attributes(self, tag: str, given: dict[str, str], said: bool) -> None:
        if not said:
            return
        for name in SAID:
            if given.get(name):
                self.said.append((f"{tag}[{name}]", given[name]))
        if tag == "input" and given.get("type") in ("submit", "button", "reset"):
            self.said.append(("input[value]", given.get("value", "")))


def read(html: str, language: str) -> Reader:
    reader = Reader(language)
    reader.feed(html)
    reader.close()
    return reader
