"""Rights from CSV: each wrong row is named with its line, in words about rights."""

from __future__ import annotations

import pytest

from remediation.domain.errors import BadInput
from remediation.domain.intake.rights import Asked, read
from tests.every import every

HEADER = "holder,right,on,name\n"


def test_rows_say_whom_to_give_what() -> None:
    rows, problems = read(
        b"\xef\xbb\xbfright,holder,on,name,change\r\n"
        b"review,alice,team,payments,\r\n\r\nsee,group:oncall,environment,staging,take\r\n"
    )
    assert problems == ()
    assert rows == (
        Asked(2, "alice", "", "review_service", "team", "payments", True),
        Asked(4, "", "oncall", "view_service", "environment", "staging", False),
    )
    assert [row.holder for row in rows] == ["alice", "group:oncall"]


@every(
    ("row", "why"),
    [
        ("alice,review,team", "3 cells, the header has 4"),
        ("alice,approve,team,payments", "right is one of see, review"),
        ("alice,review,cluster,payments", "on is one of service, team, environment"),
        (",review,team,payments", "holder is empty"),
        ("alice,review,team,", "name is empty"),
        ("=cmd(),review,team,payments", "holder: too long, or begins as a formula"),
        ("@alice,review,team,payments", "holder: too long, or begins as a formula"),
        (f"{'a' * 201},review,team,payments", "holder: too long, or begins as a formula"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_are_read(row: str, why: str) -> None:
    rows, problems = read(f"{HEADER}{row}\nbob,see,service,orders\n".encode())
    assert [str(problem) for problem in problems] == [f"line 2: {why}"]
    assert [one.person for one in rows] == ["bob"]


@every(
    "content",
    [b"", b"\xff", b"holder,right,on\n", b"holder,right,on,name,colour\n",
     b"holder,holder,right,on,name\n", b'holder,right,on,name\n"alice,review\n'],
)  # fmt: skip
def test_a_file_that_is_no_table_of_rights_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="rights"):
        read(content)
