"""The test action with parameters that a reviewer may make smaller.

No action of the built-in catalogue has parameters yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from remediation.domain import catalogue, plan
from remediation.domain.catalogue import Narrows
from remediation.domain.catalogue.test import NOOP

NARROWABLE = replace(
    NOOP,
    parameters={
        "type": "object",
        "properties": {
            "note": {"type": "string", "maxLength": 20_000},
            "sessions": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
            "most": {"type": "integer"},
            "also_members": {"type": "boolean"},
            "spare_owner": {"type": "boolean"},
        },
        "required": [],
        "additionalProperties": False,
    },
    narrows={
        "sessions": Narrows.SUBSET,
        "most": Narrows.SMALLER,
        "also_members": Narrows.TO_FALSE,
        "spare_owner": Narrows.TO_TRUE,
    },
)


@contextmanager
def narrowing_test_action() -> Iterator[None]:
    """Put it in the catalogue for the block."""
    actions = catalogue._actions
    before = actions[NOOP.kind]
    actions[NOOP.kind] = NARROWABLE
    plan._validator.cache_clear()
    try:
        yield
    finally:
        actions[NOOP.kind] = before
        plan._validator.cache_clear()
