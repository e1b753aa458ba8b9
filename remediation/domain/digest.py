"""Compute domain-separated digests: bytes of two kinds never have the same digest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256


class Kind(StrEnum):
    """The kinds of bodies that have a digest."""

    PLAN = "plan"
    DIAGNOSIS = "diagnosis"
    SCOPE = "scope"
    RULING = "ruling"
    PIN = "pin"
    CHECKS = "checks"
    OBSERVATION = "observation"
    STATEMENT = "statement"
    HALT = "halt"
    NARROWING = "narrowing"
    SEEN = "seen"
    ACT = "act"
    ACT_INPUT = "act_input"


def digest(kind: Kind, body: bytes) -> str:
    """Return the hex SHA-256 of "hitlportal/" + kind + "/v1" + NUL + body. Must never change."""
    return sha256(domain(kind).encode() + b"\0" + body).hexdigest()


def domain(kind: Kind) -> str:
    """Return the prefix of the body, so that bytes of two kinds never have the same digest."""
    return f"hitlportal/{kind.value}/v1"


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests that a review signs: reviews count together only if all six are equal."""

    plan: str
    diagnosis: str
    scope: str
    ruling: str
    pin: str
    checks: str

    @classmethod
    def of(
        cls,
        *,
        plan: bytes,
        diagnosis: bytes,
        scope: bytes,
        ruling: bytes,
        pin: bytes,
        checks: bytes,
    ) -> Digests:
        """Compute the six digests from the six canonical bodies."""
        return cls(
            plan=digest(Kind.PLAN, plan),
            diagnosis=digest(Kind.DIAGNOSIS, diagnosis),
            scope=digest(Kind.SCOPE, scope),
            ruling=digest(Kind.RULING, ruling),
            pin=digest(Kind.PIN, pin),
            checks=digest(Kind.CHECKS, checks),
        )
