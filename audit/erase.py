"""Erase the value and salt behind a commitment; the leaf is kept and the erasure is recorded.

The entry with the commitment does not change, so every proof stays valid. Without the salt nobody
can show what the value was. Backups are not changed: the operator must handle them separately.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections, transaction

from audit import log
from audit.tlog.errors import TlogError
from audit.tlog.inert import alike


class EraseRefused(TlogError):
    """The erasure is not complete or not allowed."""


def erase(commitments: Sequence[str], *, actor: str, ground: str, by: str, second: str) -> int:
    """Erase the values behind these commitments (hex) and return their number.

    Requires the legal ground and the names of two different people. One transaction: a crash before
    its commit erases and records nothing. Raises EraseRefused.
    """
    if not ground.strip() or not by.strip() or not second.strip():
        raise EraseRefused("give the legal ground and the names of two people")
    if alike(by) == alike(second):
        raise EraseRefused("an erasure needs two different people")
    try:
        wanted = sorted({bytes.fromhex(one) for one in commitments})
    except ValueError:
        raise EraseRefused("a commitment is written in hex") from None
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM audit.secret WHERE commitment = ANY (%s)", [wanted])
        count: int = cursor.rowcount
        if count != len(wanted):
            raise EraseRefused(f"{len(wanted) - count} of them have no value here, or no longer")
        log.append(
            action="operator:secret:erased",
            actor=actor,
            object="log:secrets",
            data={
                "commitments": [one.hex() for one in wanted],
                "ground": ground,
                "by": by,
                "second": second,
            },
        )
    return count
