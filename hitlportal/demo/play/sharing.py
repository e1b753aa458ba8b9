"""(17) Two teams use one credential: one team's owner and security approve, and the worker runs it.

bob has no right on the other team's services.
"""

from __future__ import annotations

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
    rights = sorted(set(names) & scene.record.may_review("bob"))
    ok = set(names) <= reaches and rights == names[:1]
    what = f"{' and '.join(names)} use {SHARED}; bob decides for one of them"
    scene.checks.line("17", ok, what, rights)
    before = len(independent.changes_of_roles(stack.servers.target.log, OPERATOR))
    on_runs.approve(scene, report)
    scene.reaches(report, "succeeded")
    what = "alice for security and bob for his team approve; that is enough"
    scene.checks.equal("17", what, scene.record.state(report.proposal), "succeeded")
    asked = independent.changes_of_roles(stack.servers.target.log, OPERATOR)[before:]
    scene.checks.equal("17", "by the target's own log", asked, [("disable", SHARED)])
    refused = independent.login_refused(stack.ledger.dsn(SHARED))
    ok = "not permitted to log in" in refused
    what = f"who has the leaked password is refused as {SHARED}"
    scene.checks.line("17", ok, what, refused.rpartition("FATAL:  ")[2])
    seen = scene.record.incident(report.proposal)
    scene.checks.equal("17", "its incident", seen, "contained")
