"""Erasing what a commitment hides: salt and value go, the leaf stays, the erasure is an entry.

The entry that holds the commitment is not touched, so every proof goes on holding; that the value
was this or that can no longer be shown, since the salt is gone with it. Backups age out on their
own schedule: who must erase has to see to them too.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections, transaction

from audit import log
from audit.tlog.errors import TlogError
from audit.tlog.inert import alike


class EraseRefused(TlogError):
    """The erasure cannot be done like this."""


def erase(commitments: Sequence[str], *, actor: str, ground: str, by: str, second: str) -> int:
    """Erase the values behind these commitments (hex); how many there were.

    Two different people answer for it by name, and the legal ground is said. One transaction: a
    crash before its commit erases nothing and records nothing. Raises EraseRefused.
    """
    if not ground.strip() or not by.strip() or not second.strip():
        raise EraseRefused("say the legal ground and the names of two people")
    if alike(by) == alike(second):
        raise EraseRefused("two different people answer for an erasure")
    try:
        wanted = sorted({bytes.fromhex(one) for one in commitments})
    except ValueError:
        raise EraseRefused("a commitment is written in hex") from None
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM audit.secret WHERE commitment = ANY (%s)", [wanted])
        count: int = cursor.rowcount
        if count != len(wanted):
            raise EraseRefused(f"{len(wanted) - count} of them hide nothing here (any more)")
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
