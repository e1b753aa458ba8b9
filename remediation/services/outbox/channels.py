"""Read the operator's file of channels: mail, and what Apprise can send to.

Only this file names hosts; no person and no agent can (docs/attacks.md A62). It lies on the
worker's host, because its addresses are secrets; the database holds names only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from remediation.domain import inert
from remediation.domain.slots import KEY_ROLES
from remediation.domain.telling import Kind

MAIL = "mail"
# Schemes of Apprise that only speak HTTPS (or HTTP, inside a network) to a host that the URL names.
SERVICES: Mapping[str, str] = MappingProxyType(
    {
        "slack": "Slack",
        "workflow": "Teams",
        "workflows": "Teams",
        "pagerduty": "PagerDuty",
        "opsgenie": "Opsgenie",
        "mmost": "Mattermost",
        "mmosts": "Mattermost",
        "gchat": "Google Chat",
        "ntfy": "ntfy",
        "ntfys": "ntfy",
        "json": "Webhook",
        "jsons": "Webhook",
    }
)
# Options of URLs that read files, attach something, or follow an answer to another host.
FORBIDDEN = frozenset({"template", "attach", "config", "include", "redirect", "retry", "wait"})
# Whom a team's channel tells; administrators see it fail.
ROLES = (*KEY_ROLES, "user_admin", "agent_admin", "inventory_editor", "auditor")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_KEYS = frozenset({"url", "url_file", "roles", "kinds", "person", "title"})


class ChannelsInvalid(Exception):
    """The file of channels cannot be used; the text names channel and reason, never an address."""


@dataclass(frozen=True)
class Channel:
    """One way to reach a team, or one person; ``url`` is a secret."""

    name: str
    service: str
    title: str
    url: str = ""
    # A team's: it tells once what anybody of these roles is to be told.
    roles: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = tuple(Kind)
    # One person's own, by username; empty for mail, which is everybody's own.
    username: str = ""

    @property
    def personal(self) -> bool:
        return not self.roles

    def __repr__(self) -> str:
        return f"Channel({self.name})"


BY_MAIL = Channel(MAIL, "Mail", "Mail")


def load() -> tuple[Channel, ...]:
    """Return mail and the channels of the operator's file. Raises ChannelsInvalid."""
    if not settings.CHANNELS_FILE:
        return (BY_MAIL,)
    path = Path(settings.CHANNELS_FILE)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ChannelsInvalid(f"the file of channels cannot be read: {_why(error)}") from None
    if set(table) - {"channels"} or not isinstance(table.get("channels", {}), dict):
        raise ChannelsInvalid("the file of channels may hold only [channels.NAME] sections")
    found = [_channel(name, given, path) for name, given in table.get("channels", {}).items()]
    return (BY_MAIL, *found)


def _channel(name: str, given: Any, folder: Path) -> Channel:
    if not _NAME.fullmatch(name) or name == MAIL:
        raise ChannelsInvalid(
            "a name of a channel has small letters, digits, - and _; mail is taken"
        )
    if not isinstance(given, dict) or set(given) - _KEYS:
        raise ChannelsInvalid(f"{name}: only {', '.join(sorted(_KEYS))} may stand here")
    url = _url(name, given, folder)
    roles, kinds = _words(name, given, "roles"), _words(name, given, "kinds")
    person = given.get("person", "")
    if not isinstance(person, str) or bool(roles) == bool(person):
        raise ChannelsInvalid(f"{name}: say either roles, or the one person whose channel it is")
    if set(roles) - set(ROLES):
        raise ChannelsInvalid(f"{name}: roles are {', '.join(ROLES)}")
    unknown = sorted(set(kinds) - {kind.value for kind in Kind})
    if unknown:
        raise ChannelsInvalid(f"{name}: no kind of notice is named {unknown[0][:40]!r}")
    service = SERVICES[urlsplit(url).scheme]
    title = given.get("title", service)
    if not isinstance(title, str) or not 0 < len(title) <= 60 or inert.line(title) != title:
        raise ChannelsInvalid(f"{name}: a title has 1 to 60 characters in one line")
    chosen = tuple(Kind(kind) for kind in kinds) or tuple(Kind)
    return Channel(name, service, title, url, roles, chosen, person)


def _url(name: str, given: Mapping[str, Any], path: Path) -> str:
    url, file = given.get("url", ""), given.get("url_file", "")
    if bool(url) == bool(file) or not isinstance(url, str) or not isinstance(file, str):
        raise ChannelsInvalid(f"{name}: say either url or url_file")
    if file:
        try:
            url = (path.parent / file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ChannelsInvalid(f"{name}: url_file cannot be read: {_why(error)}") from None
    try:
        parts = urlsplit(url)
        options = {key.lower().lstrip("+-:") for key, _ in parse_qsl(parts.query)}
    except ValueError:
        raise ChannelsInvalid(f"{name}: this is no URL") from None
    if parts.scheme not in SERVICES:
        raise ChannelsInvalid(f"{name}: the URL must begin with one of {', '.join(SERVICES)}")
    if options & FORBIDDEN:
        raise ChannelsInvalid(f"{name}: the URL may not have {', '.join(sorted(FORBIDDEN))}")
    return url


def _words(name: str, given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ChannelsInvalid(f"{name}: {key} is a list of words")
    return tuple(value)


def _why(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "it is not valid"
