"""An attack with a database login: its statements, the name of its refusal, and its control.

The control removes a protection as the owner (a guard trigger, a constraint, a revoked
privilege). The attack must then succeed, or the test proves nothing about the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest
from django.db import Error, connection

from tests.database.world import World

# What PostgreSQL says when a privilege is missing, and what an append-only table says.
DENIED = "permission denied"
APPEND_ONLY = "append-only"


@dataclass(frozen=True)
class Attack:
    """`refusal` is the violated constraint's name, or words of the message (DENIED)."""

    run: Callable[[World], object]
    login: str
    refusal: str
    control: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.run.__name__.removeprefix("_")


Run = TypeVar("Run", bound=Callable[[World], object])


def attack(book: list[Attack], login: str, refusal: str, *control: str) -> Callable[[Run], Run]:
    """Add a function to a table of attacks."""

    def enter(run: Run) -> Run:
        book.append(Attack(run, login, refusal, control))
        return run

    return enter


def off(table: str, trigger: str = "guard") -> str:
    """Control: disable this guard."""
    return f"ALTER TABLE public.remediation_{table} DISABLE TRIGGER {trigger}"


# Control: every login writes any entry.
WRITER_OFF = "ALTER TABLE audit.entry DISABLE TRIGGER writer"


def dropped(table: str, constraint: str) -> str:
    """Control: drop this constraint."""
    return f"ALTER TABLE public.remediation_{table} DROP CONSTRAINT {constraint}"


def granted(privilege: str, table: str, login: str) -> str:
    """Control: grant the privilege to the login."""
    return f"GRANT {privilege} ON public.remediation_{table} TO {login}"


@contextmanager
def refused(refusal: str) -> Iterator[None]:
    """Require that the block fails with exactly this name (or, for privileges, these words)."""
    with pytest.raises((Error, psycopg.Error)) as caught:
        yield
    assert refusal in said(caught.value), f"refused by {said(caught.value)}, not by {refusal}"


def said(error: BaseException) -> tuple[str, ...]:
    """Return the names of the refusal: the constraint, or the missing privilege."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    assert isinstance(cause, psycopg.Error)
    message = cause.diag.message_primary or ""
    words = tuple(w for w in (DENIED, APPEND_ONLY, "a state moves by a transition") if w in message)
    return (cause.diag.constraint_name or message, *words)


def sql(statement: str, *values: str | int | UUID) -> None:
    """Run one statement on the default connection."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
