"""Where proposals and incidents stand in the lists that people work through.

Projections: each row follows from facts alone, is written by the triggers of ``sql/queue.sql``
and by nobody else, and decides nothing. They exist so that the first page of a list is read from
an index, however long the list.
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

# In `touched`: no service of the inventory is known to use the target. Ids begin at 1.
NO_SERVICE = 0


if TYPE_CHECKING:
    Text = models.TextField[str, str]
else:
    Text = models.TextField


class Words(Text):
    """The words by which a row is found (tsvector); asked with ``words__said``."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector"


@Words.register_lookup
class Said(models.Lookup):
    """Every word of the question begins some word of the row."""

    lookup_name = "said"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} @@ remediation.asked_v1({right})", [*left_params, *right_params]


@ArrayField.register_lookup
class HoldsAny(models.Lookup):
    """The same as ``overlap``, asked of each row by itself: a planner never asks the index of all
    rows instead, and neither array is gone through once for each member of the other."""

    lookup_name = "holds_any"

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        held = f"SELECT FROM unnest({left}) AS held(id) WHERE held.id = ANY ({right}::bigint[])"
        return f"EXISTS ({held})", [*left_params, *right_params]


class QueueEntry(models.Model):
    """A proposal's place: the smaller, the more urgent; open ones before all that have ended."""

    proposal = models.OneToOneField(
        Proposal, on_delete=models.PROTECT, primary_key=True, related_name="queued"
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    # Section, risk, deadline, detection, id: fixed widths, so that text sorts as they do.
    place = models.CharField(max_length=80, db_collation="C")
    state = models.CharField(max_length=20)
    risk = models.CharField(max_length=20)
    environment = models.CharField(max_length=20)
    target = models.CharField(max_length=300)
    # Until when somebody has to decide, or the worker to assess or to run it.
    due = models.DateTimeField(null=True)
    # Services in scope, of any round: who may see it. Those of this round at depth 1: who decides.
    touched = ArrayField(models.BigIntegerField())
    direct = ArrayField(models.BigIntegerField())
    # Of this round: slots that no approval has taken, and who has decided.
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
    """A place once for each service that its proposal touches, unless it touches very many
    (sql/queue.sql): where to look for whoever sees some services only."""

    pk = models.CompositePrimaryKey("service", "place")
    # NO_SERVICE among them, so no foreign key.
    service = models.BigIntegerField()
    place = models.CharField(max_length=80, db_collation="C")

    class Meta:
        verbose_name_plural = "queue services"

    def __str__(self) -> str:
        return f"{self.service} at {self.place}"


class IncidentEntry(models.Model):
    """An incident's place in the list of incidents, oldest first."""

    incident = models.OneToOneField(
        Incident, on_delete=models.PROTECT, primary_key=True, related_name="listed"
    )
    state = models.CharField(max_length=20)
    detected_at = models.DateTimeField()
    # Of all its proposals; NO_SERVICE alone while there is none.
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
    """A view of the queue under a name of one person's own. The newest row of a name counts."""

    person = models.UUIDField()
    name = models.CharField(max_length=60)
    # The filters as in the address; empty: the view was removed.
    query = models.CharField(max_length=1000, blank=True)

    class Meta:
        indexes = [models.Index(fields=["person", "name", "-id"], name="saved_view_newest")]

    def __str__(self) -> str:
        return self.name
