"""Read the webhook section of the targets file, and ask a receiver.

[webhook.<receiver>]
url = "https://automation.example.org/hooks/hitlportal"
tasks = ["isolate-host", "rotate-key"]       what the portal may ask it for
ca_file = "automation-ca.pem"                 optional: its own certificate authority
observe_secret = "whsec_…"                    or observe_secret_file: signs questions
operate_secret_file = "operate.webhook"       signs what starts a task; another secret
environment = "production"                    optional, see targets.py

Only this file names hosts (docs/attacks.md A62). No redirect is followed, an answer is read up to
64 KiB, and a proxy of the environment is not used.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from ssl import SSLCertVerificationError
from typing import Any, ClassVar
from urllib.parse import urlsplit

from audit.tlog import canonical
from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.cut_after import cut_after
from remediation.executors.driver import Places
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.libraries import STANDARD_WEBHOOKS
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
# For a whole call, however slowly its bytes come.
WHOLE_SECONDS = 12.0
MOST_ANSWER = 65_536
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# 24 to 64 bytes in base64 (Standard Webhooks 1.0.0, "Signature scheme").
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")


@dataclass(frozen=True)
class Receiver:
    """One automation: its address, its tasks, and the secrets of both logins."""

    url: str
    tasks: tuple[str, ...]
    observer: Secret
    operator: Secret
    ca_file: Path | None
    environment: str = ""


@dataclass(frozen=True)
class Receivers(Places):
    """All receivers of a worker, by name."""

    provider: ClassVar[str] = "webhook"
    receivers: Mapping[str, Receiver]

    def environment(self, target: Target) -> str:
        found = self.receivers.get(target.fields["receiver"])
        return found.environment if found is not None else ""


def read(section: Section) -> Receivers:
    return Receivers(section.each(_receiver))


def receiver(targets: Targets, name: str) -> Receiver:
    """Return a receiver. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Receivers)
    if places is None or name not in places.receivers:
        raise TargetUnobservable(f"this worker has no receiver {name}")
    return places.receivers[name]


def _receiver(section: Section, name: str) -> Receiver:
    if not NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a receiver")
    url, tasks = section.text("url"), section.texts("tasks")
    if wrong := [task for task in tasks if not NAME.fullmatch(task)]:
        raise TargetsFileInvalid(f"webhook {name}: {wrong[0]!r} is not the name of a task")
    _refuse_url(url, name)
    return Receiver(
        url=url,
        tasks=tasks,
        observer=section.secret("observe_secret"),
        operator=section.secret_file("operate_secret"),
        ca_file=section.path("ca_file") if section.has("ca_file") else None,
        environment=section.environment(),
    )


def _refuse_url(url: str, name: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username is not None or parts.fragment or not host:
        raise TargetsFileInvalid(f"webhook {name}: url names a host, without user and fragment")
    inside = _address(host)
    if inside is not None and (inside.is_link_local or inside.is_unspecified):
        raise TargetsFileInvalid(f"webhook {name}: url points to the machine's own network")
    loopback = host == "localhost" or (inside is not None and inside.is_loopback)
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise TargetsFileInvalid(f"webhook {name}: url is https, or on the loopback address")


def _address(host: str) -> Any:
    try:
        return ip_address(host)
    except ValueError:
        return None


# ---- calls ---------------------------------------------------------------------------------------


class NoAnswer(Exception):
    """No valid answer came; `sent`: whether the receiver may have got the message."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


def ask(
    at: Receiver, secret: str, message_id: str, kind: str, data: Mapping[str, Json]
) -> tuple[int, Mapping[str, Any]]:
    """Send a signed message; return the status and the JSON object of the answer.

    Raises NoAnswer, whose text holds nothing of the answer: it may quote what was sent.
    """
    import requests  # extra "webhook"; loaded here because it is slow

    now = datetime.now(UTC)
    body = canonical.encode(
        {"type": kind, "timestamp": now.isoformat(timespec="seconds"), "data": dict(data)}
    )
    headers = _signed(secret, message_id, now, body)
    with requests.Session() as session, cut_after(session, WHOLE_SECONDS):
        session.trust_env = False
        try:
            with session.post(
                at.url,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                verify=str(at.ca_file) if at.ca_file else True,
                allow_redirects=False,
                stream=True,
            ) as answer:
                return answer.status_code, _read(answer)
        except requests.exceptions.ConnectTimeout:
            raise NoAnswer("it cannot be reached", sent=False) from None
        except requests.exceptions.ConnectionError as error:
            raise NoAnswer("the connection failed", sent=not _unsent(error)) from None
        except requests.exceptions.RequestException as error:
            raise NoAnswer(type(error).__name__, sent=True) from None


def _signed(secret: str, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks 1.0.0. Raises NoAnswer."""
    try:
        from standardwebhooks import Webhook  # extra "webhook"
    except ImportError:
        raise NoAnswer(STANDARD_WEBHOOKS.missing, sent=False) from None
    if not SECRET.fullmatch(secret):
        raise NoAnswer("the secret is not of the form whsec_…, of 24 to 64 bytes", sent=False)
    return {
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": "hitlportal",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
    }


def _unsent(error: Exception) -> bool:
    """Return whether no connection was made, or its certificate not accepted: nothing was sent.

    Any other error of TLS can come after the message was sent.
    """
    from urllib3.exceptions import NewConnectionError

    tried = error.args[0] if error.args else None  # urllib3's MaxRetryError
    reason = getattr(tried, "reason", None)
    inner = reason.args[0] if reason is not None and reason.args else None
    return isinstance(reason, NewConnectionError) or isinstance(inner, SSLCertVerificationError)


def _read(answer: Any) -> Mapping[str, Any]:
    """Return the answer's JSON object; empty if it has none. Raises NoAnswer."""
    end, body = time.monotonic() + READ_SECONDS, b""
    for piece in answer.iter_content(8_192):
        body += piece
        if len(body) > MOST_ANSWER or time.monotonic() > end:
            raise NoAnswer("its answer is too long, or comes too slowly", sent=True)
    try:
        said = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def unobservable(name: str, why: object) -> TargetUnobservable:
    return TargetUnobservable(f"receiver {name}: {why}")


def not_done(name: str, error: NoAnswer) -> NotApplied | OutcomeUnknown:
    """Return what a failed call that starts a task means."""
    return (OutcomeUnknown if error.sent else NotApplied)(f"receiver {name}: {error}")
