"""Which valid tokens of an AppRole a secret id minted, as far as OpenBao tells it.

OpenBao does not keep which secret id minted a token. A token has the metadata of its secret id,
which is set when the secret id is made and cannot be changed or chosen by a client, and a time. So
a token of the role is

    another's  its metadata is another than this secret id's, or it is older than this secret id
    own        its metadata is this secret id's, not empty, and no other secret id of the role has
               the same
    unclear    its metadata is this secret id's, and empty or not the only one

Once the secret id is destroyed its metadata is lost. Then a token is another's if its metadata is
not empty and that of another secret id, and unclear if not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.tlog.canonical import Json
from remediation.executors.base import Deadline
from remediation.executors.openbao_listed import let_settle
from remediation.executors.openbao_server import Api

ACCESSORS = "auth/token/accessors"
# A look reads each token of the server, because OpenBao cannot list those of one role.
MOST_TOKENS = 2_000
LOOK_SECONDS = 8.0
# Seconds are the resolution of a token's time; both times are the server's.
SLACK = timedelta(seconds=1)
_NO_END = "0001-01-01"


@dataclass(frozen=True)
class SecretId:
    """A secret id as its accessor shows it; the value is never read."""

    accessor: str
    created: datetime
    expires: str  # "" if it has no end
    uses_left: int  # 0: not counted
    metadata: Mapping[str, str]

    def to_json(self) -> dict[str, Json]:
        return {
            "accessor": self.accessor,
            "created": iso(self.created),
            "expires": self.expires or "never",
            "uses_left": self.uses_left or "not counted",
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True)
class Token:
    """A valid token of a role, by its accessor."""

    accessor: str
    since: datetime
    until: str
    metadata: Mapping[str, str]

    def __str__(self) -> str:
        until = f" until {self.until}" if self.until else ""
        return f"{self.accessor} since {iso(self.since)}{until}"


@dataclass(frozen=True)
class Tokens:
    """The valid tokens of a role, and how many of the server's were not looked at."""

    found: tuple[Token, ...]
    unseen: int


@dataclass(frozen=True)
class Minted:
    """The role's tokens by what is known of their origin."""

    own: tuple[Token, ...]
    unclear: tuple[Token, ...]


def secret_id(api: Api, mount: str, role: str, accessor: str) -> SecretId | None:
    """Return a secret id; None if there is none. Raises hvac's and requests' errors."""
    found = api.post(
        f"auth/{mount}/role/{role}/secret-id-accessor/lookup", {"secret_id_accessor": accessor}
    )
    if found is None or found.get("secret_id_accessor") != accessor:
        return None
    expires = str(found.get("expiration_time") or "")
    return SecretId(
        accessor=accessor,
        created=moment(str(found["creation_time"])),
        expires="" if expires.startswith(_NO_END) else iso(moment(expires)),
        uses_left=int(found.get("secret_id_num_uses") or 0),
        metadata=_texts(found.get("metadata")),
    )


def tokens_of(api: Api, mount: str, role: str) -> Tokens:
    """Return the valid tokens of a role, within a limit of calls and time."""
    every, unseen = scan(api)
    found = (_token(mount, role, one) for one in every)
    return Tokens(tuple(one for one in found if one is not None), unseen)


def scan(api: Api) -> tuple[list[dict[str, Any]], int]:
    """Return the server's valid tokens as looked up, within a limit of calls and time, and how
    many were not looked at."""
    every = sorted(api.list(ACCESSORS))
    let_settle(every)
    late = Deadline.within(LOOK_SECONDS)
    found: list[dict[str, Any]] = []
    for number, accessor in enumerate(every):
        if number >= MOST_TOKENS or late.passed:
            return found, len(every) - number
        token = looked_up(api, accessor)
        if token is not None:
            found.append({**token, "accessor": accessor})
    return found, 0


def minted_by(
    secret: SecretId | None, others: Sequence[SecretId], tokens: Sequence[Token]
) -> Minted:
    """Sort a role's tokens by origin; `secret` is None once it is destroyed."""
    elsewhere = [one.metadata for one in others]
    if secret is None:
        rest = [one for one in tokens if not one.metadata or one.metadata not in elsewhere]
        return Minted((), tuple(rest))
    ours = [
        one
        for one in tokens
        if one.metadata == secret.metadata and one.since >= secret.created - SLACK
    ]
    unique = bool(secret.metadata) and secret.metadata not in elsewhere
    return Minted(tuple(ours), ()) if unique else Minted((), tuple(ours))


def looked_up(api: Api, accessor: str) -> dict[str, Any] | None:
    """Return what an accessor shows of its token, never the token; None if it is not valid."""
    from hvac.exceptions import Forbidden, InvalidRequest

    let_settle([accessor])
    try:
        return api.post("auth/token/lookup-accessor", {"accessor": accessor})
    except InvalidRequest:  # it ended since it was listed
        return None
    except Forbidden as error:
        # OpenBao says 403 for a token that is ending; a missing right would refuse every one.
        if "invalid accessor" in str(error) or accessor not in api.list(ACCESSORS):
            return None
        raise


def _token(mount: str, role: str, found: Mapping[str, Any]) -> Token | None:
    """Return the token if it is one of the role."""
    metadata = _texts(found.get("meta"))
    if found.get("path") != f"auth/{mount}/login" or metadata.pop("role_name", "") != role:
        return None
    until = found.get("expire_time")
    return Token(
        accessor=str(found["accessor"]),
        since=datetime.fromtimestamp(int(found["creation_time"]), UTC),
        until=iso(moment(str(until))) if until else "",
        metadata=metadata,
    )


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def moment(text: str) -> datetime:
    """Read OpenBao's time, which has nanoseconds. Raises ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
