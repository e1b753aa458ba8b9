"""Save a person's views of the queue under names. Rows are facts; the newest per name counts."""

from __future__ import annotations

from django.db import transaction

from audit import log
from remediation.domain.errors import BadValue, NoSuchObject
from remediation.domain.events import Event
from remediation.models import SavedView, User
from remediation.services.access.record_refusal import printable

MOST = 20
NAME_MAX, QUERY_MAX = 60, 1000


def views_of(person: User) -> list[SavedView]:
    """Return the person's views, sorted by name."""
    newest = SavedView.objects.filter(person=person.person).order_by("name", "-pk").distinct("name")
    return [view for view in newest if view.query]


@transaction.atomic
def save(*, actor: User, name: str, query: str) -> None:
    """Save the filters under a name; replace them if the name is in use.

    Writes nothing when nothing changes. Raises BadValue.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= NAME_MAX or printable(name) != name:
        raise BadValue(f"a view needs a name of at most {NAME_MAX} characters")
    if not 0 < len(query) <= QUERY_MAX:
        raise BadValue("a view needs at least one filter")
    kept = {view.name: view.query for view in views_of(actor)}
    if kept.get(name) == query:
        return
    if name not in kept and len(kept) >= MOST:
        raise BadValue(f"at most {MOST} views; remove one first")
    _append(actor, Event.PERSON_VIEW_SAVED, name, query)


@transaction.atomic
def remove(*, actor: User, name: str) -> None:
    """Remove the view. Raises NoSuchObject."""
    if name not in {view.name for view in views_of(actor)}:
        raise NoSuchObject("there is no view with this name")
    _append(actor, Event.PERSON_VIEW_REMOVED, name, "")


def _append(actor: User, event: Event, name: str, query: str) -> None:
    entry = log.append(
        action=event, actor=actor.actor, object=actor.actor, data={"view": name, "query": query}
    )
    SavedView.objects.create(person=actor.person, name=name, query=query, entry=entry.id)
