"""Serialise cache values as JSON, never as pickle.

Django's own serializer unpickles what it reads, so a party that can write the cache could run code
in the web process. Sessions, counters and marks are plain values; nothing else may be cached.
"""

from __future__ import annotations

import json
from typing import Any


class JSONSerializer:
    """`dumps` and `loads` for django.core.cache.backends.redis; bare integers for INCR."""

    def dumps(self, value: Any) -> bytes | int:
        if type(value) is int:
            return value
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value; None for anything that is not JSON, as if it were missing."""
        try:
            return json.loads(data)
        except ValueError:
            return None
