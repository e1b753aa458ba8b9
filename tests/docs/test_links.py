"""Links between the documents resolve, including headings."""

from __future__ import annotations

import re

from tests.docs.pages import FENCE, ROOT, pages

LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_inside_the_repository_resolves() -> None:
    broken = []
    for page, text in pages().items():
        for link in LINK.findall(FENCE.sub("", text)):
            if link.startswith("https://"):
                continue
            path, _, anchor = link.partition("#")
            target = (ROOT / page).parent / path if path else ROOT / page
            if not target.exists():
                broken.append(f"{page}: {link}")
            elif anchor and anchor not in anchors(target.read_text("utf-8")):
                broken.append(f"{page}: {link} (no such heading)")
    assert not broken


def test_every_page_below_docs_is_linked_from_somewhere() -> None:
    linked = {
        ((ROOT / page).parent / link.partition("#")[0]).resolve()
        for page, text in pages().items()
        for link in LINK.findall(text)
        if not link.startswith("https://")
    }
    alone = [page for page in pages() if page.startswith("docs/") and ROOT / page not in linked]
    assert not alone


def test_the_readme_fits_on_two_screens_with_one_picture() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 110
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    assert (ROOT / picture).stat().st_size < 250_000
