"""Figures of how it turned out: of an action, and of an agent's diagnoses; the newest only."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from remediation.domain.errors import BadInput
from remediation.domain.retrospect import Figures, figures
from remediation.models import Execution, OutcomeAnswer
from remediation.services.load_plan import read_plan

# Older runs and incidents say little about the present.
MOST = 200


def of_action(kind: str) -> Figures:
    """Return how the newest runs with this action turned out."""
    runs: list[UUID] = []
    rows = Execution.objects.order_by("-pk").values_list("proposal_id", "proposal__plan")[:MOST]
    for pk, body in rows:
        try:
            plan = read_plan(bytes(body))
        except BadInput:
            continue
        if any(step.action == kind for step in plan.steps):
            runs.append(pk)
    words: dict[UUID, list[str]] = defaultdict(list)
    for pk, word in OutcomeAnswer.objects.filter(proposal__in=runs).values_list(
        "proposal", "action"
    ):
        words[pk].append(word)
    return figures((words[pk] for pk in runs), "action")


def of_agent(agent_id: UUID) -> Figures:
    """Return how the agent's diagnoses turned out, over the newest incidents with an answer."""
    words: dict[UUID, list[str]] = defaultdict(list)
    rows = OutcomeAnswer.objects.filter(incident__agent=agent_id).order_by("-pk")
    for pk, word in rows.values_list("incident", "diagnosis")[:MOST]:
        words[pk].append(word)
    return figures(words.values(), "diagnosis")
