"""Evidence of version 3, where the gate itself applies the rule about rights on services.

The credential's service is on the payment path, so its ruling asks an owner of that team.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from remediation.domain.gate.evidence import Evidence, PersonEvidence
from remediation.domain.slots import Team
from tests.domain.story import ALICE, BOB, Story, a_scope, a_service


def owners_story() -> Story:
    """Return the approved story under version 2 of policy: slots security and service_owner:1."""
    return Story(version=2, scope=a_scope(services=(a_service(payment_path=True),)))


def bob_has(*services: str, **changes: Any) -> Callable[[], Evidence]:
    """At the gate bob has the right to review these services only."""
    people = (
        PersonEvidence(ALICE, True, ("security",), ("orders",)),
        replace(PersonEvidence(BOB, True, ("service_owner",), services), **changes),
    )
    return lambda: owners_story().evidence(people=people)


def another_team_since() -> Evidence:
    """Since the assessment the inventory names another team with a critical service."""
    story = owners_story()
    now = replace(story.facts(), owners=(*story.facts().owners, Team("team of ledger", ("l",))))
    return story.evidence(facts=now)
