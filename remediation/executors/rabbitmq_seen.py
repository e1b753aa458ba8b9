"""What is shown of a user of RabbitMQ and of its connections; pure, and without a secret."""

from __future__ import annotations

from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.observation import Observation
from remediation.executors.base import GONE
from remediation.executors.rabbitmq_calls import OFF, Account, Opened

MOST_NAMES = 50
# Clients choose some of these texts.
MOST_CHARACTERS = 100


def observation(account: Account, before: datetime | None) -> Observation:
    """Return a user as it was read; `before`: the time that a plan names."""
    if not account.exists:
        return GONE
    old = [one for one in account.opened if before and one.is_older(before) is not False]
    shown: dict[str, Json] = {
        "connections": len(account.opened),
        "old_connections": len(old) if before else None,
        "addresses": _names(account, "peer_host"),
        "protocols": _names(account, "protocol"),
        "own_limit": account.limit or 0,
        "tags": None if account.tags is None else [*account.tags[:MOST_NAMES]],
        "stream_listeners": [*account.stream_listeners[:MOST_NAMES]],
    }
    status = "off" if account.limit == OFF else "on"
    return Observation(True, {"status": status}, shown, False)


def _names(account: Account, field: str) -> list[Json]:
    found = {_text(one, field) for one in account.opened}
    return [*sorted(found - {""})[:MOST_NAMES]]


def connection(opened: Opened) -> dict[str, Json]:
    """Return one connection for the evidence; what statistics do not have yet is empty."""
    since, channels = opened.since, opened.details.get("channels")
    product = opened.details.get("client_properties")
    return {
        "name": opened.name[:MOST_CHARACTERS],
        "address": _text(opened, "peer_host"),
        "protocol": _text(opened, "protocol"),
        "vhost": _text(opened, "vhost"),
        "client_name": _text(opened, "user_provided_name"),
        "client": str(product.get("product", ""))[:MOST_CHARACTERS]
        if isinstance(product, dict)
        else "",
        "since": instant.dump(since) if since else "",
        "channels": channels if isinstance(channels, int) else None,
        "tls": opened.details.get("ssl") is True,
    }


def _text(opened: Opened, field: str) -> str:
    value = opened.details.get(field)
    return value[:MOST_CHARACTERS] if isinstance(value, str) else ""
