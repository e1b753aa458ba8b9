"""Statements for people to sign, and their signed reviews."""

from __future__ import annotations

import uuid

from django.db import models

from remediation.models.base import Fact
from remediation.models.proposal import Proposal


class ReviewSession(Fact):
    """A statement for one person to sign once, within five minutes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    round = models.PositiveIntegerField()
    person = models.UUIDField()
    nonce = models.CharField(max_length=64, unique=True)
    statement = models.BinaryField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"session {self.pk}"


class Review(Fact):
    """A person's signed statement, with the full assertion for offline verification."""

    session = models.OneToOneField(ReviewSession, on_delete=models.PROTECT)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="reviews")
    round = models.PositiveIntegerField()
    person = models.UUIDField()
    slot = models.CharField(max_length=40)
    decision = models.CharField(max_length=10)
    statement = models.BinaryField()
    credential_id = models.BinaryField()
    authenticator_data = models.BinaryField()
    client_data_json = models.BinaryField()
    signature = models.BinaryField()
    cose_key = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["proposal", "round", "person"], name="review_one_for_each_person"
            ),
            models.CheckConstraint(
                name="review_decision",
                condition=models.Q(decision__in=["approve", "reject", "return"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.person}"


class Narrowing(Fact):
    """A person's signed narrowing of a plan, with the full assertion; it made ``proposal``.

    Its row is written before that proposal, in the same transaction (``sql/review.sql``).
    """

    session = models.OneToOneField(ReviewSession, on_delete=models.PROTECT)
    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="narrowing")
    narrows = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="+")
    person = models.UUIDField()
    slot = models.CharField(max_length=40)
    statement = models.BinaryField()
    credential_id = models.BinaryField()
    authenticator_data = models.BinaryField()
    client_data_json = models.BinaryField()
    signature = models.BinaryField()
    cose_key = models.BinaryField()

    class Meta:
        abstract = False

    def __str__(self) -> str:
        return f"narrowing by {self.person}"
