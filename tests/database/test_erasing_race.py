"""A61: bytes submitted again during their erasure stay erased (with real logins)."""

from __future__ import annotations

import pytest
from django.db import transaction

from remediation import models as m
from remediation.services.actors import operator
from remediation.services.reporting import secrets
from tests import factories
from tests.database.logins import ALIASES, real_login
from tests.database.race import behind

pytestmark = pytest.mark.django_db(transaction=True, databases=ALIASES)

CONTENT = b'{"password": "a-secret-of-last-year"}'


def test_bytes_submitted_during_their_erasure_are_not_stored() -> None:
    row = factories.evidence(
        factories.incident(factories.agent(factories.person()), "x:y"), CONTENT
    )
    other = factories.incident(factories.agent(factories.person()), "x:z")

    def hand_in() -> str:
        return factories.evidence(other, CONTENT).sha256

    with real_login("hitl_eraser"):
        block = transaction.atomic()
        block.__enter__()
        secrets.erase(
            actor=operator(), digests=[row.sha256], ground="GDPR 17", by="Ada", second="Bob"
        )
        with behind("hitl_web", hand_in) as found:
            block.__exit__(None, None, None)
    assert found == [row.sha256]
    assert m.Evidence.objects.filter(sha256=row.sha256).count() == 2
    assert not m.EvidenceBlob.objects.filter(pk=row.sha256).exists()


def test_the_control_without_an_erasure_stores_them() -> None:
    """The insert itself is allowed."""
    row = factories.evidence(
        factories.incident(factories.agent(factories.person()), "x:y"), CONTENT
    )
    assert bytes(m.EvidenceBlob.objects.get(pk=row.sha256).content) == CONTENT
