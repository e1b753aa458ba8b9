"""Load stored plans under the present catalogue and the portal's protected clusters."""

from __future__ import annotations

from django.conf import settings

from remediation.domain.plan import Plan, load


def load_plan(body: bytes) -> Plan:
    """Return a stored plan. Raises BadInput when the present catalogue does not accept it."""
    return load(
        bytes(body),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )


def read_plan(body: bytes) -> Plan:
    """Return a stored plan to show it, also one for earlier versions of actions, which never runs.

    Raises BadInput when the present catalogue never had such a plan.
    """
    return load(
        bytes(body),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
        earlier=True,
    )
