"""The shape of the catalogue's answer, for the API's document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from remediation.api.serializers import with_schema


class Action(serializers.Serializer[Any]):
    action = serializers.CharField()
    executor = serializers.IntegerField(help_text="Version; part of every plan's digest.")
    title = serializers.CharField()
    sentence = serializers.CharField(
        help_text="What the action does, with placeholders for fields of the target."
    )
    target = with_schema({"type": "object", "description": "JSON Schema of the target."})
    parameters = with_schema({"type": "object", "description": "JSON Schema of the parameters."})
    rollback = serializers.CharField(allow_null=True)
    reversible = serializers.BooleanField()
    hard_timeout_s = serializers.IntegerField()
    propagation_s = serializers.IntegerField()
    pin_fields = serializers.ListField(child=serializers.CharField())
    ends_sessions = serializers.CharField()
    limits = inline_serializer(
        "Limit",
        {
            "field": serializers.CharField(help_text="The field of the observation that decides."),
            "present": serializers.CharField(help_text="Said where the field is not empty."),
            "absent": serializers.CharField(allow_blank=True),
            "unknown": serializers.CharField(help_text="Said where it was not looked at."),
        },
        many=True,
        help_text="What the action does not stop, as the worker sees it at the target.",
    )
    cannot = serializers.ListField(
        child=serializers.CharField(), help_text="What the action never stops."
    )


class Catalogue(serializers.Serializer[Any]):
    actions = Action(many=True)
    targets = inline_serializer(
        "TargetKind",
        {
            "kind": serializers.CharField(),
            "title": serializers.CharField(),
            "schema": with_schema({"type": "object"}),
            "report_only": serializers.BooleanField(
                help_text="Incidents can be about it, but no action works on it."
            ),
            "note": serializers.CharField(allow_blank=True),
        },
        many=True,
    )
    environments = serializers.ListField(child=serializers.CharField())
    limits = serializers.DictField(child=serializers.IntegerField())
