"""Accounts of people, and one-time codes for enrolling their first passkey."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from remediation.models.base import Fact


class User(AbstractUser):
    """An account of one person.

    Facts refer to ``person`` without a foreign key, so that a person can be erased while the facts
    are kept.
    """

    person = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta(AbstractUser.Meta):
        abstract = False

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
