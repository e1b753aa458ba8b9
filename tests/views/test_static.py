"""What can be said of templates and styles without running them: inert pages, readable colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

from tests.every import every

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [
    ROOT / "hitlportal" / "templates",
    ROOT / "remediation" / "templates",
    ROOT / "audit" / "templates",
]
TEMPLATES = sorted(
    (path, path.relative_to(folder)) for folder in FOLDERS for path in folder.rglob("*.html")
)
STATIC = ROOT / "hitlportal" / "static" / "hitlportal"

# WCAG 2.2, 1.4.3: text; 1.4.11: borders of controls and icons.
TEXT, GRAPHIC = 4.5, 3.0
PAIRS = [
    *[(ink, paper, TEXT) for ink in ("fg", "muted", "accent-text") for paper in
      ("bg", "surface", "inset", "hover")],
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-hover", TEXT),
    ("on-bad", "bad", TEXT),
    ("accent-text", "accent-soft", TEXT),
    *[(tone, f"{tone}-soft", TEXT) for tone in ("ok", "warn", "bad", "agent")],
    *[(tone, paper, TEXT) for tone in ("ok", "warn", "bad") for paper in
      ("bg", "surface", "inset")],
    *[("fg", f"{tone}-soft", TEXT) for tone in ("ok", "warn", "bad", "agent", "accent")],
    *[("muted", f"{tone}-soft", TEXT) for tone in ("bad", "agent")],
    *[(line, paper, GRAPHIC) for line in ("line-strong", "focus") for paper in
      ("bg", "surface", "inset")],
]  # fmt: skip


@every("path", [path for path, _ in TEMPLATES], ids=lambda p: p.name)
def test_a_template_holds_no_script_style_or_foreign_address(path: Path) -> None:
    """The Content-Security-Policy would block it; a page must not even try."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"<style", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(?:https?:)?//[a-z]|\bdata:|javascript:", text)
    assert "|safe" not in text.replace("field.help_text|safe", "")


@every("name", [str(name) for _, name in TEMPLATES])
def test_a_template_compiles(name: str) -> None:
    get_template(name)


@pytest.mark.parametrize("name", ["*.css", "*.js", "*.svg"])
def test_static_files_ask_for_nothing_outside(name: str) -> None:
    for path in STATIC.glob(name):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|\bdata:|\beval\(|innerHTML", text), path.name


@every("theme", ["light", "dark", "print"])
@every(("ink", "paper", "least"), PAIRS)
def test_colours_can_be_read(theme: str, ink: str, paper: str, least: float) -> None:
    colours = themes()[theme]
    assert contrast(colours[ink], colours[paper]) >= least


def themes() -> dict[str, dict[str, str]]:
    text = (STATIC / "tokens.css").read_text(encoding="utf-8")
    light, printed = text.split("@media print")
    dark = (STATIC / "tokens_dark.css").read_text(encoding="utf-8")
    base = tokens(light)
    return {
        "light": base,
        "dark": {**base, **tokens(dark)},
        "print": {**base, **tokens(printed)},
    }


def tokens(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
