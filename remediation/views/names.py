"""Names of people, agents and workers for readers; records have only opaque ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from remediation.domain.checks.finding import quoted
from remediation.domain.errors import BadInput
from remediation.domain.sentences import references
from remediation.models import Agent, AgentVersion, Incident, Proposal, User
from remediation.services.load_plan import read_plan


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


def entry_names(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return names for what the sentences of these entries refer to, by reference; four queries.

    Titles of incidents are in quotes: agents write them. A proposal is named by what it does.
    """
    wanted: dict[str, set[str]] = {
        "person": set(),
        "agent": set(),
        "proposal": set(),
        "incident": set(),
    }
    for entry in entries:
        for reference in references(entry):
            kind, _, id_ = reference.partition(":")
            if kind in wanted and _is_id(id_):
                wanted[kind].add(id_)
    found: dict[str, str] = {}
    people = User.objects.filter(person__in=wanted["person"])
    for person, username in people.values_list("person", "username"):
        found[f"person:{person}"] = username
    for pk, name in Agent.objects.filter(pk__in=wanted["agent"]).values_list("pk", "name"):
        found[f"agent:{pk}"] = found[str(pk)] = describe_agent(name)
    incidents = Incident.objects.filter(pk__in=wanted["incident"])
    for pk, title in incidents.values_list("pk", "title"):
        found[f"incident:{pk}"] = found[str(pk)] = f"incident {quoted(title)}"
    for pk, plan in Proposal.objects.filter(pk__in=wanted["proposal"]).values_list("pk", "plan"):
        found[f"proposal:{pk}"] = _proposal_name(bytes(plan), str(pk))
    return found


def reference_of(text: str) -> str:
    """Return the reference that a reader means by a user name or an agent's name; else the text."""
    person = User.objects.filter(username=text).values_list("person", flat=True).first()
    if person is not None:
        return f"person:{person}"
    agent = Agent.objects.filter(name=text).values_list("pk", flat=True).first()
    return f"agent:{agent}" if agent is not None else text


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _proposal_name(plan: bytes, pk: str) -> str:
    try:
        steps = read_plan(plan).steps
    except BadInput:
        return f"proposal {pk[:8]}"
    more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
    return f"proposal “{steps[0].sentence.rstrip('.')}”{more}"


def describe_agent(name: str) -> str:
    """Describe an agent as an author."""
    return gettext("agent %(name)s") % {"name": name}


def owner_of(agent: Agent) -> str:
    """Return the current owner of the agent."""
    newest = AgentVersion.objects.filter(agent=agent).order_by("-pk").first()
    return Names([newest.owner]).person(newest.owner) if newest else gettext("nobody")
