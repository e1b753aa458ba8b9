"""The demo's second agent: the portal accepts its reports, and they quote no password."""

from __future__ import annotations

import json

import pytest

from hitlportal.demo.play import leak_scanner
from hitlportal.demo.story import LEAKED
from remediation.domain import report
from remediation.domain.report import Report
from remediation.domain.secrets import detector

DSNS = {role: f"postgresql://{role}:{'x1y2' * 8}{n}@127.0.0.1:1/ledger" for n, role in
        enumerate(LEAKED)}  # fmt: skip
LOG = leak_scanner.build_log(DSNS)


def parsed(*, cites: bool = True) -> Report:
    body = leak_scanner.report(LOG, tuple(LEAKED), cites=cites)
    return report.parse(json.dumps(body).encode(), protected=frozenset())


def test_the_portals_detector_finds_every_password_in_the_log() -> None:
    found = [LOG[one.offset : one.end].decode() for one in detector.find(LOG).secrets]
    assert found == [dsn.split(":")[2].partition("@")[0] for dsn in DSNS.values()]


def test_the_plan_has_one_step_for_each_role_in_order() -> None:
    plan = parsed().plan
    assert plan is not None
    assert [step.target.fields["role"] for step in plan.steps] == list(LEAKED)


@pytest.mark.parametrize("cites", [True, False])
def test_its_texts_quote_no_password(cites: bool) -> None:
    body = leak_scanner.report(LOG, tuple(LEAKED), cites=cites)
    del body["evidence"]
    assert "x1y2" not in json.dumps(body)


def test_a_claim_cites_the_value_that_stands_there() -> None:
    entries = json.loads(LOG)["env"]
    for number, claim in enumerate(parsed().diagnosis.claims):
        (citation,) = claim.citations
        assert citation.pointer == f"/env/{number}/user"
        assert citation.value == entries[number]["user"]


def test_the_report_to_be_returned_has_no_citations() -> None:
    assert parsed(cites=False).diagnosis.claims == ()
