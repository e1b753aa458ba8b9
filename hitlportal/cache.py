"""What goes into the cache and comes out of it: JSON, never pickle.

Django's own serializer unpickles what it reads: whoever can write the cache could run code in the
web process. Sessions, counters and marks are plain values; nothing else may be cached.
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
        """What cannot be read is not there: a foreign value is a missing one."""
        try:
            return json.loads(data)
        except ValueError:
            return None
