"""Times as text: one form, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import instant
from remediation.domain.errors import BadValue
from tests.every import every


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_reads_back(moment: datetime) -> None:
    assert instant.parse(instant.dump(moment)) == moment


def test_it_writes_utc_with_z() -> None:
    east = datetime(2026, 1, 1, 2, 0, tzinfo=timezone(timedelta(hours=2)))
    assert instant.dump(east) == "2026-01-01T00:00:00Z"


def test_a_time_without_zone_raises() -> None:
    with pytest.raises(ValueError, match="zone"):
        instant.dump(datetime(2026, 1, 1))


@every(
    "text",
    [
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.1234567Z",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "",
    ],
)
def test_every_other_form_is_refused(text: str) -> None:
    with pytest.raises(BadValue) as refused:
        instant.parse(text, "/at")
    assert refused.value.pointer == "/at"
