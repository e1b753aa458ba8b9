"""Stored plans, read under today's catalogue and this portal's own clusters."""

from __future__ import annotations

from django.conf import settings

from remediation.domain.plan import Plan, load


def load_plan(body: bytes) -> Plan:
    """A stored plan. Raises BadInput when today's catalogue would not accept these bytes."""
    return load(
        bytes(body),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )
