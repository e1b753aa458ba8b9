"""On every real case the agent reports the right identities and keys, and no others."""

from __future__ import annotations

import json
import re
from typing import Any

from hitlportal.demo.agent.detect import detect
from hitlportal.demo.agent.reading import read
from hitlportal.demo.agent.report import reports
from tests.agent.cases import ATTACKS, CASES, NAMES, NOW, reading, reported, steps, truth
from tests.every import every

KEY_ID = re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b")


def test_all_cases_are_here() -> None:
    folders = {path.name for path in CASES.iterdir() if path.is_dir() and path.name != "LICENSES"}
    assert folders == set(NAMES)
    assert len(ATTACKS) == 21


def test_every_record_of_the_cases_is_read() -> None:
    for name in NAMES:
        assert reading(name).problems == []
        expected = truth(name)["events_total"]
        if name.startswith("panther"):  # its total includes other logs
            expected = sum(len(_logs(path.name)) for path in (CASES / name).glob("*cloudtrail*"))
        read_now = len(reading(name).records)
        assert read_now == expected, name


def _logs(file: str) -> list[str]:
    text = (CASES / "panther-compromised-root-creds" / file).read_text(encoding="utf-8")
    return re.findall(r"^    eventName:", text, re.MULTILINE)


def is_compromised(identity: dict[str, Any], name: str) -> bool:
    """Return whether the ground truth names the identity as compromised or made by the attacker."""
    known = truth(name)
    if name.startswith("panther"):
        malicious = {key.split()[0] for key in known["malicious_access_keys"]}
        is_root = identity["kind"] == "aws.iam.root" and identity["account"] == known["account"]
        return is_root or identity.get("access_key_id") in malicious
    for principal in known["compromised_principals"]:
        if identity.get("access_key_id", "-") == principal["access_key_id"]:
            return True
        if "user" in identity and principal["arn"].endswith(f":user/{identity['user']}"):
            return True
        issuer = principal["session_issuer_role_arn"] or ""
        if "role" in identity and issuer.endswith(f"/{identity['role']}"):
            return True
    return False


@every("name", ATTACKS)
def test_it_names_compromised_identities_and_nobody_else(name: str) -> None:
    identities = [report["incident"]["identity"] for report in reported(name)]
    assert identities
    assert all(is_compromised(identity, name) for identity in identities), identities


@every("name", ATTACKS)
def test_it_deactivates_exactly_the_keys_that_are_right(name: str) -> None:
    right = {
        item["target"]
        for item in truth(name)["containment"]["right"]
        if item["action"] == "deactivate_access_key"
    }
    assert {step["action"] for step in steps(name)} <= {"aws.iam.deactivate_access_key"}
    assert {step["target"]["access_key_id"] for step in steps(name)} == right


@every("name", NAMES)
def test_it_proposes_no_wrong_step(name: str) -> None:
    for wrong in truth(name)["containment"].get("wrong", []):
        said = f"{wrong['target']} {wrong['why']}"
        forbidden_keys = set(KEY_ID.findall(said))
        forbidden_users = set(re.findall(r"user/([\w.-]+)", said)) | {wrong["target"].split()[0]}
        for step in steps(name):
            assert step["target"]["access_key_id"] not in forbidden_keys
            assert step["target"]["user"] not in forbidden_users
            assert step["target"]["access_key_id"].startswith("AKIA")


def test_keys_that_the_intruder_made_go_first() -> None:
    name = "stratus-persistence-iam-backdoor-user"
    made = {key["access_key_id"] for key in truth(name)["attacker_created"]}
    assert [step["target"]["access_key_id"] in made for step in steps(name)] == [True, False]


def test_it_reports_nothing_where_only_aws_acted() -> None:
    assert reported("invictus-benign-aws-service-calls") == ()


def test_it_reports_nothing_for_legitimate_root_sign_ins_alone() -> None:
    victim = read([CASES / "panther-compromised-root-creds" / "victim_cloudtrail.yml"])
    assert len(victim.records) == 4
    assert detect(victim.records) == []


def test_an_incident_without_a_suitable_action_is_reported_without_a_proposal() -> None:
    (console,) = reported("stratus-initial-access-console-login-without-mfa")
    assert "proposal" not in console
    assert "no action" in console["diagnosis"]["summary"]
    with_plan, root = reported("panther-compromised-root-creds")
    assert "proposal" in with_plan
    assert "proposal" not in root
    assert root["incident"]["identity"]["kind"] == "aws.iam.root"


def test_the_side_effect_on_legitimate_sessions_is_reported() -> None:
    (report,) = reported("invictus-account-stream-1")
    (trap,) = truth("invictus-account-stream-1")["containment"]["traps"]
    rightful = KEY_ID.findall(trap)[0]
    assert rightful in report["diagnosis"]["summary"]
    assert rightful not in {step["target"]["access_key_id"] for step in steps(NAMES[0])}


@every("name", NAMES)
def test_the_same_records_give_the_same_bytes(name: str) -> None:
    again = reports(detect(read([CASES / name]).records), "production", NOW)
    assert json.dumps(again) == json.dumps(list(reported(name)))


def test_order_and_repetition_of_files_do_not_matter() -> None:
    folder = CASES / "invictus-account-stream-1" / "cloudtrail"
    files = sorted(folder.iterdir(), reverse=True)
    again = reports(detect(read([*files, files[0]]).records), "production", NOW)
    assert json.dumps(again) == json.dumps(list(reported("invictus-account-stream-1")))
