"""By when a plan is due: the unknown counts as the gravest, and detection starts the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from remediation.domain.plan_due import ALLOWED, LEAST, Reached, Why, due, why

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def service(
    environment: str = "staging", criticality: str = "low", payment_path: bool = False
) -> Reached:
    return Reached(environment, criticality, payment_path)


def test_the_rule_follows_what_the_identity_reaches() -> None:
    for expected, environment, services in (
        (Why.UNKNOWN, None, [service()]),
        (Why.UNKNOWN, "", [service()]),
        (Why.UNKNOWN, "staging", []),
        (Why.GRAVE, "production", [service(criticality="critical")]),
        (Why.GRAVE, "staging", [service("production", payment_path=True)]),
        (Why.SERIOUS, "production", [service()]),
        (Why.SERIOUS, "staging", [service("production")]),
        (Why.SERIOUS, "staging", [service(criticality="critical")]),
        (Why.SERIOUS, "staging", [service(criticality="high", payment_path=True)]),
        (Why.OTHER, "staging", [service(payment_path=True), service(criticality="medium")]),
        (Why.OTHER, "development", [service("development")]),
    ):
        assert why(environment, services) is expected, (environment, services)


def test_nothing_is_allowed_more_time_than_what_is_known_and_harmless() -> None:
    assert ALLOWED[Why.UNKNOWN] == min(ALLOWED.values())
    assert set(ALLOWED) == set(Why)


def test_the_clock_runs_from_the_detection() -> None:
    assert due(NOW, NOW + timedelta(minutes=5), Why.GRAVE) == NOW + timedelta(minutes=30)


def test_a_detection_in_the_future_gains_no_time() -> None:
    """A34: an agent cannot push an incident down by what it says."""
    assert due(NOW + timedelta(days=9), NOW, Why.OTHER) == NOW + timedelta(hours=8)


def test_an_old_detection_leaves_time_to_make_a_plan() -> None:
    assert due(NOW - timedelta(days=9), NOW, Why.GRAVE) == NOW + LEAST
