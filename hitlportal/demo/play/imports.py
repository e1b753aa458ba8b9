"""(1) irene imports real files into the inventory: a preview first, then exactly its changes."""

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
    """Preview, confirm and repeat the import of each source."""
    for source in IMPORTED:
        _imported(scene, source)
    before = scene.record.services()
    summary = _summary(_look(scene, source := ANOTHER_SHOP))
    stayed = summary.startswith("New: 19 services") and scene.record.services() == before
    scene.checks.line("1", stayed, f"{source.names}: the preview changed nothing", summary)
    refused = scene.players["bob"].browser.get(PAGE).status
    what = "bob, who may not edit the inventory, is refused the page"
    scene.checks.equal("1", what, refused, 403)
    command = ("inventory_import", SHOP.format, *map(str, SHOP.files), "--cluster", SHOP.cluster)
    output = scene.as_operator(*command, process="web").strip().splitlines()[-1]
    what = "the operator's command finds nothing to change either"
    scene.checks.line("1", output.startswith(NOTHING), what, output)


def _imported(scene: Scene, source: Source) -> None:
    before = scene.record.services()
    page = _look(scene, source)
    summary, digest = _summary(page), page.form_with("digest").fields["digest"]
    unchanged = scene.record.services() == before and summary.startswith("New:")
    scene.checks.line("1", unchanged, f"{source.names}, a dry run", summary)
    done = scene.players["irene"].browser.submit(page, page.form_with("digest"))
    entries = scene.record.about(f"import:{digest}")
    ok = done.status == 200 and entries > 0
    what = f"{source.names}, confirmed: recorded with the digest that was shown"
    scene.checks.line("1", ok, what, f"{entries} entries")
    before = scene.record.services()
    summary = _summary(_look(scene, source))
    ok = summary.startswith(NOTHING) and scene.record.services() == before
    scene.checks.line("1", ok, f"{source.names}, imported again", summary)


def _look(scene: Scene, source: Source) -> Page:
    """Return the page that shows what these files would change."""
    browser = scene.players["irene"].browser
    page = expect(browser.get(PAGE), 200)
    typed = {"format": source.format, "cluster": source.cluster, "complete": "no"}
    form = page.form_with("cluster")
    return expect(browser.upload(page, form, "given", source.files, **typed), 200)


def _summary(page: Page) -> str:
    found = LEAD.search(page.text)
    if found is None:
        raise Unexpected(f"{page.url} does not show what would change")
    return found[1].strip()
