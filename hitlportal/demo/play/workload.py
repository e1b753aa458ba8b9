"""(24) A workload is isolated after people saw that this cuts the payment path and a partner."""

from __future__ import annotations

from datetime import datetime

from hitlportal.demo.people.player import expect
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.workloads import OPERATOR, REPLICAS
from hitlportal.demo.story import SERVICES, WORKLOAD, WORKLOAD_LOCATOR

(DIRECT,) = (service for service in SERVICES if WORKLOAD_LOCATOR in service.needs)
(PARTNER,) = (service for service in SERVICES if DIRECT.name in service.needs)
LABEL = ("app.kubernetes.io/managed-by", "hitlportal")
BOTH = ["Ingress", "Egress"]


def check(scene: Scene) -> None:
    """Read the page, approve, and read the simulated cluster before and after."""
    workloads, report = scene.stack.workloads, scene.workload_report
    page = expect(scene.players["alice"].browser.get(f"/proposals/{report.proposal}/"), 200)
    marks = ("1 on the payment path", "1 external partner", "It reaches the payment path.")
    shown = [mark for mark in (*marks, DIRECT.name, PARTNER.name) if mark in page.text]
    ok = len(shown) == 5 and scene.record.reaches(report.proposal) == {DIRECT.name, PARTNER.name}
    what = f"the page says that isolating {WORKLOAD} cuts the payment path and a partner"
    scene.checks.line("24", ok, what, shown)
    before = workloads.pods()
    scene.players["alice"].decide(report.proposal, "approve")
    seen = workloads.policies(), workloads.changes()
    what = "after alice's approval alone the cluster is untouched (simulated)"
    scene.checks.equal("24", what, seen, ([], []))
    answer = scene.players["bob"].decide(report.proposal, "approve")
    scene.checks.equal("24", "bob approves, too", answer["resolution"], "approved")
    scene.reaches(report, "succeeded")
    _cut_off(scene, before)


def _cut_off(scene: Scene, before: list[tuple[str, dict[str, str], str]]) -> None:
    workloads, report = scene.stack.workloads, scene.workload_report
    state, policies = scene.record.state(report.proposal), workloads.policies()
    seen = [
        (one["spec"]["podSelector"]["matchLabels"], one["spec"]["policyTypes"])
        for one in policies
        if LABEL in one["metadata"]["labels"].items()
    ]
    what = "the cluster has the portal's policy, with its label, in both directions (simulated)"
    expected = [({"app": WORKLOAD}, BOTH)]
    scene.checks.equal("24", what, (state, seen, len(policies)), ("succeeded", expected, 1))
    pods = workloads.pods()
    kept = pods == before and [phase for _, _, phase in pods] == ["Running"] * REPLICAS
    what = "its pods are kept, with their labels, as evidence"
    scene.checks.line("24", kept, what, [name for name, _, _ in pods])
    changes = workloads.changes()
    after = scene.record.approved_at(report.proposal)
    late = all(datetime.fromisoformat(one["at"]) >= after.replace(microsecond=0) for one in changes)
    asked = [(one["who"].rpartition(":")[2], one["method"]) for one in changes]
    what = "by its own log one request changed something, after the last approval"
    scene.checks.line("24", late and asked == [(OPERATOR, "POST")], what, asked)
    what = "nobody can see from outside what the network lets through: not called contained"
    scene.checks.equal("24", what, scene.record.incident(report.proposal), "open")
