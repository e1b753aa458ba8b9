"""`python -m remediation.management.bundle_rules`: write what a bundle must hold for the verifier.

`audit.tlog` checks bundles with the standard library alone and knows no word of this product; it
reads them from `audit/tlog/rules.json`. A test compares that file with these rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from audit.tlog import rules
from audit.tlog.rules import Rules
from remediation.domain.digest import Kind, domain
from remediation.domain.events import PROPOSED, Event
from remediation.domain.writers import WRITERS


def _digests(kinds: Iterable[Kind], prefix: str = "") -> Mapping[str, str]:
    return {f"{prefix}{kind}": domain(kind) for kind in kinds}


_ASSESSED = (Kind.PIN, Kind.SCOPE, Kind.CHECKS, Kind.RULING, Kind.OBSERVATION)
_SIGNED = (Kind.PLAN, Kind.DIAGNOSIS, Kind.SCOPE, Kind.RULING, Kind.PIN, Kind.CHECKS)

RULES = Rules(
    cleared=Event.WORKER_GATE_CLEARED.value,
    proposed=tuple(event.value for event in PROPOSED),
    named={
        Event.AGENT_REPORT_SUBMITTED.value: {**_digests([Kind.DIAGNOSIS]), "evidence": ""},
        **{event.value: _digests([Kind.PLAN, Kind.DIAGNOSIS]) for event in PROPOSED},
        Event.PERSON_DIAGNOSIS_CORRECTED.value: _digests([Kind.DIAGNOSIS]),
        Event.WORKER_PROPOSAL_ASSESSED.value: {**_digests(_ASSESSED), "facts": ""},
        Event.PERSON_REVIEW_SIGNED.value: _digests(_SIGNED, "statement."),
        Event.PERSON_PLAN_NARROWED.value: {
            **_digests(_SIGNED, "statement."),
            "statement.narrowed": domain(Kind.PLAN),
        },
        Event.WORKER_GATE_CLEARED.value: {"evidence": ""},
    },
    erasable=(Event.AGENT_REPORT_SUBMITTED.value, "evidence"),
    rests_on={
        word.value: other.value
        for word, other in {
            Event.AGENT_REPORT_SUBMITTED: Event.AGENT_INCIDENT_OPENED,
            Event.PERSON_PROPOSAL_APPROVED: Event.PERSON_REVIEW_SIGNED,
            Event.WORKER_PROPOSAL_REJECTED: Event.PERSON_REVIEW_SIGNED,
            Event.WORKER_PROPOSAL_RETURNED: Event.PERSON_REVIEW_SIGNED,
            Event.WORKER_GATE_CLEARED: Event.PERSON_PROPOSAL_APPROVED,
            Event.WORKER_PROPOSAL_EXECUTING: Event.WORKER_GATE_CLEARED,
            Event.WORKER_STEP_RECORDED: Event.WORKER_PROPOSAL_EXECUTING,
            Event.PERSON_EXECUTION_HALTED: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_HALT_VERIFIED: Event.PERSON_EXECUTION_HALTED,
            Event.PERSON_RUN_SETTLED: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_SETTLEMENT_VERIFIED: Event.PERSON_RUN_SETTLED,
            Event.WORKER_WAIT_BEGUN: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_PROPOSAL_WAITING: Event.WORKER_WAIT_BEGUN,
            Event.WORKER_WAIT_LOOKED: Event.WORKER_PROPOSAL_WAITING,
            Event.WORKER_WAIT_OVERDUE: Event.WORKER_PROPOSAL_WAITING,
            Event.PERSON_WAIT_ANSWERED: Event.WORKER_PROPOSAL_WAITING,
            Event.WORKER_ANSWER_VERIFIED: Event.PERSON_WAIT_ANSWERED,
            Event.WORKER_PROPOSAL_STOPPED: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_PROPOSAL_SUCCEEDED: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_PROPOSAL_FAILED: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_PROPOSAL_ROLLED_BACK: Event.WORKER_PROPOSAL_EXECUTING,
            Event.WORKER_PROPOSAL_UNKNOWN: Event.WORKER_PROPOSAL_EXECUTING,
        }.items()
    },
    writers={login: tuple(sorted(actions)) for login, actions in WRITERS.items()},
)


def path() -> Path:
    """Where the log's package keeps them."""
    return Path(rules.__file__).with_name(rules.FILE)


if __name__ == "__main__":
    path().write_bytes(RULES.dump())
