"""The calls that a PostgreSQL log shows: carried out, refused, or cut off by a killed server."""

from __future__ import annotations

import pytest

from tests.kills.target_log import read

DISABLE = "LOG:  execute <unnamed>: SELECT hitl_ops.disable($1)"
NAMED = "DETAIL:  Parameters: $1 = 'k0001a'"
DONE = "LOG:  duration: 1.234 ms"
BIND = "LOG:  duration: 0.034 ms  bind <unnamed>: SELECT hitl_ops.disable($1)"
REFUSED = "ERROR:  canceling statement due to lock timeout"
NEXT = "LOG:  execute <unnamed>: SELECT hitl_ops.terminate($1) AS open"
LEFT = "LOG:  disconnection: session time: 0:00:00.077 user=hitl_operator database=postgres"
RESTART = "LOG:  starting PostgreSQL 18.1 on x86_64-pc-linux-gnu"


def log(*texts: str, pid: int = 100) -> list[str]:
    start = "2026-11-30 22:32:20.468 UTC"
    return [
        f"{start} [{pid}] user=hitl_operator db=postgres app=hitlportal operate {text}"
        if text is not RESTART
        else f"{start} [7] user= db= app= {text}"
        for text in texts
    ]


@pytest.mark.parametrize(
    ("texts", "effect"),
    [
        ((BIND, DISABLE, NAMED, DONE, NEXT), True),
        ((BIND, DISABLE, NAMED, DONE, LEFT), True),
        ((BIND, DISABLE, NAMED, DONE), True),  # the server lived on
        ((DISABLE, NAMED, REFUSED, LEFT), False),
        ((DISABLE, NAMED), None),
        ((DISABLE, NAMED, RESTART), None),
        ((DISABLE, NAMED, DONE, RESTART), None),  # killed before the commit, perhaps
        ((DISABLE, NAMED, DONE, NEXT, RESTART), True),
        ((DISABLE, NAMED, RESTART, REFUSED), None),  # the number of a later session
    ],
)
def test_what_became_of_a_call(texts: tuple[str, ...], effect: bool | None) -> None:
    first = read(log(*texts))[0]
    assert (first.verb, first.role, first.effect) == ("disable", "k0001a", effect)


def test_sessions_are_told_apart() -> None:
    one, other = log(DISABLE, NAMED, REFUSED), log(DISABLE, NAMED, DONE, LEFT, pid=200)
    mixed = [line for pair in zip(one, other, strict=False) for line in pair]
    assert [found.effect for found in read([*mixed, *other[3:]])] == [False, True]


def test_a_statement_of_several_lines_is_one_call() -> None:
    first, *rest = log("LOG:  execute <unnamed>: ", NAMED, DONE, LEFT)
    case = "\tSELECT CASE WHEN NOT rolcanlogin THEN hitl_ops.terminate(rolname::text) END AS open\n"
    (found,) = read([first, case, "\t  FROM pg_roles WHERE rolname = $1\n", *rest])
    assert (found.verb, found.role, found.effect) == ("terminate", "k0001a", True)


def test_other_lines_are_passed_over() -> None:
    assert read(["", "\tSELECT hitl_ops.disable($1)", *log("LOG:  statement: SELECT 1")]) == ()


def test_the_time_is_that_of_the_first_line() -> None:
    assert read(log(DISABLE, NAMED))[0].began == 1796077940.468
