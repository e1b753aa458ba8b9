"""Whom to tell what, by which channel, and how that went."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.incident import Incident
from remediation.models.proposal import Proposal


class Telling(models.Model):
    """One person to tell one thing; a row of the outbox, inserted with the fact it is about.

    Insert-only, without an audit entry of its own. ``writer`` is the database login, stamped by
    the guard: a key that the web process used cannot keep the worker from telling.
    """

    kind = models.CharField(max_length=40)
    # What happened, in the caller's words; the same key tells the same person once.
    once = models.CharField(max_length=200)
    person = models.UUIDField()
    proposal = models.ForeignKey(
        Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Short, in the portal's words; it may quote people and agents, so it goes out through `inert`.
    text = models.CharField(max_length=2000, blank=True)
    writer = models.CharField(max_length=40, editable=False)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "once", "writer"], name="telling_once")
        ]
        indexes = [
            models.Index(fields=["recorded_at"], name="telling_newest"),
            models.Index(fields=["once"], name="telling_same"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.once}"


class Delivery(models.Model):
    """One attempt to tell by one channel, with its outcome; insert-only.

    ``delivered``, ``unwanted`` and ``dead`` settle the telling on this channel; ``failed`` is tried
    again later.
    """

    telling = models.ForeignKey(Telling, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.CharField(max_length=60)
    attempt = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=20)
    detail = models.CharField(max_length=300, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["telling", "channel", "attempt"], name="delivery_attempt"
            ),
            models.CheckConstraint(
                name="delivery_outcome",
                condition=models.Q(outcome__in=["delivered", "failed", "dead", "unwanted"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.outcome}"


class NoticeChannel(Fact):
    """What the worker says of a channel of the operator's file: never its address or a secret.

    The newest row of a name is valid.
    """

    name = models.CharField(max_length=60)
    service = models.CharField(max_length=60)
    # Roles and kinds that it carries, or that it is somebody's own: {"roles": […], "kinds": […]}.
    carries = models.JSONField()
    state = models.CharField(max_length=20)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="notice_channel_state",
                condition=models.Q(state__in=["working", "failing", "removed"]),
            )
        ]
        indexes = [models.Index(fields=["name", "-id"], name="notice_channel_newest")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class NoticeChoice(Fact):
    """What a person does not want to be told, as ``channel:kind``. The newest row is valid."""

    person = models.UUIDField()
    muted = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["person", "-id"], name="notice_choice_newest")]

    def __str__(self) -> str:
        return f"{len(self.muted)} muted"
