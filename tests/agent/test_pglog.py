"""Server logs in stderr format and csvlog; the lines are PostgreSQL 18's own."""

from __future__ import annotations

import pytest

from hitlportal.demo.agent.pglog import NotALog, parse, pattern_of

STDERR = b"""\
2026-11-22 16:47:30.609 UTC [19507] user=[unknown] db=[unknown] app=[unknown] LOG:  connection received: host=127.0.0.1 port=40710
2026-11-22 16:47:30.640 UTC [19509] user=reporting db=postgres app=nightly report LOG:  statement: select 1 as a,
\t2 as b
2026-11-22 16:47:30.672 UTC [19512] user=reporting db=postgres app= FATAL:  password authentication failed for user "reporting"
"""  # noqa: E501 - real lines
CSV = (
    b'2026-11-22 16:47:30.640 UTC,"reporting","postgres",19509,"127.0.0.1:40732",6741.1,1,"SELECT",'
    b'2026-11-22 16:47:30 UTC,0/2,0,LOG,00000,"statement: select 1 as ""a"",\n2 as b",,,,,,,,,'
    b'"nightly, report","client backend",,0\n'
)


def test_the_parts_of_a_line() -> None:
    received, statement, refused = parse("server.log", STDERR).lines
    assert (received.user, received.pid, received.severity) == ("[unknown]", 19507, "LOG")
    assert (statement.user, statement.database, statement.app) == (
        "reporting",
        "postgres",
        "nightly report",
    )
    assert statement.message == "statement: select 1 as a,\n2 as b"
    assert statement.text.endswith("\n\t2 as b")
    assert (statement.number, refused.number) == (2, 4)
    assert (refused.severity, refused.app) == ("FATAL", "")


def test_csvlog_is_read_too() -> None:
    first, second = parse("server.csv", CSV + CSV).lines
    assert (first.user, first.database, first.pid) == ("reporting", "postgres", 19509)
    assert (first.app, first.message) == ("nightly, report", 'statement: select 1 as "a",\n2 as b')
    assert (first.number, second.number) == (1, 3)
    assert first.text.encode() + b"\n" == CSV


def test_another_prefix_is_read_by_its_own_form() -> None:
    raw = b"2026-11-22 16:47:30.640 UTC [7] ada@shop LOG:  statement: select 1\n"
    (line,) = parse("server.log", raw, "%m [%p] %u@%d ").lines
    assert (line.user, line.database, line.pid, line.app) == ("ada", "shop", 7, "")
    with pytest.raises(NotALog):
        parse("server.log", raw)


def test_a_prefix_without_the_user_is_refused() -> None:
    with pytest.raises(ValueError, match="user"):
        pattern_of("%m [%p] ")


def test_a_continuation_line_is_never_a_line_of_its_own() -> None:
    forged = STDERR.replace(b"\t2 as b", b"\t" + STDERR.splitlines()[0])
    assert len(parse("server.log", forged).lines) == 3


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe\n", b"hello\n\tworld\n"])
def test_a_file_that_is_no_log_is_named(raw: bytes) -> None:
    for name in ("server.log", "server.csv"):
        with pytest.raises(NotALog):
            parse(name, raw)
