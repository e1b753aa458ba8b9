"""Limit how often one person changes something (docs/attacks.md A89).

Each change and each refusal is an entry of the log, which is kept for ever. A stolen session or a
script in a loop could fill the disk with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from remediation.domain.errors import Throttled
from remediation.models import User
from remediation.services.access import record_refusal
from remediation.views import refusals

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
# Who uses up a person's limit with a stolen session must not keep them from stopping a run, or
# from ending that session.
ALWAYS = frozenset({"halt", "halt_sign", "account_logout"})


class WriteLimitMiddleware:
    """Answers 429 to more than HITL_WRITES_PER_MINUTE writing requests of one person a minute.

    The answer shows what was typed. Halting and signing out have no limit. Its
    refusals are counted by the minute, not each recorded.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponse | None:
        """Run after the check of the CSRF token, so that no other site uses up the limit."""
        match = request.resolver_match
        if request.method in SAFE or (match is not None and match.view_name in ALWAYS):
            return None
        if not isinstance(request.user, User):
            return None
        minute, second = divmod(int(time.time()), 60)
        key = f"writes:{request.user.person}:{minute}"
        cache.add(key, 0, timeout=120)
        if cache.incr(key) <= settings.WRITES_PER_MINUTE:
            return None
        record_refusal.count_unknown(f"throttled:{request.user.person}", minute)
        return _refused(request, 60 - second)


def _refused(request: HttpRequest, seconds: int) -> HttpResponse:
    refusal = Throttled(seconds)
    if request.content_type == "application/json":
        answer: HttpResponse = refusals.problem(refusal)
    else:
        typed = request.POST.copy()
        for name in [name for name in typed if "password" in name]:
            del typed[name]  # the page shows what was typed
        request.POST = typed  # type: ignore[assignment]
        answer = refusals.refused_page(request, refusal)
    answer.headers["Retry-After"] = str(seconds)
    return answer
