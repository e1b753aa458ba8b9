"""What people who look now see of a role beyond its pin: its sessions by client, and whether a
leaked password is the one in force.

The comparison asks functions of hitl_ops that version 4 brought. The password never leaves this
process: its keys are derived here with the role's salt, and only their hash with a challenge of the
target is sent, as a parameter.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Candidate, Compared, Deadline, Executor
from remediation.executors.postgres_cluster import PostgresTarget, cluster
from remediation.executors.postgres_session import Connection, NotUsable, session, words
from remediation.executors.saslprep import saslprep
from remediation.executors.targets import Targets

SECONDS = 8.0
# The version of hitl_ops with these functions; steps need an older one only.
NEEDED = 4
# hitl_ops.secret_in_force takes no more in one call.
IN_ONE_CALL = 64
# HMAC computations of one comparison, some seconds: a target may ask for millions of iterations.
MOST_WORK = 4_000_000
# Fewer would make a guess too cheap for whoever imitates a target (RFC 7677, section 4).
LEAST_ITERATIONS, LEAST_SALT = 4096, 8
# Findings that can be a password of a role; a private key or another vendor's token cannot.
RULES = ("connection_string", "assigned_secret", "repeated_secret")

_VERSION = "SELECT hitl_ops.version() AS version"
_PLACES = "SELECT * FROM hitl_ops.session_places(%s::oid)"
CHALLENGE = "SELECT * FROM hitl_ops.secret_challenge(%s)"
IN_FORCE = "SELECT hitl_ops.secret_in_force(%s, %s::oid, %s::bytea[]) AS answers"

NO_PASSWORD = "the role has no password"  # noqa: S105  words
TOO_MANY = "too many secrets to compare all of them"
_WHY = {
    "unreadable": "the functions on the target may not read verifiers: a superuser has to install"
    " hitl_ops.sql",
    "other": "the role's verifier has a form that the portal does not know",
}


@dataclass(frozen=True)
class Salt:
    """What a candidate's proof is made with."""

    kind: str
    role: str
    iterations: int
    salt: bytes
    challenge: bytes


def session_places(
    name: str, target: PostgresTarget, oid: int, *, portal: int | None
) -> list[Json] | None:
    """Return the role's sessions on the primary by client, in words; None if they are not told."""
    try:
        with _session(target, portal) as connection:
            if _version(connection) < NEEDED:
                return None
            return [_place(each) for each in connection.execute(_PLACES, [oid]).fetchall()]
    except (psycopg.Error, NotUsable) as error:
        raise TargetUnobservable(f"server {name}: {words(error)}") from error


def _place(row: dict[str, Any]) -> Json:
    count = row["sessions"]
    return {
        "from": row["address"],
        "program": row["application_name"] or "unnamed",
        "sessions": count,
        "last active": f"{row['last_activity']:%Y-%m-%d %H:%M:%S}Z" if row["last_activity"] else "",
    }


def compare(
    name: str,
    target: PostgresTarget,
    role: str,
    candidates: Sequence[Candidate],
    *,
    portal: int | None,
) -> Compared:
    """Return which candidates are the role's password. Raises TargetUnobservable."""
    place = f"server {name}"
    nothing = (None,) * len(candidates)
    try:
        with _session(target, portal) as connection, connection.transaction():
            version = _version(connection)
            if version < NEEDED:
                why = f"hitl_ops on the target has version {version}; {NEEDED} can compare"
                return Compared(nothing, place, why)
            row = connection.execute(CHALLENGE, [role]).fetchone()
            assert row is not None
            if row["kind"] == "none":
                return Compared((False,) * len(candidates), place, NO_PASSWORD)
            if row["kind"] in _WHY:
                return Compared(nothing, place, _WHY[row["kind"]])
            return _compare(connection, place, role, row, candidates)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
        # Refused by managed_role.
        return Compared(nothing, place, words(error).partition(" CONTEXT")[0])
    except (psycopg.Error, NotUsable) as error:
        raise TargetUnobservable(f"server {name}: {words(error)}") from None


def _compare(
    connection: Connection,
    place: str,
    role: str,
    row: dict[str, Any],
    candidates: Sequence[Candidate],
) -> Compared:
    salt = salt_of(role, row)
    if salt.kind == "scram" and (salt.iterations < LEAST_ITERATIONS or len(salt.salt) < LEAST_SALT):
        why = "the role's verifier is too weak to be compared: few iterations, or a short salt"
        return Compared((None,) * len(candidates), place, why)
    asked = [(at, value) for at, one in enumerate(candidates) if one.rule in RULES
             for value in one.values]  # fmt: skip
    most = MOST_WORK // salt.iterations
    found: set[int] = set()
    for at in range(0, min(len(asked), most), IN_ONE_CALL):
        part = asked[at : min(at + IN_ONE_CALL, most)]
        proofs = [proof_of(value, salt) for _, value in part]
        answer = connection.execute(IN_FORCE, [role, row["role"], proofs]).fetchone()
        assert answer is not None
        found |= {which for (which, _), yes in zip(part, answer["answers"], strict=True) if yes}
    left = {at for at, _ in asked[most:]} - found
    return Compared(
        tuple(_answer(at, one, found, left) for at, one in enumerate(candidates)),
        place,
        TOO_MANY if left else "",
    )


def _answer(at: int, one: Candidate, found: set[int], left: set[int]) -> bool | None:
    if at in found:
        return True
    return None if at in left or one.rule not in RULES or not one.values else False


def salt_of(role: str, row: Mapping[str, Any]) -> Salt:
    """Return what hitl_ops.secret_challenge answered."""
    return Salt(
        row["kind"],
        role,
        row["iterations"] or 1,
        base64.b64decode(row["salt"] or ""),
        bytes(row["challenge"]),
    )


def proof_of(value: str, salt: Salt) -> bytes:
    """Return the hash of the challenge and what the target stores if this is the password."""
    if salt.kind == "md5":
        digest = hashlib.md5(f"{value}{salt.role}".encode(), usedforsecurity=False).hexdigest()
        stored = f"md5{digest}".encode()
    else:
        salted = hashlib.pbkdf2_hmac("sha256", saslprep(value), salt.salt, salt.iterations)
        stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hashlib.sha256(salt.challenge + stored).digest()


def _version(connection: Connection) -> int:
    row = connection.execute(_VERSION).fetchone()
    return int(row["version"]) if row else 0


def _session(target: PostgresTarget, portal: int | None) -> Any:
    return session(
        target.observe(), portal=portal, deadline=Deadline.within(SECONDS), read_only=True
    )


class LiveRole(Executor):
    """What every action on a role tells people who look now."""

    def live(self, step: Step, targets: Targets) -> Observation:
        """Add the sessions on the primary by client, where hitl_ops there tells them."""
        seen = self.observe(step, targets)
        if not seen.exists:
            return seen
        name = step.target.fields["cluster"]
        places = session_places(
            name,
            cluster(targets, name),
            int(str(seen.state["oid"])),
            portal=targets.portal_system_identifier,
        )
        more = {} if places is None else {"session_places": places}
        return replace(seen, shown={**seen.shown, **more})

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        name = step.target.fields["cluster"]
        return compare(
            name,
            cluster(targets, name),
            step.target.fields["role"],
            candidates,
            portal=targets.portal_system_identifier,
        )
