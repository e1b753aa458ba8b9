"""Runs that wait between two steps: the waits, what the worker saw meanwhile, how they ended."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.execution import Execution


class Wait(Fact):
    """A run waits after a step, for conditions, a person, or both (domain/waits.py).

    While it waits no worker holds the run. The guard sets ``deadline`` by the database's clock.
    """

    execution = models.ForeignKey(Execution, on_delete=models.PROTECT, related_name="waits")
    step = models.PositiveSmallIntegerField()
    # [{"condition", "step"}]; empty if it waits for a person only.
    conditions = models.JSONField()
    person = models.BooleanField()
    within_s = models.PositiveIntegerField()
    deadline = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["execution", "step"], name="wait_once")]

    def __str__(self) -> str:
        return f"wait after step {self.step}"


class WaitLook(Fact):
    """What the worker saw of a wait's conditions; a row only when it changed, or after a while."""

    wait = models.ForeignKey(Wait, on_delete=models.PROTECT, related_name="looks")
    # domain/conditions.py: the sightings, and for each condition that is not met
    # {"condition", "step", "name", "detail"}.
    sightings = models.JSONField()
    unmet = models.JSONField()
    met = models.BooleanField()

    class Meta:
        indexes = [models.Index(fields=["wait", "-id"], name="wait_look_newest")]

    def __str__(self) -> str:
        return f"{'met' if self.met else 'not met'}: wait {self.wait_id}"


class WaitOverdue(Fact):
    """The deadline of a wait passed, and people were notified; once for each deadline."""

    wait = models.ForeignKey(Wait, on_delete=models.PROTECT, related_name="overdue")
    # A person's signed `longer` moves the deadline, so a wait can be overdue again.
    deadline = models.DateTimeField()
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wait", "deadline"], name="wait_overdue_once")
        ]

    def __str__(self) -> str:
        return f"overdue: wait {self.wait_id}"


class Resumption(Fact):
    """A run goes on after a wait, with the evidence by which the whole gate cleared its next step.

    After a wait behind the last step: the evidence by which the gate let it end.
    """

    wait = models.OneToOneField(Wait, on_delete=models.PROTECT, related_name="resumption")
    holder = models.CharField(max_length=200)
    # The bytes of the evidence file, for replay offline.
    evidence = models.BinaryField()

    def __str__(self) -> str:
        return f"resumption of wait {self.wait_id}"
