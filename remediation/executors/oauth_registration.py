"""Where a client that registered itself is deleted (RFC 7592), and with what.

[oauth.<issuer>]
registration_origin = "https://register.example"    optional: unless it is the introspection's
[oauth.<issuer>.clients.x1]
client_configuration_endpoint = "https://login.example/register/x1"
registration_token_file = "oauth-x1.registration"   the operator's: it can delete the client

A registration token is for one client. So the address must name that client, and lie at the
provider: a slip in the file must not send the token elsewhere, or delete another client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from remediation.executors.section import Secret, Section, TargetsFileInvalid

# Printable, and nothing that a library or server could read in another way.
_PLAIN = re.compile(r"[!-~]+")
# Parameters that could name a client: none of them may name another one.
_NAMING = frozenset({"client", "clientid", "clientname", "cid", "id", "app", "appid"})
_LETTERS = re.compile(r"[^a-z]")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Registration:
    """The address of one client at its provider, and the token that deletes it."""

    endpoint: str = field(repr=False)  # some providers have a secret in it
    token: Secret

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc


def registration(
    section: Section, client_id: str, endpoint: str, origins: tuple[str, ...]
) -> Registration:
    """Read how one client is deleted. Raises TargetsFileInvalid."""
    if origin_of(endpoint) not in map(origin_of, origins):
        raise TargetsFileInvalid(
            f"oauth client {client_id!r}: its client_configuration_endpoint is at another host than"
            " the introspection; registration_origin names that one"
        )
    if not names(endpoint, client_id):
        raise TargetsFileInvalid(
            f"oauth client {client_id!r}: its client_configuration_endpoint does not name it, as"
            " the last part of the path or as client_id in the query, or names another one, too"
        )
    return Registration(endpoint, section.secret_file("registration_token"))


def origin_of(address: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address that was checked already."""
    where = urlsplit(address)
    return where.scheme, (where.hostname or "").lower(), where.port or _PORTS.get(where.scheme, 0)


def is_origin(address: str) -> bool:
    """Return whether the address is a scheme and a host, with nothing behind."""
    where = urlsplit(address)
    return not (where.path.strip("/") or where.query or where.fragment)


def names(endpoint: str, client_id: str) -> bool:
    """Return whether the address names exactly this client."""
    where = urlsplit(endpoint)
    if not _PLAIN.fullmatch(endpoint) or "\\" in endpoint:
        return False
    parts = where.path.removesuffix("/").split("/")
    # Libraries and proxies resolve dots: the client of that address would be another one.
    if any(_text(part) in (".", "..") for part in parts):
        return False
    asked = _query(where)
    if asked is None:
        return False
    named = {name: value for name, value in asked if _LETTERS.sub("", name.lower()) in _NAMING}
    if any(value != client_id for name, value in asked if name in named):
        return False
    return _text(parts[-1]) == client_id or "client_id" in named


def _text(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        return ""


def _query(where: SplitResult) -> list[tuple[str, str]] | None:
    """Return the query's pairs; None if it cannot be read in one way only."""
    if not where.query:
        return []
    try:
        return parse_qsl(
            where.query, keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=20,
        )  # fmt: skip
    except ValueError:
        return None
