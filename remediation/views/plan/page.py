"""The data of the form with which a person makes a plan."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from remediation.views.cards.plan_waits import PlanFlow
from remediation.views.cards.step import StepCard


@dataclass(frozen=True)
class FormField:
    """One field of the form: how it is typed, what is in it, and what is wrong with it."""

    name: str  # of the field in the form
    title: str
    kind: str  # text, long, whole, choice, yes_no, lines, json
    typed: str
    required: bool = True
    error: str = ""
    help: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def described_by(self) -> str:
        """Return the ids of the texts below the field."""
        ids = [f"{self.name}-help"] if self.help else []
        return " ".join([*ids, f"{self.name}-error"] if self.error else ids)


@dataclass(frozen=True)
class WaitOption:
    """Something that a wait can be for."""

    name: str
    title: str
    chosen: bool


@dataclass(frozen=True)
class FormWait:
    """The wait after a step, as it is chosen."""

    name: str  # with which the names of its fields begin
    options: tuple[WaitOption, ...]
    person: bool
    within: FormField
    chosen: bool  # the plan waits here
    error: str = ""


@dataclass(frozen=True)
class SecondStep:
    """A button that ends what a step leaves alive; `sentence` is of the step that it adds."""

    value: str
    title: str
    sentence: str = ""


@dataclass(frozen=True)
class FormStep:
    """One step of the form. `sentence` is what it does, once its target is known.

    `seconds`: offers to end what it leaves alive, of which `ends_sessions` speaks.
    """

    index: int
    action: str
    title: str
    sentence: str
    locator: str  # of a target that was offered; empty where its fields are typed
    target: tuple[FormField, ...]
    parameters: tuple[FormField, ...]
    wait: FormWait
    ends_sessions: str = ""
    seconds: tuple[SecondStep, ...] = ()
    error: str = ""
    last: bool = False

    @property
    def number(self) -> int:
        return self.index + 1


@dataclass(frozen=True)
class Addable:
    """A button that adds a step on an offered target."""

    value: str
    sentence: str
    gives_access: bool
    used: bool  # a step already does this on this target


@dataclass(frozen=True)
class OfferedCard:
    """An offered target in the inventory's words."""

    locator: str
    name_untrusted: str
    own: bool
    actions: tuple[Addable, ...]


@dataclass(frozen=True)
class Preview:
    """The plan in the portal's words, before it is submitted."""

    digest: str
    sentences: tuple[str, ...]
    undone: str
    steps: tuple[StepCard, ...]
    flow: PlanFlow
    rationale_untrusted: str


@dataclass(frozen=True)
class PlanPage:
    """The form, or the preview of what was typed."""

    incident_id: UUID
    incident_title_untrusted: str
    diagnosis_untrusted: str
    by_agent: str
    follows: UUID | None
    environment: FormField
    rationale: FormField
    order: FormField
    rotates: bool  # a step makes or ends a credential, so that the order matters
    steps: tuple[FormStep, ...]
    offered: tuple[OfferedCard, ...]
    others: tuple[tuple[str, str], ...]
    no_action: bool  # no action works on the incident's own identity
    error: str = ""
    problems: int = 0
    preview: Preview | None = None
