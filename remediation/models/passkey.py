"""Passkeys that were enrolled: the public half, for operators, the worker and auditors."""

from __future__ import annotations

from django.db import models

from remediation.domain.gate.approvers import fingerprint
from remediation.models.base import Fact


class PasskeyEnrolment(Fact):
    """That a person enrolled this public key.

    The worker's login cannot read the sign-in tables; from here an operator's
    `approver add --key` takes the key. A key that is enrolled may sign in; it approves nothing
    until an operator, who compared the fingerprint, puts it in the approvers file.
    """

    person = models.UUIDField(db_index=True)
    credential_id = models.BinaryField(unique=True)
    cose_key = models.BinaryField(unique=True)

    def __str__(self) -> str:
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        return fingerprint(bytes(self.cose_key))
