"""Names of people, agents and workers for readers; records have only opaque ids."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext

from remediation.models import Agent, AgentVersion, User


class Names:
    """Names by id, read in two queries. An erased person is shown by id."""

    def __init__(self, people: Iterable[UUID | str], agents: Iterable[UUID | str] = ()) -> None:
        self._people = {
            str(person): username
            for person, username in User.objects.filter(
                person__in={str(person) for person in people}
            ).values_list("person", "username")
        }
        self._agents = {
            str(pk): name
            for pk, name in Agent.objects.filter(pk__in={str(a) for a in agents}).values_list(
                "pk", "name"
            )
        }

    @classmethod
    def of_actors(cls, actors: Iterable[str]) -> Names:
        """Read the names of `person:…` and `agent:…` references; others are shown as they are."""
        split = [actor.partition(":") for actor in actors]
        return cls(
            [id_ for kind, _, id_ in split if kind == "person"],
            [id_ for kind, _, id_ in split if kind == "agent"],
        )

    def person(self, person: UUID | str) -> str:
        return self._people.get(str(person), gettext("person %(id)s") % {"id": person})

    def actor(self, actor: str) -> str:
        kind, _, id_ = actor.partition(":")
        if kind == "person":
            return self.person(id_)
        if kind == "agent":
            return describe_agent(self._agents.get(id_, id_))
        if kind == "worker":
            # Translators: a worker process, by the name of its host.
            return gettext("worker %(name)s") % {"name": id_}
        return f"{kind} {id_}"


def describe_agent(name: str) -> str:
    """Describe an agent as an author."""
    return gettext("agent %(name)s") % {"name": name}


def owner_of(agent: Agent) -> str:
    """Return the current owner of the agent."""
    newest = AgentVersion.objects.filter(agent=agent).order_by("-pk").first()
    return Names([newest.owner]).person(newest.owner) if newest else gettext("nobody")
