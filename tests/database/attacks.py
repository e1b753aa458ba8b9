"""Collect all attacks from the files for each part of the flow."""

from __future__ import annotations

from tests.database import (
    attacks_alive,
    attacks_discussion,
    attacks_execution,
    attacks_halt,
    attacks_incidents,
    attacks_narrowing,
    attacks_narrowing_rows,
    attacks_people,
    attacks_plans,
    attacks_power,
    attacks_review,
    attacks_submission,
    attacks_waiting,
)

ATTACKS = [
    attack
    for book in (
        attacks_people,
        attacks_power,
        attacks_submission,
        attacks_review,
        attacks_execution,
        attacks_halt,
        attacks_incidents,
        attacks_alive,
        attacks_discussion,
        attacks_plans,
        attacks_narrowing,
        attacks_narrowing_rows,
        attacks_waiting,
    )
    for attack in book.ATTACKS
]
