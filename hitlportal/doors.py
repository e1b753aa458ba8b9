"""Find the address of a request, and count failed sign-ins so that strangers lock nobody out.

Failures are counted by address, and by account and address together. Never by the account alone:
then anybody who knows a name could keep its person out (docs/attacks.md A74). What this leaves
open is guessing one password from many addresses. A password alone opens nothing (promise 5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from allauth.core.internal import ratelimit
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from django.http import HttpRequest

# Of a request through a Unix socket without a proxy that says more: one address for all of them.
UNKNOWN = "unknown"


def address(request: HttpRequest) -> str:
    """Return the client's address: as many proxies back as the settings say, else the socket's.

    Each proxy appends the address that it saw. What stands further left was sent by the client,
    who may write anything there. With fewer entries than proxies the request did not come through
    all of them, and no entry can be believed.
    """
    hops = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    seen = [entry for entry in request.headers.get("X-Forwarded-For", "").split(",") if entry]
    if hops and len(seen) >= hops:
        found = _parsed(seen[-hops])
        if found:
            return found
    return _parsed(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def _parsed(text: str) -> str:
    """Return the address without brackets or port; nothing when it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def knock(request: HttpRequest, account: str) -> ratelimit.RateLimitUsage | None:
    """Count an attempt to open this account from this address; None when there were too many.

    The caller takes it back when the attempt succeeds. An attempt that is refused is not counted:
    a person who waits gets in, however often she tried meanwhile.
    """
    limits: dict[str, Any] = {
        "app": "allauth.account",
        "action": "login_failed",
        "key": f"{account.casefold()} from {ratelimit.get_ip(request)}",
    }
    if ratelimit.consume(request, dry_run=True, **limits) is None:
        return None
    found: ratelimit.RateLimitUsage | None = ratelimit.consume(request, **limits)
    return found


@register("doors", deploy=True)
def check_hops(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report a web process behind a proxy that is not told how many proxies there are."""
    if settings.PROCESS != "web" or not settings.SECURE_PROXY_SSL_HEADER or settings.PROXY_HOPS:
        return []
    text = "HITL_BEHIND_TLS_PROXY is set and HITL_PROXY_HOPS is not; one proxy is assumed"
    hint = (
        "Count the proxies that append to X-Forwarded-For, or replace it. With too few, all people"
        " share a proxy's address and its limits; with too many, clients choose their address."
    )
    return [Warning(text, hint=hint, id="hitlportal.W030")]
