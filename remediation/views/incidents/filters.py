"""What a list of incidents is limited to and how it is sorted, read from its address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.http import urlencode

from remediation.domain.states import IncidentState
from remediation.models import Incident, IncidentAssignment, IncidentEntry, QueueEntry, User
from remediation.services.reporting.needs_plan import Needing

MAX_TEXT = 200
OLDEST, NEWEST = "", "newest"
# The states to choose from. Without a choice a list of people shows what is not closed.
STATES = tuple(state.value for state in IncidentState)
NEEDS, OVERDUE = "plan", "overdue"


@dataclass(frozen=True)
class Filter:
    """Empty members limit nothing; what an address says else is left out."""

    text: str = ""
    state: str = ""
    kind: str = ""
    needs: str = ""  # NEEDS, OVERDUE
    mine: bool = False
    sort: str = OLDEST

    @classmethod
    def read(cls, query: QueryDict, kinds: Collection[str], *, people: bool) -> Filter:
        """``people``: the list has what only matters to those who act."""
        state, kind, needs = query.get("state", ""), query.get("kind", ""), query.get("needs", "")
        return cls(
            text=query.get("q", "").replace("\0", "").strip()[:MAX_TEXT],
            state=state if state in STATES else "",
            kind=kind if kind in kinds else "",
            needs=needs if people and needs in (NEEDS, OVERDUE) else "",
            mine=people and query.get("mine") == "1",
            sort=NEWEST if query.get("sort") == NEWEST else OLDEST,
        )

    @property
    def anything(self) -> bool:
        """Return whether it limits the list."""
        return replace(self, sort=OLDEST) != Filter()

    def query(self, **more: str) -> str:
        """Return it as a query string."""
        said = {
            "q": self.text,
            "state": self.state,
            "kind": self.kind,
            "needs": self.needs,
            "mine": "1" if self.mine else "",
            "sort": self.sort,
            **more,
        }
        return urlencode({name: value for name, value in said.items() if value})

    def apply(
        self,
        found: QuerySet[IncidentEntry],
        person: User,
        needing: Collection[Needing] = (),
    ) -> QuerySet[IncidentEntry]:
        """Return the entries that it leaves; ``needing`` are those that need a plan."""
        if self.state:
            found = found.filter(state=self.state)
        if self.kind:
            found = found.filter(incident__kind=self.kind)
        for word in self.text.split():
            found = found.filter(
                Q(incident__title__icontains=word)
                | Q(incident__locator__icontains=word)
                | Q(incident__kind__icontains=word)
            )
        if self.needs:
            found = found.filter(self._needs(needing))
        if self.mine:
            found = found.filter(pk__in=_of(person))
        return found

    def _needs(self, needing: Collection[Needing]) -> Q:
        now = timezone.now()
        late = self.needs == OVERDUE
        plan = Q(pk__in=[one.incident_id for one in needing if not late or one.due <= now])
        if not late:
            return plan
        undecided = QueueEntry.objects.filter(
            incident=OuterRef("pk"), state="in_review", due__lte=now
        )
        return plan | Q(Exists(undecided))


def kinds(found: QuerySet[IncidentEntry]) -> list[str]:
    """Return the kinds of incident in a list, to choose from."""
    names = Incident.objects.using(found.db).filter(pk__in=found.values("pk"))
    return sorted(names.order_by().values_list("kind", flat=True).distinct()[:100])


def _of(person: User) -> list[UUID]:
    """Return the incidents that this person has."""
    ever = IncidentAssignment.objects.filter(person=person.person).values("incident")
    newest = (
        IncidentAssignment.objects.filter(incident__in=ever)
        .order_by("incident", "-id")
        .distinct("incident")
    )
    return [row.incident_id for row in newest if row.person == person.person]
