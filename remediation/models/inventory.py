"""Inventory: services, identities and dependencies, each a name plus insert-only versions."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact


class Environment(models.TextChoices):
    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class Criticality(models.TextChoices):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class TakesBy(models.TextChoices):
    """How a service learns a new value of a credential."""

    FETCH = "fetch"  # it reads the store before each use
    RELOAD = "reload"
    RESTART = "restart"
    DEPLOY = "deploy"
    BY_HAND = "by_hand"


# Longer than any real program waits between two runs; also the bound of `conditions.Consumer`.
MOST_PERIOD_S = 400 * 24 * 3600


class Service(Fact):
    """A system. Object rights (`view_service`, `review_service`) refer to this row."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        default_permissions = ()
        permissions = [
            ("view_service", "May see proposals that touch the service"),
            ("review_service", "May review proposals that touch the service"),
        ]

    def __str__(self) -> str:
        return self.name


class ServiceVersion(Fact):
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="versions")
    owner_team = models.CharField(max_length=100, blank=True)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    criticality = models.CharField(max_length=20, choices=Criticality.choices)
    payment_path = models.BooleanField()
    external_partner = models.BooleanField()
    retired = models.BooleanField(default=False)
    author = models.CharField(max_length=200)

    class Meta:
        indexes = [
            models.Index(fields=["service", "-id"], name="service_version_newest"),
            # Rights that are given by team (sql/people.sql).
            models.Index(fields=["owner_team"], name="service_version_team"),
        ]
        constraints = [
            models.CheckConstraint(
                name="service_environment", condition=models.Q(environment__in=Environment.values)
            ),
            models.CheckConstraint(
                name="service_criticality", condition=models.Q(criticality__in=Criticality.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service} v{self.pk}"


class Identity(Fact):
    """A non-human identity, known by its locator (`domain.plan.Target.locator`)."""

    locator = models.CharField(max_length=300, unique=True)
    kind = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return self.locator


class IdentityVersion(Fact):
    identity = models.ForeignKey(Identity, on_delete=models.PROTECT, related_name="versions")
    name = models.CharField(max_length=200, blank=True)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    owner_team = models.CharField(max_length=100, blank=True)
    retired = models.BooleanField(default=False)
    author = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["identity", "-id"], name="identity_version_newest")]
        constraints = [
            models.CheckConstraint(
                name="identity_environment", condition=models.Q(environment__in=Environment.values)
            )
        ]

    def __str__(self) -> str:
        return f"{self.identity} v{self.pk}"


class Dependency(Fact):
    """``source`` cannot work without ``service`` or ``identity`` (exactly one of them)."""

    source = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="dependencies")
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="dependents"
    )
    identity = models.ForeignKey(
        Identity, on_delete=models.PROTECT, null=True, blank=True, related_name="dependents"
    )

    class Meta:
        verbose_name_plural = "dependencies"
        constraints = [
            models.CheckConstraint(
                name="dependency_one_end",
                condition=models.Q(service__isnull=True) ^ models.Q(identity__isnull=True),
            ),
            models.UniqueConstraint(fields=["source", "service"], name="dependency_service"),
            models.UniqueConstraint(fields=["source", "identity"], name="dependency_identity"),
        ]

    def __str__(self) -> str:
        return f"{self.source} → {self.service or self.identity}"


class DependencyVersion(Fact):
    dependency = models.ForeignKey(Dependency, on_delete=models.PROTECT, related_name="versions")
    present = models.BooleanField()
    # True if the correction of a scope added this edge. It widens the scope, but does not make
    # the identity's users count as known.
    by_reviewer = models.BooleanField(default=False)
    # How the source uses an identity; empty where the inventory does not say it.
    # What the target's records show of the source: an application name, a role, an address.
    seen_as = models.CharField(max_length=200, blank=True, default="", db_default="")
    # The longest time between two uses; 0 if the source always holds a connection.
    period_s = models.PositiveIntegerField(null=True, blank=True)
    takes_by = models.CharField(
        max_length=20, choices=TakesBy.choices, blank=True, default="", db_default=""
    )
    author = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["dependency", "-id"], name="dependency_version_newest")]
        constraints = [
            models.CheckConstraint(
                name="dependency_takes_by",
                condition=models.Q(takes_by__in=["", *TakesBy.values]),
            ),
            models.CheckConstraint(
                name="dependency_period",
                condition=models.Q(period_s__isnull=True) | models.Q(period_s__lte=MOST_PERIOD_S),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dependency} {'present' if self.present else 'absent'}"
