"""kombu's transport for Valkey and Redis, for lists that anybody with the password can fill.

kombu takes an item off the list, and then raises at whatever is not a message in its own form. That
ends the worker. Here such an item is dropped, with one line in the log.
"""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from kombu.transport import redis as kombu_redis

from hitlportal import strict

# Its stubs know only the names that every transport has.
redis: Any = kombu_redis
logger = logging.getLogger(__name__)

PROPERTIES = {
    "correlation_id",
    "reply_to",
    "delivery_mode",
    "delivery_info",
    "expiration",
    "priority",
    "body_encoding",
    "delivery_tag",
}
MAX_TEXT = 8192  # of a body in base64


def is_message(item: Any) -> bool:
    """Return whether kombu can make a message of it, keep it, and give it back."""
    if not isinstance(item, dict) or not isinstance(item.get("headers"), dict):
        return False
    text, properties = item.get("body"), item.get("properties")
    if not isinstance(text, str) or len(text) > MAX_TEXT or not isinstance(properties, dict):
        return False
    tag, info = properties.get("delivery_tag"), properties.get("delivery_info")
    return (
        properties.keys() <= PROPERTIES
        and properties.get("body_encoding") == "base64"
        and properties.get("priority") == 0
        and isinstance(tag, str)
        and strict.ID.fullmatch(tag) is not None
        and isinstance(info, dict)
        and isinstance(info.get("routing_key"), str)
        and info.get("exchange") in ("", info["routing_key"])
    )


class Channel(redis.Channel):  # type: ignore[misc]
    """Drops what cannot be read."""

    def _brpop_read(self, **options: Any) -> Any:
        known = (Empty, *self.connection_errors, *self.connection.channel_errors)
        try:
            return super()._brpop_read(**options)
        except known:
            raise
        except Exception as error:
            # The item is off the list already, so there is nothing to acknowledge.
            logger.warning("an item of a queue was dropped: %s", type(error).__name__)
            return True


class Transport(redis.Transport):  # type: ignore[misc]
    """Hands on only what has the form of a message of kombu, for the queue that it came by."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if (
            not is_message(message)
            or message["properties"]["delivery_info"]["routing_key"] != queue
        ):
            logger.warning("an item of a queue was dropped: no message")
            return
        super()._deliver(message, queue)
