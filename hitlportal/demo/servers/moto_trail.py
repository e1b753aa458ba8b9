"""Simulate CloudTrail's LookupEvents, which moto does not have, from the simulator's own calls.

It keeps management events of the accounts, as CloudTrail does, and answers at once: the delay of
the real one (about 5 minutes on average, not guaranteed) is not simulated. A restart forgets them.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

MOST = 20_000
PAGE = 50
HEADERS = [("Content-Type", "application/x-amz-json-1.1")]


@dataclass(frozen=True)
class Call:
    """The parts of a request that the simulator needs."""

    key: str
    service: str
    action: str
    parameters: dict[str, str]
    address: str
    agent: str


class Trail:
    """The calls of all accounts, newest last."""

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST)

    def note(self, call: Call, account: str, status: int) -> None:
        """Keep one call of an account."""
        now = datetime.now(UTC)
        record: dict[str, Any] = {
            "eventTime": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "eventSource": f"{call.service}.amazonaws.com",
            "eventName": call.action,
            "sourceIPAddress": call.address,
            "userAgent": call.agent,
            "userIdentity": {"accountId": account, "accessKeyId": call.key},
        }
        if status >= 400:
            record["errorCode"] = "AccessDenied"
        self._events.append(
            {
                "EventId": str(uuid4()),
                "EventName": call.action,
                "EventTime": now.timestamp(),
                "EventSource": record["eventSource"],
                "AccessKeyId": call.key,
                "CloudTrailEvent": json.dumps(record),
            }
        )

    def answer(self, body: bytes, account: str) -> bytes:
        """Answer LookupEvents for an account, newest first, in pages."""
        asked = json.loads(body or b"{}")
        wanted = {
            each["AttributeKey"]: each["AttributeValue"]
            for each in asked.get("LookupAttributes", [])
        }
        found = [
            event
            for event in reversed(self._events)
            if json.loads(event["CloudTrailEvent"])["userIdentity"]["accountId"] == account
            and event["EventTime"] >= float(asked.get("StartTime", 0))
            and all(event.get(name) == value for name, value in wanted.items())
        ]
        first = int(asked.get("NextToken") or 0)
        size = min(int(asked.get("MaxResults") or PAGE), PAGE)
        answer: dict[str, Any] = {"Events": found[first : first + size]}
        if first + size < len(found):
            answer["NextToken"] = str(first + size)
        return json.dumps(answer).encode()
