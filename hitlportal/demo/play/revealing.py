"""(5) Passwords in a build log: masked for everybody; revealing them needs a role and a reason."""

from __future__ import annotations

from hashlib import sha256

from hitlportal.demo.people.browser import Page
from hitlportal.demo.play import leak_scanner
from hitlportal.demo.play.scene import Scene

WHY = "To see which of the three logins were printed whole."
REVEALED = "person:evidence:revealed"


def check(scene: Scene) -> None:
    """Check that the log's passwords, which are valid, appear nowhere except to alice."""
    report = scene.leak_report
    artefact = sha256(leak_scanner.build_log(scene.stack.ledger.leaked())).hexdigest()
    place = f"/proposals/{report.proposal}/evidence/{artefact}/"
    alice, bob = scene.players["alice"].browser, scene.players["bob"].browser
    pages = (alice.get(place), bob.get(place), alice.get(f"/proposals/{report.proposal}/"))
    shown = sum(_passwords(scene, page) for page in pages)
    masked = "3 secrets" in pages[0].text and shown == 0
    what = "three passwords in the evidence are masked, for alice, too"
    scene.checks.line("5", masked, what, f"{shown} shown on {len(pages)} pages")

    page = scene.players["bob"].fill_unseen(place, f"{place}reveal/", reason=WHY)
    answer = (page.status, "not_entitled" in page.text, _passwords(scene, page))
    scene.checks.equal("5", "bob may not reveal them", answer, (403, True, 0))
    before = _entries(scene)
    page = scene.players["alice"].fill_signed(place, f"{place}reveal/", reason=WHY)
    status, passwords = page.status, _passwords(scene, page)
    scene.checks.equal(
        "5", "alice, in the security role, may reveal them", (status, passwords), (200, 3)
    )
    what = "her access and its reason are recorded"
    scene.checks.equal("5", what, [*before, *_entries(scene)], [WHY])
    refused = scene.record.refusals(report.proposal)
    scene.checks.equal("5", "and so is bob's refusal", refused, ["not_entitled"])
    shown = _passwords(scene, alice.get(place))
    scene.checks.equal("5", "when the page is loaded again, they are masked again", shown, 0)
    quoted = sum(scene.record.quoting(password) for password in _all(scene))
    scene.checks.equal("5", "audit log entries that contain one of them", quoted, 0)


def _all(scene: Scene) -> list[str]:
    ledger = scene.stack.ledger
    return [ledger.password(role) for role in ledger.leaked()]


def _passwords(scene: Scene, page: Page) -> int:
    """Return how many of the passwords a page shows."""
    return sum(password in page.text for password in _all(scene))


def _entries(scene: Scene) -> list[str]:
    incident = scene.record.incident_id(scene.leak_report.proposal)
    found = scene.record.entry_data(REVEALED, f"incident:{incident}")
    return [str(entry["data"]["reason"]) for entry in found]
