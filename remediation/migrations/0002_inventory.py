"""The inventory: services, identities, dependencies, each with its versions."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("remediation", "0001_people")]
    operations = [
        migrations.CreateModel(
            name="Service",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
            ],
            options={
                "permissions": [
                    ("view_service", "May see proposals that touch the service"),
                    ("review_service", "May review proposals that touch the service"),
                ],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ServiceVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "service",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="remediation.service",
                    ),
                ),
                ("owner_team", models.CharField(blank=True, max_length=100)),
                (
                    "environment",
                    models.CharField(
                        choices=[
                            ("production", "Production"),
                            ("staging", "Staging"),
                            ("development", "Development"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "criticality",
                    models.CharField(
                        choices=[
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        max_length=20,
                    ),
                ),
                ("payment_path", models.BooleanField()),
                ("external_partner", models.BooleanField()),
                ("retired", models.BooleanField(default=False)),
                ("author", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [models.Index(fields=["service", "-id"], name="service_version_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("environment__in", ["production", "staging", "development"])
                        ),
                        name="service_environment",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("criticality__in", ["low", "medium", "high", "critical"])
                        ),
                        name="service_criticality",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("locator", models.CharField(max_length=300, unique=True)),
                ("kind", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name_plural": "identities",
            },
        ),
        migrations.CreateModel(
            name="IdentityVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="remediation.identity",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "environment",
                    models.CharField(
                        choices=[
                            ("production", "Production"),
                            ("staging", "Staging"),
                            ("development", "Development"),
                        ],
                        max_length=20,
                    ),
                ),
                ("owner_team", models.CharField(blank=True, max_length=100)),
                ("retired", models.BooleanField(default=False)),
                ("author", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["identity", "-id"], name="identity_version_newest")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("environment__in", ["production", "staging", "development"])
                        ),
                        name="identity_environment",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Dependency",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dependencies",
                        to="remediation.service",
                    ),
                ),
                (
                    "service",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dependents",
                        to="remediation.service",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dependents",
                        to="remediation.identity",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "dependencies",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("service__isnull", True), ("identity__isnull", True), _connector="XOR"
                        ),
                        name="dependency_one_end",
                    ),
                    models.UniqueConstraint(
                        fields=("source", "service"), name="dependency_service"
                    ),
                    models.UniqueConstraint(
                        fields=("source", "identity"), name="dependency_identity"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DependencyVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "dependency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="remediation.dependency",
                    ),
                ),
                ("present", models.BooleanField()),
                ("by_reviewer", models.BooleanField(default=False)),
                ("author", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["dependency", "-id"], name="dependency_version_newest")
                ],
            },
        ),
    ]
