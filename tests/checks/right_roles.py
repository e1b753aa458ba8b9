"""Right stories about database roles."""

from __future__ import annotations

from datetime import datetime

from remediation.domain.checks import Neighbour
from tests.checks.records import lines
from tests.checks.tale import Tale, postgres


def orders_role() -> Tale:
    said = lines("app_orders")
    at = {part: n for n, line in enumerate(said) for part in [line.message]}
    claims = [
        (
            "Role app_orders asked for the password hashes of roles and was refused.",
            [
                at["statement: select rolpassword from pg_authid"],
                at["permission denied for table pg_authid"],
            ],
        ),
        (
            "It tried to run a program on the server; PostgreSQL refused that too.",
            [at["statement: copy (select 1) to program 'id'"]],
        ),
        (
            "Three tables that it has no right to read were tried, each in vain.",
            [n for n, line in enumerate(said) if "permission denied for table c" in line.message],
        ),
    ]
    near = ("app_orders_ro", "app_orders_rw", "app_orders2")
    return postgres(
        said,
        "app_orders",
        claims,
        neighbours=tuple(
            Neighbour(f"postgres.role:orders-db/{name}") for name in ("app_orders", *near)
        ),
    )


def glass() -> Tale:
    """A service about glass that breaks, and one of an emergency room: no break-glass account."""
    said = lines("billing_sync")
    tale = postgres(
        said, "billing_sync", [("Role billing_sync ran psql, as it never did.", [0, 1])]
    )
    tale.world["neighbours"] = (
        Neighbour("postgres.role:orders-db/billing_sync", "Glass breakage claims, emergency room"),
        Neighbour("postgres.role:orders-db/break_glass", "Break-glass administrator"),
    )
    return tale


def few_sessions() -> Tale:
    """Seen minutes ago, in the evidence itself; no session is open now."""
    tale = orders_role()
    last = "2026-11-26 22:31:53+00"
    tale.world["assessed_at"] = datetime.fromisoformat("2026-11-26T22:36:00Z")
    return tale.see(sessions=0, last_activity=last)


def denied_setting() -> Tale:
    """It tried to switch statement logging off, without success."""
    said = lines("app_orders")
    numbers = [n for n, line in enumerate(said) if "log_statement" in line.message]
    claims = [
        ("It tried to switch statement logging off (ALTER SYSTEM); permission denied.", numbers)
    ]
    return postgres(said, "app_orders", claims)
