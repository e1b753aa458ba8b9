"""What every page keeps, whatever it shows; which pages there are, the URLconf says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.template.base import Template

from remediation import views
from tests.flows.world import World
from tests.views import walk
from tests.views.walk import Page

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

VIEWS = Path(views.__path__[0])
TEMPLATES = VIEWS.parent / "templates" / "remediation"
# Of the page itself: a drawing has titles too.
TITLE = re.compile(r"<title>(.*?)</title>(?=.*<body)", re.DOTALL)
# What a folder of a page holds, whatever else only that page needs.
NAMES = {"__init__.py", "views.py", "presenter.py", "page.py"}


@pytest.fixture
def found(world: World) -> list[Page]:
    proposal = walk.decided_by_one(world)
    return walk.pages(walk.values_of(proposal), walk.people(world))


def test_every_page_says_what_it_is(found: list[Page]) -> None:
    """A title of its own, one heading, nothing hidden (WCAG 2.4.2, 2.4.6; docs/attacks.md A01)."""
    whole = [page for page in found if not page.part]
    assert len(whole) > 12
    assert {"review_rail", "execution_progress"} <= {page.name for page in found if page.part}
    titles = {page.name: TITLE.findall(page.html) for page in whole}
    assert {name: t for name, t in titles.items() if len(t) != 1} == {}
    said = {name: " ".join(t[0].split()) for name, t in titles.items()}
    assert {n: t for n, t in said.items() if not re.fullmatch(r"\S.* · hitlportal", t)} == {}
    assert len(set(said.values())) == len(said), "two pages have the same title"
    assert {p.name for p in whole if len(re.findall(r"<h1\b", p.html)) != 1} == set()
    assert walk.complaints(found, lambda page: walk.hidden_in(page.html)) == []


def test_no_template_queries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template gets finished data: what it shows is what its presenter read."""
    proposal = walk.decided_by_one(world)
    asked: list[str] = []
    rendering: Callable[..., Any] = Template._render  # type: ignore[attr-defined]

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    def watched(template: Any, context: Any) -> Any:
        with (
            connections["default"].execute_wrapper(note),
            connections["auditor"].execute_wrapper(note),
        ):
            return rendering(template, context)

    monkeypatch.setattr(Template, "_render", watched)
    opened: list[str] = []

    def tell(page: Page) -> list[str]:
        opened.append(page.name)
        return []

    walk.complaints(walk.pages(walk.values_of(proposal), walk.people(world)), tell)
    assert len(opened) > 12
    assert asked == []


def folders() -> list[Path]:
    return sorted(
        path
        for path in VIEWS.iterdir()
        if path.is_dir() and path.name not in ("cards", "__pycache__")
    )


@pytest.mark.parametrize("folder", folders(), ids=lambda path: path.name)
def test_every_page_has_the_same_names(folder: Path) -> None:
    """Views speak HTTP, a presenter reads rows, the page's data is plain."""
    assert {path.name for path in folder.glob("*.py")} >= NAMES
    assert (TEMPLATES / folder.name / "page.html").is_file()
    page = (folder / "page.py").read_text(encoding="utf-8")
    assert "@dataclass(frozen=True" in page
    assert not re.search(r"\.objects\b|django\.http|django\.shortcuts", page)
    presenter = (folder / "presenter.py").read_text(encoding="utf-8")
    assert not re.search(r"HttpResponse|django\.shortcuts", presenter)
    assert ".objects" not in (folder / "views.py").read_text(encoding="utf-8").replace(
        # For auditors, through their own login.
        "IncidentEntry.objects.using(records.ALIAS)", "",
    )  # fmt: skip
