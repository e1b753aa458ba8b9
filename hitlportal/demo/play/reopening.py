"""(12) carol opens the exact statements that alice signed."""

from __future__ import annotations

from html import unescape

from hitlportal.demo.people.browser import Page
from hitlportal.demo.people.player import expect
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.story import MISSED_SERVICE
from remediation.domain.digest import Kind, digest

SECTIONS = ("plan", "diagnosis", "scope", "ruling", "pin", "checks")


def check(scene: Scene) -> None:
    """Check alice's approval of the corrected version, and the one that the correction voided."""
    counted, void = scene.key_report.proposal, scene.first_version.proposal
    # On the corrected version bob decided first (review 1); on the old version alice did.
    scopes = []
    for proposal, number, what in ((counted, 2, "approval"), (void, 1, "void approval")):
        page = expect(
            scene.players["carol"].browser.get(f"/proposals/{proposal}/reviews/{number}/"), 200
        )
        signed = scene.players["alice"].signed[proposal]
        found = digest(Kind.STATEMENT, page.text_of("statement-bytes").encode())
        what = f"alice's {what} of {proposal[:8]}: the statement shown is what her passkey signed"
        scene.checks.line("12", found == signed, what, f"{found[:16]}…")
        sections = [name for name in SECTIONS if _same(page, name)]
        what = "and each section shown has the digest in it: checks, pin and the others"
        scene.checks.equal("12", what, sections, list(SECTIONS))
        scopes.append(MISSED_SERVICE in page.text_of("bytes-scope"))
    what = f"the scope in the void one lacks {MISSED_SERVICE}, that in the other has it"
    scene.checks.equal("12", what, scopes, [True, False])


def _same(page: Page, name: str) -> bool:
    """Return whether the bytes on the page match the digest in the signed statement."""
    found = digest(Kind(name), page.text_of(f"bytes-{name}").encode())
    return f'"{name}":"{found}"' in unescape(page.text_of("statement-bytes"))
