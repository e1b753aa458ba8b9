"""(1) irene hands real files to the inventory: first what would change, then exactly that."""

from __future__ import annotations

import re

from hitlportal.demo.inventory_files import ANOTHER_SHOP, IMPORTED, SHOP, Source
from hitlportal.demo.people.browser import Page, Unexpected
from hitlportal.demo.people.player import expect
from hitlportal.demo.play.scene import Scene

PAGE = "/admin/remediation/service/import/"
LEAD = re.compile(r'<p class="lead">(.*?)</p>', re.DOTALL)
NOTHING = "Nothing to do"


def check(scene: Scene) -> None:
    """Each source: looked at, confirmed, handed in again."""
    for source in IMPORTED:
        _imported(scene, source)
    before = scene.record.services()
    said = _summary(_look(scene, source := ANOTHER_SHOP))
    stayed = said.startswith("New: 19 services") and scene.record.services() == before
    scene.checks.line("1", stayed, f"{source.names} was looked at, and changed nothing", said)
    sent_to = scene.players["bob"].browser.get(PAGE).url.removeprefix(scene.stack.origin)
    what = "bob, who does not keep the inventory, is sent away from the page"
    scene.checks.line("1", not sent_to.startswith("/admin/"), what, sent_to)
    command = ("inventory_import", SHOP.format, *map(str, SHOP.files), "--cluster", SHOP.cluster)
    told = scene.as_operator(*command, process="web").strip().splitlines()[-1]
    what = "the operator's command finds nothing to change either"
    scene.checks.line("1", told.startswith(NOTHING), what, told)


def _imported(scene: Scene, source: Source) -> None:
    before = scene.record.services()
    page = _look(scene, source)
    said, digest = _summary(page), page.form_with("digest").fields["digest"]
    unchanged = scene.record.services() == before and said.startswith("New:")
    scene.checks.line("1", unchanged, f"{source.names}, a dry run", said)
    done = scene.players["irene"].browser.submit(page, page.form_with("digest"))
    entries = scene.record.about(f"import:{digest}")
    ok = done.status == 200 and entries > 0
    what = f"{source.names}, confirmed: on record under the digest that was shown"
    scene.checks.line("1", ok, what, f"{entries} entries")
    before = scene.record.services()
    said = _summary(_look(scene, source))
    ok = said.startswith(NOTHING) and scene.record.services() == before
    scene.checks.line("1", ok, f"{source.names}, handed in again", said)


def _look(scene: Scene, source: Source) -> Page:
    """The page that shows what these files would change."""
    browser = scene.players["irene"].browser
    page = expect(browser.get(PAGE), 200)
    typed = {"format": source.format, "cluster": source.cluster, "complete": "no"}
    form = page.form_with("cluster")
    return expect(browser.upload(page, form, "given", source.files, **typed), 200)


def _summary(page: Page) -> str:
    found = LEAD.search(page.text)
    if found is None:
        raise Unexpected(f"{page.url} says not what would change")
    return found[1].strip()
