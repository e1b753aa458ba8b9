"""Projections for the lists of proposals and incidents.

Triggers derive each row from facts; nothing else writes these tables, and no decision depends on
them. With them the first page of a list is read from an index, however long the list is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from remediation.models.agent import Agent
from remediation.models.base import Fact
from remediation.models.incident import Incident
from remediation.models.proposal import Proposal

# In `touched`: no service in the inventory uses the target. Real ids start at 1.
NO_SERVICE = 0


if TYPE_CHECKING:
    Text = models.TextField[str, str]
else:
    Text = models.TextField


class Words(Text):
    """The search words of a row (tsvector); the lookup is ``words__said``."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector"


@Words.register_lookup
class MatchesAllWords(models.Lookup):
    """Match rows in which each word of the query is the prefix of some word."""

    lookup_name = "said"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} @@ remediation.asked_v1({right})", [*left_params, *right_params]


@ArrayField.register_lookup
class HoldsAny(models.Lookup):
    """Like ``overlap``, but evaluated per row.

    The planner then cannot choose the index over all rows, and the arrays are not compared member
    by member.
    """

    lookup_name = "holds_any"

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        held = f"SELECT FROM unnest({left}) AS held(id) WHERE held.id = ANY ({right}::bigint[])"
        return f"EXISTS ({held})", [*left_params, *right_params]


class QueueEntry(models.Model):
    """A proposal in the queue; a smaller ``place`` is more urgent, ended proposals come last."""

    proposal = models.OneToOneField(
        Proposal, on_delete=models.PROTECT, primary_key=True, related_name="queued"
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    # Section, risk, deadline, detection time, id: in fixed widths, so that text sorts correctly.
    place = models.CharField(max_length=80, db_collation="C")
    state = models.CharField(max_length=20)
    risk = models.CharField(max_length=20)
    environment = models.CharField(max_length=20)
    target = models.CharField(max_length=300)
    # The deadline for people to decide, or for the worker to assess or run.
    due = models.DateTimeField(null=True)
    # `touched`: services in the scope of any round (who may see it). `direct`: those of this
    # round at depth 1 (who may decide).
    touched = ArrayField(models.BigIntegerField())
    direct = ArrayField(models.BigIntegerField())
    # Of this round: slots without an approval, and the people who decided.
    open_slots = ArrayField(models.TextField())
    decided = ArrayField(models.UUIDField())
    words = Words()

    class Meta:
        verbose_name_plural = "queue entries"
        constraints = [models.UniqueConstraint(fields=["place"], name="queue_place")]
        indexes = [
            models.Index(fields=["incident"], name="queue_incident"),
            models.Index(fields=["agent", "place"], name="queue_agent"),
            models.Index(fields=["target", "place"], name="queue_target"),
            models.Index(fields=["risk", "place"], name="queue_risk"),
            models.Index(fields=["environment", "place"], name="queue_environment"),
        ]

    def __str__(self) -> str:
        return f"{self.proposal_id} at {self.place}"


class QueueService(models.Model):
    """The queue by service, for people who may see only some services.

    A proposal has one row per affected service, unless it affects very many.
    """

    pk = models.CompositePrimaryKey("service", "place")
    # No foreign key, because the value can be NO_SERVICE.
    service = models.BigIntegerField()
    place = models.CharField(max_length=80, db_collation="C")

    class Meta:
        verbose_name_plural = "queue services"

    def __str__(self) -> str:
        return f"{self.service} at {self.place}"


class IncidentEntry(models.Model):
    """An incident in the list of incidents, oldest first."""

    incident = models.OneToOneField(
        Incident, on_delete=models.PROTECT, primary_key=True, related_name="listed"
    )
    state = models.CharField(max_length=20)
    detected_at = models.DateTimeField()
    # The services of all its proposals; only NO_SERVICE if there is no proposal.
    touched = ArrayField(models.BigIntegerField())

    class Meta:
        verbose_name_plural = "incident entries"
        indexes = [
            models.Index(
                fields=["detected_at", "incident"],
                condition=~models.Q(state="closed"),
                name="incident_alive",
            ),
            models.Index(fields=["detected_at", "incident"], name="incident_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} {self.state}"


class SavedView(Fact):
    """A person's named view of the queue. The newest row of a name is valid."""

    person = models.UUIDField()
    name = models.CharField(max_length=60)
    # The filters as a query string; empty: the view was removed.
    query = models.CharField(max_length=1000, blank=True)

    class Meta:
        indexes = [models.Index(fields=["person", "name", "-id"], name="saved_view_newest")]

    def __str__(self) -> str:
        return self.name
