"""Accounts of people, one-time codes, and public keys of enrolled passkeys."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from django.contrib.auth.models import AbstractUser
from django.db import models

from remediation.domain.gate.approvers import fingerprint
from remediation.models.base import Fact
from remediation.models.inventory import Environment


class User(AbstractUser):
    """An account of one person.

    Facts refer to ``person`` without a foreign key, so that a person can be erased while the facts
    are kept.
    """

    person = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Triggers raise it (sql/sessions.sql), so that no way of changing an account forgets to.
    session_epoch = models.BigIntegerField(default=0, db_default=0, editable=False)

    class Meta(AbstractUser.Meta):
        abstract = False

    def get_session_auth_hash(self) -> str:
        """Return what a session of this account must carry; Django ends one that carries another.

        A session of an earlier epoch is dead for ever (docs/attacks.md A88).
        """
        return f"{self.session_epoch}:{super().get_session_auth_hash()}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Return the same, made with earlier secret keys."""
        for made in super().get_session_auth_fallback_hash():
            yield f"{self.session_epoch}:{made}"

    @property
    def actor(self) -> str:
        return f"person:{self.person}"


class Invitation(Fact):
    """A one-time code (hashed) for setting a password and the first passkey."""

    person = models.UUIDField()
    code_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(editable=False, default=None, null=True)
    created_by = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"invitation of {self.person}"


class InvitationUse(Fact):
    """The single use of an invitation."""

    invitation = models.OneToOneField(Invitation, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return f"use of {self.invitation_id}"


class ApproverKey(Fact):
    """A copy of an entry of the approvers file, written by the command that changes the file.

    Pages say by it who still needs a key. The gate never reads it, only the file. It misses what
    an operator changes in the file by hand. The newest row of a fingerprint is valid.
    """

    person = models.UUIDField()
    fingerprint = models.CharField(max_length=64)
    roles = models.JSONField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    actor = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["person", "-id"], name="approver_key_newest")]

    def __str__(self) -> str:
        return self.fingerprint


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


# What a right on a team or an environment allows, on each of its services.
_RIGHTS = (
    ("view_service", "May see proposals that touch one of its services"),
    ("review_service", "May review proposals that touch one of its services"),
)


class OwnerTeam(Fact):
    """The name of an owner team, so that guardian's rows can give rights on its services.

    Recorded when the first right on the team is given. Which services the team owns stands in the
    inventory.
    """

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        default_permissions = ()
        permissions = _RIGHTS

    def __str__(self) -> str:
        return self.name


class EnvironmentName(Fact):
    """The name of an environment, for rights on all its services; as `OwnerTeam`."""

    name = models.CharField(max_length=20, unique=True, choices=Environment.choices)

    class Meta:
        default_permissions = ()
        permissions = _RIGHTS
        constraints = [
            models.CheckConstraint(
                name="environment_name", condition=models.Q(name__in=Environment.values)
            )
        ]

    def __str__(self) -> str:
        return self.name
