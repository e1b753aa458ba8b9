"""The shape of the catalogue's answer, for the API's document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from remediation.api.shape_fields import with_schema


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
    leaves = serializers.BooleanField(
        help_text="A later step of a plan of version 2 may work on the same target."
    )
    creates = serializers.BooleanField(help_text="The target must not exist before.")
    retires = serializers.BooleanField(help_text="An old credential is refused after it.")
    delivers = serializers.CharField(
        allow_blank=True,
        help_text="The parameter that names the place in a store; such a step makes a secret and"
        " delivers it there. Its value never leaves the worker.",
    )
    makes = serializers.DictField(
        child=serializers.CharField(),
        help_text="What it makes, with the pattern of the value; never a secret.",
    )
    references = serializers.DictField(
        child=serializers.CharField(),
        help_text='Parameters that may be a reference, `{"made_by": 0, "name": "…"}`, with the name'
        " of what an earlier step makes.",
    )
    conditions = serializers.ListField(
        child=serializers.CharField(), help_text="What a plan can wait for after it."
    )
    ends_sessions = serializers.CharField()
    lives_on = inline_serializer(
        "LivesOn",
        {
            "seen_in": serializers.CharField(
                allow_blank=True, help_text="The field of the observation that shows it."
            ),
            "parameter": serializers.CharField(
                allow_blank=True, help_text="The parameter of the action that ends it, if true."
            ),
            "action": serializers.CharField(
                allow_blank=True, help_text="The action that ends it in a later step."
            ),
            "target": serializers.DictField(
                child=serializers.CharField(),
                help_text="The fields of that step's target, with placeholders for fields of this"
                " one's; empty: the same target.",
            ),
            "before": serializers.CharField(
                allow_blank=True,
                help_text="The parameter of that step with the time before which it was opened.",
            ),
            "none": serializers.CharField(allow_blank=True, help_text="Why no action ends it."),
        },
        many=True,
        help_text="What was opened before the action and goes on after it, and what ends that.",
    )
    limits = inline_serializer(
        "Limit",
        {
            "field": serializers.CharField(help_text="The field of the observation that decides."),
            "present": serializers.CharField(help_text="Said where the field is not empty."),
            "absent": serializers.CharField(allow_blank=True),
            "unknown": serializers.CharField(help_text="Said where it was not looked at."),
            "cuts": serializers.BooleanField(help_text="Others lose it, such as its clients."),
        },
        many=True,
        help_text="What the action does not stop, or cuts, as the worker sees it at the target.",
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
    orders = serializers.ListField(child=serializers.CharField())
    limits = serializers.DictField(child=serializers.IntegerField())
