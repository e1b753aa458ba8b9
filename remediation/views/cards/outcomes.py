"""The card of how it turned out: the question to this person, the answers, and the figures.

Beside it stands what public breaches of the same pattern went on to need.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from remediation import vocabulary
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import BadInput
from remediation.domain.patterns import FEATURES
from remediation.domain.retrospect import (
    ANSWERS,
    OUTAGE,
    RIGHT,
    TOO_BROAD,
    TOO_NARROW,
    UNNECESSARY,
    WRONG,
)
from remediation.models import Incident, OutcomeAnswer, Proposal, User
from remediation.services.learning import answer_outcome, outcome_figures, similar
from remediation.services.load_plan import read_plan
from remediation.views.names import Names

WORDS: dict[str, Promise | str] = {
    RIGHT: pgettext_lazy("how it turned out", "right"),
    TOO_BROAD: pgettext_lazy("how it turned out", "too broad"),
    TOO_NARROW: pgettext_lazy("how it turned out", "too narrow"),
    WRONG: pgettext_lazy("how it turned out", "wrong"),
    UNNECESSARY: pgettext_lazy("how it turned out", "unnecessary"),
    OUTAGE: pgettext_lazy("how it turned out", "caused an outage"),
}
ABOUT: dict[str, Promise | str] = {
    "diagnosis": gettext_lazy("Diagnosis"),
    "scope": gettext_lazy("Scope"),
    "action": gettext_lazy("Action"),
}
MOST_ANSWERS = 50


@dataclass(frozen=True)
class Line:
    """One line of the form: a subject, and the words to choose from; none is preselected."""

    name: str
    title: str
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AnswerRow:
    who: str
    at: datetime
    words: tuple[tuple[str, str], ...]  # the subject, and the word
    unseen_untrusted: str
    of_run: bool


@dataclass(frozen=True)
class FiguresRow:
    """How the runs of one action turned out."""

    title: str
    runs: int
    answered: int
    outages: int
    counts: tuple[tuple[str, int], ...]  # the other words that somebody chose


@dataclass(frozen=True)
class BreachRow:
    name: str
    when: str
    needed: str
    risk: str
    shared: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class OutcomesCard:
    """The card of an incident, or of one run of it."""

    incident_id: UUID
    proposal_id: UUID | None
    form: tuple[Line, ...]  # empty: this person was not asked, or has answered
    answers: tuple[AnswerRow, ...]
    figures: tuple[FiguresRow, ...]
    breaches: tuple[BreachRow, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.form or self.answers or self.breaches)


def outcomes_card(
    person: User, incident: Incident, proposal: Proposal | None = None
) -> OutcomesCard:
    """Return the card; reads only. Of a run, with its answers alone."""
    key = proposal.pk if proposal else None
    asked = answer_outcome.question(person, incident, key) is not None
    answers = incident.answers.order_by("pk")
    if proposal is not None:
        answers = answers.filter(proposal=proposal)
    return OutcomesCard(
        incident_id=incident.pk,
        proposal_id=key,
        form=tuple(_lines()) if asked else (),
        answers=_rows(list(answers[:MOST_ANSWERS])),
        figures=tuple(_figures(incident, proposal)),
        breaches=tuple(_breaches(incident)),
    )


def _lines() -> Iterator[Line]:
    for name, words in ANSWERS.items():
        yield Line(name, str(ABOUT[name]), tuple((word, str(WORDS[word])) for word in words))


def _rows(answers: list[OutcomeAnswer]) -> tuple[AnswerRow, ...]:
    names = Names([one.person for one in answers])
    return tuple(
        AnswerRow(
            who=names.person(one.person),
            at=one.recorded_at,
            words=tuple(
                (str(ABOUT[name]), str(WORDS.get(word, word)))
                for name in ABOUT
                if (word := getattr(one, name))
            ),
            unseen_untrusted=one.unseen,
            of_run=one.proposal_id is not None,
        )
        for one in answers
    )


def _figures(incident: Incident, proposal: Proposal | None) -> Iterator[FiguresRow]:
    """Yield the figures of the actions of the run, or of the incident's newest plan."""
    of = proposal or incident.proposals.order_by("-recorded_at").first()
    if of is None:
        return
    try:
        plan = read_plan(bytes(of.plan))
    except BadInput:
        return
    for kind in dict.fromkeys(step.action for step in plan.steps):
        found = outcome_figures.of_action(kind)
        if found.whole and kind in ACTIONS:
            counts = tuple(
                (str(WORDS[word]), number)
                for word in ANSWERS["action"]
                if word != OUTAGE and (number := found.count(word))
            )
            title, outages = ACTIONS[kind].title, found.count(OUTAGE)
            yield FiguresRow(title, found.whole, found.answered, outages, counts)


def _breaches(incident: Incident) -> Iterator[BreachRow]:
    for one in similar.to(incident):
        yield BreachRow(
            one.breach.name,
            one.breach.when,
            one.breach.needed,
            one.breach.risk,
            tuple(vocabulary.saying(FEATURES[each]) for each in one.shared),
            one.breach.sources,
        )
