"""The required contents of a bundle are data; the log's code names no event of the product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit import formats, log
from audit.tlog import bundle, rules
from audit.tlog.errors import Mismatch, Missing
from audit.tlog.rules import Rules
from remediation.domain.events import Event
from remediation.management import bundle_rules
from tests.audit.tlog.case import case
from tests.domain import record

AUDIT = Path(rules.__file__).resolve().parents[1]
WORD = re.compile(r'"((?:agent|person|worker|operator|system):[a-z_]+:[a-z_]+)"')
# The log's own events: of its pages, commands and checks.
OWN = {
    "operator:audit:exported",
    "operator:log:reopened",
    "operator:log_key:rotated",
    "operator:secret:erased",
    "person:audit:exported",
    "person:audit:read",
    "person:request:refused",
    "system:log:broken",
    "system:log:verified",
}


def test_the_rules_file_is_up_to_date() -> None:
    """If this fails: run `python -m remediation.management.bundle_rules`."""
    assert bundle_rules.path().read_bytes() == bundle_rules.RULES.dump()
    assert rules.default() == bundle_rules.RULES == Rules.parse(bundle_rules.RULES.dump())


def test_the_code_of_the_log_names_no_event_of_the_product() -> None:
    said, domains = set(), set()
    for path in AUDIT.rglob("*.py"):
        text = path.read_text()
        said |= set(WORD.findall(text))
        if path.name != "bundle_form.py":  # its docstring has one as an example
            domains |= set(re.findall(r'"hitlportal/[a-z]+/v\d+"', text))
    assert said <= OWN
    assert domains == set()


def test_a_caller_may_give_rules_of_its_own() -> None:
    own = bundle_rules.RULES
    more = {**own.rests_on, "worker:notice:sent": "worker:notice:asked"}
    strict = Rules(own.cleared, own.proposed, own.named, own.erasable, more, own.writers)
    raw = case().dump()
    bundle.verify(raw, record.POLICY)
    with pytest.raises(Missing, match="worker:notice:asked"):
        bundle.verify(raw, record.POLICY, rules=strict)


def test_a_person_may_have_proposed_what_a_bundle_holds() -> None:
    """Older entries use `agent:` for both and still hold (`test_bundle`)."""
    bundle.verify(case("person:proposal:submitted").dump(), record.POLICY)
    with pytest.raises(Mismatch, match="about something else"):
        bundle.verify(case("worker:proposal:submitted").dump(), record.POLICY)


def test_the_vocabulary_gives_the_severity_of_each_event() -> None:
    assert {event: event.severity for event in Event if event.severity > 1} == {
        Event.SYSTEM_LOG_BROKEN: 5,
        Event.WORKER_PROPOSAL_REFUSED: 4,
        Event.WORKER_STEP_LATE: 4,
        Event.WORKER_INCIDENT_REOPENED: 4,
        Event.WORKER_PROPOSAL_STOPPED: 3,
        Event.WORKER_PROPOSAL_UNKNOWN: 3,
        Event.WORKER_WAIT_OVERDUE: 3,
        Event.WORKER_GATE_REFUSED: 3,
        Event.WORKER_CHANNEL_FAILED: 3,
        Event.WORKER_NOTICE_LOST: 3,
    }
    assert log.severity("worker:gate:refused") == 3
    assert log.severity("a:word:of yore") == 1
    said = b'{"action":"worker:proposal:refused","actor":"worker:w"}'
    assert formats.event(0, 1, said)["severity_id"] == 4
