"""Say since when and until when a person administered people, and when that stops to count.

The rule stands in `remediation.administrator` (sql/people.sql): a trigger writes its rows, so the
web login cannot forget one. `excluded_v1` applies it to decisions, `may_reveal` to secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

# As in the view `remediation.administrator`.
COUNTS_FOR = timedelta(days=7)
# The reason in `excluded_v1`.
WHY = "administered people in the last 7 days"


@dataclass(frozen=True)
class Administered:
    """The last time that a person administered people; ``until`` is None while it goes on."""

    since: datetime | None
    until: datetime | None

    @property
    def free_at(self) -> datetime | None:
        """Return when the person may decide and uncover again; None while it goes on."""
        return None if self.until is None else self.until + COUNTS_FOR


def administered(person: UUID) -> Administered | None:
    """Return the person's administration of people, now or in the last 7 days."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT since, until FROM remediation.administrator WHERE person = %s"
            " ORDER BY until DESC NULLS FIRST LIMIT 1",
            [person],
        )
        row = cursor.fetchone()
    return None if row is None else Administered(*row)
