"""(18) Two teams use one credential: one team's owner and security approve, and the worker runs it.

bob has no right on the other team's services.
"""

from __future__ import annotations

from hitlportal.demo.people.player import expect
from hitlportal.demo.play import independent, on_runs
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import SERVICES, SHARED, SHARED_LOCATOR

USERS = tuple(service for service in SERVICES if SHARED_LOCATOR in service.needs)


def check(scene: Scene) -> None:
    """Approve frank's plan, and check the effect at the target."""
    report, stack = scene.plan_report, scene.stack
    reaches = scene.record.reaches(report.proposal)
    names = [service.name for service in USERS]
    rights = [name for name in names if _may_bob_decide(scene, name)]
    ok = set(names) <= reaches and rights == names[:1]
    what = f"{' and '.join(names)} use {SHARED}; bob may decide for one of them"
    scene.checks.line("18", ok, what, rights)
    before = len(independent.changes_of_roles(stack.servers.target.log, OPERATOR))
    on_runs.approve(scene, report)
    scene.reaches(report, "succeeded")
    what = "alice for security and bob for his team approve; that is enough"
    scene.checks.equal("18", what, scene.record.state(report.proposal), "succeeded")
    changes = independent.changes_of_roles(stack.servers.target.log, OPERATOR)[before:]
    asked = [f"{verb} {role}" for verb, role in changes]
    scene.checks.equal("18", "by the target's own log", asked, [f"disable {SHARED}"])
    refused = independent.login_refused(stack.ledger.dsn(SHARED))
    ok = "not permitted to log in" in refused
    what = f"who has the leaked password is refused as {SHARED}"
    scene.checks.line("18", ok, what, refused.rpartition("FATAL:  ")[2])
    seen = scene.record.incident(report.proposal)
    scene.checks.equal("18", "its incident", seen, "contained")


def _may_bob_decide(scene: Scene, service: str) -> bool:
    """Return whether the page of who can decide for the service names bob; carol reads it."""
    page = f"/who/services/{scene.record.service_id(service)}/"
    return ">bob</a>" in expect(scene.players["carol"].browser.get(page), 200).text
