"""docs/agents.md: the portal accepts its report unchanged, and its calls exist."""

from __future__ import annotations

import json
import re

from remediation.api import examples
from remediation.domain import plan, report
from tests.docs.pages import FENCE, pages

PAGE = pages()["docs/agents.md"]


def blocks(language: str) -> list[str]:
    return [text for found, text in FENCE.findall(PAGE) if found == language]


def test_the_report_can_be_posted_unchanged() -> None:
    body = next(block for block in blocks("json") if '"evidence": [' in block)
    parsed = report.parse(body.encode(), protected=frozenset())
    assert parsed.plan is not None
    assert parsed.incident.external_id == "siem-4711"
    (artefact,) = parsed.evidence
    assert artefact.content.decode() == examples.LOG


def test_the_rotation_is_a_plan() -> None:
    body = next(block for block in blocks("json") if '"order": ' in block)
    parsed = plan.parse(json.loads(body), protected=frozenset())
    assert parsed.steps[0].wait is not None


def test_the_answer_has_the_fields_of_a_real_one() -> None:
    shown = json.loads(next(block for block in blocks("json") if '"incident_is_new"' in block))
    assert shown.keys() == examples.SUBMITTED.keys()


def test_the_states_are_those_of_the_domain() -> None:
    from remediation.domain.states import FINAL, ProposalState

    sentence = re.search(r"`state` is one of (.+?)\(`\"final\": true`\)", PAGE, re.DOTALL)
    assert sentence
    moving, ended = sentence[1].split("(still moving) or")
    assert set(re.findall(r"`(\w+)`", moving)) == set(ProposalState) - FINAL
    assert set(re.findall(r"`(\w+)`", ended)) == set(FINAL)
