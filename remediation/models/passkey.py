"""Public keys of enrolled passkeys, for operators, the worker and auditors."""

from __future__ import annotations

from django.db import models

from remediation.domain.gate.approvers import fingerprint
from remediation.models.base import Fact


class PasskeyEnrolment(Fact):
    """A public key that a person enrolled.

    The worker's login cannot read the sign-in tables, so `approver add --key` reads the key here.
    An enrolled key can sign in. It can approve only after an operator compared the fingerprint and
    added it to the approvers file.
    """

    person = models.UUIDField(db_index=True)
    credential_id = models.BinaryField(unique=True)
    cose_key = models.BinaryField(unique=True)

    def __str__(self) -> str:
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        return fingerprint(bytes(self.cose_key))
