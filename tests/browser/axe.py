"""axe-core on the page that a visitor has open."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

from tests.browser.chromium import Visitor

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(visitor: Visitor) -> list[str]:
    """One line for each element and rule."""
    before = list(visitor.complaints)
    # Without resultTypes axe describes every element that passes: twice the time.
    # What it fetches before it begins is for rules about media, which no page has, and for
    # experimental ones: half of the time.
    options = {
        "runOnly": {"type": "tag", "values": RULES},
        "resultTypes": ["violations"],
        "preload": False,
    }
    found: dict[str, Any] = Axe().run(visitor.page, options=options).response
    # axe measures with inline styles, which our policy blocks: that is its complaint, not ours.
    visitor.complaints[:] = before
    return [
        f"{rule['id']}: {node['html'][:160]} {node['any'][:1] and node['any'][0]['message']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
