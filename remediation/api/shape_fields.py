"""Fields that several shapes of the OpenAPI document have."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.tlog.canonical import Json
from remediation.api.catalogue import target_schema
from remediation.domain.catalogue import TARGETS, is_test

SHA256 = r"^[0-9a-f]{64}$"


def with_schema(schema: dict[str, Any], **options: Any) -> serializers.JSONField:
    """Return a field with a given schema."""

    @extend_schema_field(schema)
    class Shape(serializers.JSONField):
        pass

    return Shape(**options)


def target_field() -> serializers.JSONField:
    """Return a field for the target of an action, of any kind in the catalogue."""
    kinds: list[Json] = [
        {"title": spec.title, **target_schema(spec)}
        for spec in TARGETS.values()
        if not is_test(spec.kind)
    ]
    return with_schema({"oneOf": kinds})


def instant_field() -> serializers.JSONField:
    """Return a field for a time."""
    return with_schema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$",
            "description": "RFC 3339 in UTC, with Z.",
        }
    )
