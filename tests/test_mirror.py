"""Find the tests of a module by the module's name: the tests mirror the tree.

`services/<room>/<module>.py` is tested in `tests/services/<room>/test_<module>.py`, and a module of
`domain/<subject>/` in `tests/domain/<subject>/test_<module>.py`. A module without a file of its
name is listed in ELSEWHERE with the file that tests it, or its subject is listed in WHOLE.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ROOT / "remediation"

# Services that a flow, a race or a page tests.
ELSEWHERE = {
    "services/actors": "services/access/test_authorize.py",  # every right depends on the actor
    "services/approvers_file": "services/people/test_approvers.py",  # reads the written file
    "services/guards": "database/test_review_rules.py",  # translates refusals of the database
    "services/transition": "database/test_record_or_nothing.py",  # a move and its entry, or neither
    "services/access/administered": "services/people/test_administered.py",
    "services/access/looks": "flows/test_seen_again.py",  # when a round was last seen
    "services/assessment/seen_again": "flows/test_seen_again.py",
    "services/review/old_page": "flows/test_seen_again.py",
    "services/outbox/take": "services/outbox/test_dispatch.py",
    "services/outbox/not_started": "views/run/test_not_started.py",  # told, and on both pages
    "services/reporting/own_words": "api/test_foreign_incidents.py",
    "services/reporting/prepare": "api/test_foreign_incidents.py",  # what is told, and masked
    "services/access/asked": "services/access/test_deciders.py",  # what a round asks for
    "services/access/record_refusal": "services/reporting/test_secrets.py",
    "services/access/slots": "services/access/test_authorize.py",  # slots a right can fill
    "services/assessment/narrowed": "flows/test_narrowing.py",  # what counts as an approval
    "services/assessment/assess": "flows/test_approve_and_execute.py",
    "services/access/who": "views/who/test_who.py",
    "services/assessment/undecidable": "flows/test_who_decides.py",  # A81
    "services/assessment/leaked": "services/assessment/test_read_live.py",
    "services/assessment/live": "services/assessment/test_read_live.py",
    "services/assessment/observe": "flows/test_breaks_gate.py",  # b05, b07, b11
    "services/execution/begin_wait": "flows/test_waiting.py",
    "services/execution/clear_step": "flows/test_approve_and_execute.py",
    "services/execution/confirm": "flows/test_stop_and_keep.py",  # A64, A67
    "services/execution/contain": "services/execution/test_look.py",  # before and after a look
    "services/execution/end_wait": "flows/test_waiting_end.py",
    "services/execution/execute": "flows/test_approve_and_execute.py",
    "services/execution/gate_refusal": "flows/test_gate_refusals.py",
    "services/execution/halt": "flows/test_halt.py",
    "services/execution/in_flight": "flows/test_stop_and_keep.py",  # A73
    "services/execution/intend": "flows/test_approve_and_execute.py",
    "services/execution/judge_halt": "flows/test_halt_forged.py",  # halts that it must refuse
    "services/execution/late_result": "flows/test_stop_and_keep.py",  # A73
    "services/execution/lease": "database/test_races.py",  # two workers, one target
    "services/execution/look_for": "flows/test_waiting.py",
    "services/execution/look_subject": "services/execution/test_look.py",
    "services/execution/phases": "flows/test_crash_matrix.py",  # what a dead worker recorded
    "services/execution/reconcile": "flows/test_crashes.py",  # after a worker was killed
    "services/execution/record_step": "flows/test_failures.py",
    "services/execution/rollback": "flows/test_failures.py",
    "services/execution/settle": "flows/test_failures.py",  # an unknown outcome is read
    "services/execution/tighten": "flows/test_stop_and_keep.py",  # A64
    "services/execution/run": "flows/test_failures.py",
    "services/execution/waiting": "flows/test_waiting.py",
    "services/execution/waits": "flows/test_waiting.py",
    "services/execution/settle_delivery": "flows/test_staged_left.py",  # A30
    "services/execution/settle_by_hand": "views/run/test_ways.py",  # two people, and forgeries
    "services/learning/answer_outcome": "services/learning/test_ask_outcome.py",
    "services/learning/outcome_figures": "services/learning/test_ask_outcome.py",
    "services/learning/similar": "services/learning/test_ask_outcome.py",
    "services/inventory/consumer_facts": "services/inventory/test_consumers.py",
    "services/inventory/import_rows": "services/inventory/test_import_files.py",
    "services/outbox/audience": "services/outbox/test_notify_result.py",
    "services/outbox/channel_state": "services/outbox/test_deliver.py",
    "services/outbox/channels": "services/outbox/test_deliver.py",
    "services/outbox/failing": "views/account/test_settings.py",
    "services/outbox/notify_wait": "flows/test_waiting.py",
    "services/outbox/notify_proposal": "services/outbox/test_expire.py",
    "services/outbox/send": "services/outbox/test_deliver.py",  # real servers
    "services/outbox/notice_lock": "services/outbox/test_notify_incident.py",  # what a look finds
    "services/outbox/pause": "services/outbox/test_dispatch.py",
    "services/outbox/compose": "hostile/test_destinations.py",  # hostile titles in real mails
    "services/people/choose_notices": "views/account/test_settings.py",
    "services/people/sessions": "views/account/test_settings.py",
    "services/people/passkeys": "services/people/test_enroll.py",
    "services/people/registration": "services/people/test_enroll.py",
    "services/reporting/idempotency": "api/test_idempotency.py",  # a key is part of the API
    "services/reporting/incidents": "views/incidents/test_incidents.py",
    "services/reporting/propose": "services/reporting/test_submit.py",
    "services/reporting/supersede": "views/history/test_versions.py",
    "services/reporting/withdraw": "views/history/test_versions.py",
    "services/review/confirm_dissent": "flows/test_dissent.py",
    "services/review/narrow": "flows/test_narrowing.py",
    "services/review/narrowings": "flows/test_narrowing.py",  # counted, and gathered for the gate
    "services/review/presence": "views/queue/test_queue.py",
    "services/review/reversal": "services/execution/test_reverse_run.py",
    "services/review/saved_views": "views/queue/test_queue.py",
    "services/review/sign": "views/review/test_deciding.py",
    "services/review/statement": "views/review/test_same_bytes.py",  # page and statement agree
}
# Subjects whose modules are parts of one function and are tested through it, by corpora.
WHOLE = {
    "domain/catalogue": "domain/catalogue/test_catalogue.py",
    "domain/errors": "domain/test_errors.py",
    "domain/formats": "domain/checks/test_claims.py",
    "domain/checks": "domain/checks/test_run.py",
    "domain/gate": "domain/gate/test_gate.py",
    "domain/gate/steps": "domain/gate/test_gate.py",
    "domain/halt": "domain/halt/test_signed_halt.py",
    "domain/secrets": "domain/secrets/test_detector.py",
    "domain/intake": "domain/intake/test_readers.py",
}


def modules(below: str) -> Iterator[str]:
    """Yield the modules in the folders below this one, as `services/review/sign`."""
    for path in sorted((CODE / below).rglob("*.py")):
        if path.stem != "__init__":
            yield path.relative_to(CODE).with_suffix("").as_posix()


def has_its_file(module: str) -> bool:
    folder, _, name = module.rpartition("/")
    return (ROOT / "tests" / folder / f"test_{name}.py").exists()


def test_every_service_has_a_test_of_its_name() -> None:
    missing = [one for one in modules("services") if not has_its_file(one)]
    assert sorted(set(missing) - set(ELSEWHERE)) == []


def test_every_subject_of_the_domain_has_tests_of_its_name() -> None:
    missing = [
        one
        for one in modules("domain")
        if one.count("/") > 1 and not has_its_file(one) and one.rpartition("/")[0] not in WHOLE
    ]
    assert missing == []


def test_what_is_tested_elsewhere_is_tested_there() -> None:
    for module, file in ELSEWHERE.items():
        assert (CODE / f"{module}.py").exists(), f"there is no {module}"
        assert not has_its_file(module), f"{module} has a test of its name"
        assert (ROOT / "tests" / file).exists(), f"there is no tests/{file}"
    for file in WHOLE.values():
        assert (ROOT / "tests" / file).exists(), f"there is no tests/{file}"
