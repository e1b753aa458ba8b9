"""Prechecks of a whole plan: each step on what the earlier ones would leave."""

from __future__ import annotations

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan, Step
from remediation.services.assessment.precheck import prechecks

ROLE = {"kind": "openbao.approle", "server": "main", "mount": "approle", "role": "orders"}
OLD = "84896a0c-1347-aa90-a4f6-aca8b7558780"
WAIT: Json = {"conditions": [], "person": True, "within_s": 60}
SERIAL = "11" * 10


def parsed(*steps: Json) -> Plan:
    value: Json = {
        "version": 2, "environment": "production", "order": "move_first", "steps": list(steps)
    }  # fmt: skip
    return plan.parse(value, protected=frozenset())


def step(action: str, target: Json, parameters: Json, **more: Json) -> dict[str, Json]:
    return {"action": action, "target": target, "parameters": parameters, **more}


def seen(made: Step, state: dict[str, Json], **shown: Json) -> dict[str, Observation | None]:
    return {made.target.locator: Observation(True, state, shown, False)}


def secret_ids(accessor: Json) -> dict[int, str]:
    made = parsed(
        step("openbao.approle.new_secret_id", ROLE, {"store": "files:orders/a"}, wait=WAIT),
        step("openbao.approle.destroy_secret_id", ROLE, {"accessor": accessor}),
    )
    state: dict[str, Json] = {"accessors": [OLD], "policies": ["default"], "bind_secret_id": True}
    return prechecks(made, seen(made.steps[0], state))


def test_a_step_may_work_on_what_an_earlier_one_makes() -> None:
    assert secret_ids({"made_by": 0, "name": "accessor"}) == {0: "", 1: ""}
    assert secret_ids(OLD) == {0: "", 1: ""}
    missing = secret_ids(OLD.replace("8", "9"))
    assert missing[0] == "" and "no secret id with this accessor" in missing[1]


def test_a_plan_that_waits_until_servers_show_a_new_certificate_may_revoke_the_old_one() -> None:
    """Servers show the old one when the dry run reads them: that refuses only a plan that does not
    wait for the new one."""
    conditions: Json = [{"condition": "served_new", "step": 0}]
    for wait, refused in (
        ({"conditions": conditions, "person": False, "within_s": 60}, False),
        (WAIT, True),
    ):
        issue = {"kind": "tls.certificate", "certificate": "orders"}
        revoke = {"kind": "tls.issued", "certificate": "orders", "serial": SERIAL}
        made = parsed(
            step("tls.certificate.issue", issue, {"store": "files:orders/tls"}, wait=wait),
            step("tls.issued.revoke", revoke, {}),
        )
        shown: dict[str, Json] = {
            "served_by": ["web1"],
            "unseen_servers": [],
            "crl_problem": "",
            "expires": "2099-01-01T00:00:00Z",
        }
        found = prechecks(made, seen(made.steps[1], {"revoked": False}, **shown))
        # The other target was not read.
        assert found.keys() == {1}
        assert ("still show it" in found[1]) is refused
        shown["unseen_servers"] = ["web2"]
        assert prechecks(made, seen(made.steps[1], {"revoked": False}, **shown))[1]


def test_a_step_on_a_target_that_is_not_there_is_left_to_another_check() -> None:
    made = parsed(
        step("openbao.approle.new_secret_id", ROLE, {"store": "files:orders/a"}, wait=WAIT),
        step("openbao.approle.destroy_secret_id", ROLE, {"accessor": OLD}),
    )
    locator = made.steps[0].target.locator
    assert prechecks(made, {locator: None}) == {}
    assert prechecks(made, {locator: Observation(False, {}, {}, False)}) == {}
