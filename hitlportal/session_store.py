"""Sessions in the shared cache, which say so when the cache cannot be asked.

Django's own store takes an error for an empty session: people would look signed out, and be told
to sign in, where nobody can.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import cache
from django.core.cache import caches
from redis.exceptions import RedisError


class SessionStore(cache.SessionStore):
    """Django's, but errors of the cache leave it; `remediation.views.errors` has their page."""

    def load(self) -> dict[str, Any]:
        try:
            found = caches[settings.SESSION_CACHE_ALIAS].get(self.cache_key)
        except RedisError:
            raise
        except Exception:  # a cookie that makes no key is no session, as in Django's
            found = None
        if isinstance(found, dict):
            return found
        self._session_key = None
        return {}
