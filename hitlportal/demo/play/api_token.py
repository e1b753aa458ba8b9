"""(23) A suspicious API token is revoked after people saw how critical its consumers are."""

from __future__ import annotations

from datetime import datetime

from hitlportal.demo.people.player import expect
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.issuer import REVOKE
from hitlportal.demo.story import CLIENT, REVOKED, SERVICES

(DIRECT,) = (service for service in SERVICES if REVOKED in service.needs)
NEXT = tuple(service.name for service in SERVICES if DIRECT.name in service.needs)


def check(scene: Scene) -> None:
    """Read the page, approve, and ask the provider before and after."""
    issuer, report = scene.stack.issuer, scene.token_report
    page = expect(scene.players["alice"].browser.get(f"/proposals/{report.proposal}/"), 200)
    reached = scene.record.reaches(report.proposal) == {DIRECT.name, *NEXT}
    ruled = f"It reaches a service of {DIRECT.criticality} criticality." in page.text
    what = f"the page says who uses the token of {CLIENT}, and how critical that is"
    marks = "none known on the payment path", "no external partner known"
    ok = reached and ruled and all(mark in page.text for mark in marks)
    scene.checks.line("23", ok, what, f"{DIRECT.name}: {DIRECT.criticality}; {', '.join(NEXT)}")
    scene.players["alice"].decide(report.proposal, "approve")
    seen = issuer.is_active(), len(issuer.provider.calls(REVOKE))
    what = "after alice's approval alone the token is active, and nobody asked to revoke it"
    scene.checks.equal("23", what, seen, (True, 0))
    answer = scene.players["bob"].decide(report.proposal, "approve")
    scene.checks.equal("23", "bob approves, too", answer["resolution"], "approved")
    scene.reaches(report, "succeeded")
    _revoked(scene)


def _revoked(scene: Scene) -> None:
    issuer, report = scene.stack.issuer, scene.token_report
    state = scene.record.state(report.proposal)
    what = "the provider's introspection says that the token is inactive"
    scene.checks.equal("23", what, (state, issuer.is_active()), ("succeeded", False))
    calls = issuer.provider.calls(REVOKE)
    after = scene.record.approved_at(report.proposal)
    late = all(datetime.fromisoformat(call["at"]) > after for call in calls)
    named = [call["token"] for call in calls] == [issuer.sha256]
    what = "by its own log it was asked once, after the last approval, about this token"
    scene.checks.line("23", named and late, what, [call["client"] for call in calls])
    contained = scene.comes_true(
        "the incident to be contained",
        lambda: scene.record.incident(report.proposal) == "contained",
    )
    scene.checks.line("23", contained, "its incident", scene.record.incident(report.proposal))
    quoted = scene.record.quoting(issuer.token)
    scene.checks.equal("23", "audit log entries that contain the token", quoted, 0)
