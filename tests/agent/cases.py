"""The cases, their ground truth, and the agent's reports on them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import hitlportal.demo
from hitlportal.demo.agent.detect import Finding, detect
from hitlportal.demo.agent.reading import Reading, read
from hitlportal.demo.agent.report import reports

CASES = Path(hitlportal.demo.__file__).parent / "cases"
TRUTH = Path(__file__).parent / "ground_truth"
NAMES = sorted(path.stem for path in TRUTH.glob("*.json"))
ATTACKS = [name for name in NAMES if "benign" not in name]
ONE_RECORD_ATTACK = "stratus-persistence-iam-backdoor-user"
NOW = "2026-11-22T12:00:00Z"


@cache
def reading(name: str) -> Reading:
    """Return the case's records."""
    return read([CASES / name])


@cache
def findings(name: str) -> tuple[Finding, ...]:
    return tuple(detect(reading(name).records))


@cache
def reported(name: str) -> tuple[dict[str, Any], ...]:
    """Return the agent's reports, as the portal receives them."""
    made = reports(findings(name), "production", NOW)
    return tuple(json.loads(json.dumps(report)) for report in made)


@cache
def truth(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((TRUTH / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def steps(name: str) -> list[dict[str, Any]]:
    """Return every step that the agent proposes in the case."""
    return [
        step
        for report in reported(name)
        if "proposal" in report
        for step in report["proposal"]["plan"]["steps"]
    ]


def record(**members: Any) -> dict[str, Any]:
    """A made-up record of a made-up user, for rules that no case exercises."""
    base: dict[str, Any] = {
        "eventTime": "2026-01-01T10:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "GetUser",
        "eventType": "AwsApiCall",
        "sourceIPAddress": "198.51.100.7",
        "recipientAccountId": "000000000001",
        "userIdentity": {
            "type": "IAMUser",
            "accountId": "000000000001",
            "arn": "arn:aws:iam::000000000001:user/ada",
            "userName": "ada",
            "accessKeyId": "AKIA" + "EXAMPLEEXAMPLE01",
        },
    }
    return base | members
