"""Whether a server lets a lock count: what its own configuration and its password policy say.

Measured with OpenLDAP 2.5: the lock is written without an error at a server without the ppolicy
overlay's default policy, with a policy whose pwdLockout is FALSE, and with a policy that is not
there; and the account signs in as before. A policy of the account's own (pwdPolicySubentry) that is
missing does not fall back to the default one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remediation.executors.ldap_names import normal

if TYPE_CHECKING:
    from remediation.executors.ldap_server import Directory

_FILTER = "(|(objectClass=olcDatabaseConfig)(objectClass=olcPPolicyConfig))"
_ATTRIBUTES = ("objectClass", "olcSuffix", "olcPPolicyDefault", "olcDisabled")
_FALSE, _TRUE, _NO_SUCH_ATTRIBUTE = 5, 6, 16
Found = Mapping[str, list[bytes]]


@dataclass(frozen=True)
class Enforced:
    """`answer` is yes, no or not known; `why` says why it is not yes; `policy` is what counts."""

    answer: str
    why: str
    policy: str


def enforced(connection: Any, at: Directory, own_policy: str) -> Enforced:
    """Return whether this server lets a lock of an account count, as the observer reads it.

    `own_policy` is the account's pwdPolicySubentry; "" for none. Raises LDAPException.
    """
    configured = _configured(connection)
    database = _database_of(configured, at.base)
    if not database:
        return Enforced("not known", "the observer may not read cn=config", "")
    overlay = _overlay_of(configured, database)
    if overlay is None:
        return Enforced("no", "its database has no ppolicy overlay that is switched on", "")
    policy = own_policy or _text(overlay, "olcPPolicyDefault")
    if not policy:
        return Enforced("no", "no password policy counts for the account", "")
    return _of_policy(connection, policy)


def _of_policy(connection: Any, policy: str) -> Enforced:
    connection.compare(policy, "pwdLockout", "TRUE")
    code = connection.result["result"]
    if code == _TRUE:
        return Enforced("yes", "", policy)
    if code in (_FALSE, _NO_SUCH_ATTRIBUTE):
        return Enforced("no", f"policy {policy} does not have pwdLockout TRUE", policy)
    return Enforced(
        "not known", f"policy {policy} is not there, or the observer may not read it", policy
    )


def _configured(connection: Any) -> dict[str, Found]:
    """Return the databases and overlays by the name of their entry; empty without the right."""
    connection.search("cn=config", _FILTER, "SUBTREE", attributes=[*_ATTRIBUTES])
    return {
        str(one["dn"]): one["raw_attributes"]
        for one in connection.response or ()
        if one.get("type") == "searchResEntry"
    }


def _database_of(configured: Mapping[str, Found], base: str) -> str:
    """Return the entry of the database that has the base; "" if none is seen."""
    inner, best, found = normal(base) or (), -1, ""
    for name, each in configured.items():
        for raw in each.get("olcSuffix", ()):
            suffix = normal(raw.decode(errors="replace"))
            if suffix and inner[-len(suffix) :] == suffix and len(suffix) > best:
                best, found = len(suffix), name
    return found


def _overlay_of(configured: Mapping[str, Found], database: str) -> Found | None:
    return next(
        (
            each
            for name, each in configured.items()
            if name.lower().startswith("olcoverlay=")
            and name.partition(",")[2].lower() == database.lower()
            and b"olcppolicyconfig" in {one.lower() for one in each.get("objectClass", ())}
            and _text(each, "olcDisabled").upper() != "TRUE"
        ),
        None,
    )


def _text(found: Found, attribute: str) -> str:
    return (found.get(attribute) or [b""])[0].decode(errors="replace")
