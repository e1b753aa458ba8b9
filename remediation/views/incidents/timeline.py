"""Tell what happened to an incident as one timeline, newest first, in words with names.

The full history has every row with its exact bytes; a timeline leaves out what another row says
already, and folds equal looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from django.utils.translation import gettext

from remediation.models import Incident, Proposal, User
from remediation.views.cards import comments, proposal_history
from remediation.views.cards.history import HistoryRow, in_order
from remediation.views.incidents import history
from remediation.views.incidents.page import Item

# More than anybody reads here; the history has all.
MOST = 200
# A step is told by what became of it, a round by its assessment.
_TOLD_BY_ANOTHER = frozenset({("step", "intended"), ("transition", "in_review")})
_OF_A_RUN = frozenset({"step"})
_RUN_WORDS = frozenset(
    {"executing", "waiting", "succeeded", "failed", "stopped", "rolled_back", "unknown", "halted"}
)


def timeline(
    person: User, incident: Incident, proposals: Iterable[Proposal], sentences: Mapping[UUID, str]
) -> tuple[tuple[Item, ...], bool]:
    """Return the newest items, and whether there are earlier ones."""
    rows = in_order(
        [
            *history.rows(incident),
            *comments.comment_rows(person, incident),
            *comments.assignment_rows(incident),
            *comments.notice_rows(incident),
            *proposal_history.rows(*proposals),
        ]
    )
    items = list(_folded(_item(row, sentences) for row in rows if _is_told(row, incident)))
    return tuple(reversed(items[-MOST:])), len(items) > MOST


def _is_told(row: HistoryRow, incident: Incident) -> bool:
    # The report tells that it was opened.
    opened = row.kind == "transition" and row.entry == incident.entry
    return (row.kind, row.word) not in _TOLD_BY_ANOTHER and not opened


def _item(row: HistoryRow, sentences: Mapping[UUID, str]) -> Item:
    run = row.kind in _OF_A_RUN or row.word in _RUN_WORDS
    return Item(
        at=row.at,
        since=row.at,
        kind=row.kind,
        word=row.word,
        title=row.title,
        actor=_who(row.actor),
        cause=row.cause,
        text=row.reason,
        language=row.language,
        proposal=row.proposal,
        sentence=sentences.get(row.proposal, "") if row.proposal else "",
        run=run and row.proposal is not None,
        review=row.review,
        entry=row.entry,
    )


def _who(actor: str) -> str:
    """Return the actor; a worker without the name of its host, which helps nobody here."""
    worker = gettext("worker %(name)s") % {"name": ""}
    return gettext("the worker") if actor.startswith(worker) else actor


def _folded(items: Iterable[Item]) -> Iterator[Item]:
    """Fold items that say the same one after the other, such as looks, into the newest of them."""
    last: Item | None = None
    for item in items:
        if last is not None and last.same(item):
            last = last.and_then(item)
            continue
        if last is not None:
            yield last
        last = item
    if last is not None:
        yield last
