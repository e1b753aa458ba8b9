"""What people see of an identity now: requests, what the worker read, and compared secrets."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.incident import Incident


class LiveRequest(Fact):
    """A person's request that the worker reads one identity of an incident now."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="live_requests")
    # The incident's own identity, or a target of one of its proposals.
    locator = models.CharField(max_length=300)
    person = models.UUIDField()

    class Meta:
        indexes = [
            models.Index(fields=["incident", "locator", "-id"], name="live_newest"),
            models.Index(fields=["person", "-id"], name="live_by_person"),
        ]

    def __str__(self) -> str:
        return f"read {self.locator}"


class LiveObservation(Fact):
    """What the worker read for a request: no pin, no round; nobody signs it.

    ``body`` is canonical JSON (domain/live.py).
    """

    request = models.OneToOneField(LiveRequest, on_delete=models.PROTECT, related_name="answer")
    # What all places show together: "access", "without", "unread"; "not_known": the inventory
    # does not have the identity, so nobody looked.
    found = models.CharField(max_length=20)
    body = models.BinaryField()
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="live_found",
                condition=models.Q(found__in=["access", "without", "unread", "not_known"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.found}: request {self.request_id}"


class SecretCheck(Fact):
    """Whether secrets in the incident's evidence are the one in force on the identity.

    ``body`` is canonical JSON with artefacts, places and rules; never a value.
    """

    request = models.OneToOneField(LiveRequest, on_delete=models.PROTECT, related_name="secrets")
    # "yes": at least one is; "no": none of those that were compared; "unknown": cannot be told.
    in_force = models.CharField(max_length=20)
    body = models.BinaryField()
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="secret_in_force",
                condition=models.Q(in_force__in=["yes", "no", "unknown"]),
            )
        ]

    def __str__(self) -> str:
        return f"in force: {self.in_force}, request {self.request_id}"
