"""Beyond the labelled set: one true and one false claim on each record of the cases.

The sentences are generated, so this measures reading records, not language. All records are
real, and most were not used to write the checks.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from remediation.domain.checks import Outcome, run
from tests.agent.cases import ATTACKS
from tests.checks.records import INVICTUS, Body, case
from tests.checks.tale import Tale, aws, key

# Sample the large case, so that the test stays short.
EVERY = 12


def records() -> list[Body]:
    """Yield records with a user's own access key."""
    found: list[Body] = []
    for name in ATTACKS:
        all_of_it = case(name.removeprefix("stratus-"))
        mine = [r for r in all_of_it if _is_users(r)]
        found += mine[::EVERY] if name == INVICTUS else mine
    return found


def _is_users(record: Body) -> bool:
    who = record.get("userIdentity", {})
    return str(who.get("accessKeyId", "")).startswith("AKIA") and "userName" in who


def said(record: Body, **changes: Any) -> str:
    told = {
        "event": record["eventName"],
        "how": "was refused" if record.get("errorCode") else "was made",
        "key": key(record)["access_key_id"],
        "at": record["eventTime"],
        "address": record["sourceIPAddress"],
        "region": record["awsRegion"],
        **changes,
    }
    return "{event} {how} with key {key} at {at}, from {address} in {region}.".format(**told)


def names(tale: Tale) -> set[str]:
    return {check.name for check in run(tale.given()) if check.outcome is not Outcome.PASS}


def test_true_claims_pass_and_every_false_one_is_found() -> None:
    lies: list[tuple[dict[str, str], str]] = [
        ({"event": "DeleteDBCluster"}, "claim_not_in_evidence"),
        ({"key": "AKIAFALSE00000000000"}, "claim_not_in_evidence"),
        ({"at": "2022-02-02T02:02:02Z"}, "claim_not_in_evidence"),
        ({"address": "198.51.100.77"}, "claim_not_in_evidence"),
        ({"region": "sa-east-9"}, "place_and_time_mismatch"),
    ]
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    all_of_them = records()
    for record in all_of_it(all_of_them):
        honest = {"telemetry_switched_off", "sibling_credential", "sessions_left_open"}
        wrong.update(names(aws([record], [key(record)], [(said(record), [0])])) - honest)
        for lie, check in lies:
            found = names(aws([record], [key(record)], [(said(record, **lie), [0])]))
            missed.update([] if check in found else [f"{check} {sorted(lie)}"])
    assert len(all_of_them) > 200
    assert not wrong
    assert not missed


def all_of_it(found: list[Body]) -> list[Body]:
    """Each kind of call of each key once: repetitions add nothing."""
    return list({(r["eventName"], key(r)["access_key_id"]): r for r in found}.values())
