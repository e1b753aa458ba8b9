"""The form of a provider's declaration: kinds of target, actions, and words for both.

A declaration is data and imports only from this module. Pages, checks, policy and the API read it;
no other code names a kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lives_on import LivesOn

# The length of the database columns for locators.
MAX_LOCATOR = 300


def gettext_noop(text: str) -> str:
    """Mark a sentence for translators, and return it unchanged.

    `make messages` finds it by this function's name; `remediation.vocabulary` translates it when a
    page is rendered.
    """
    return text


@dataclass(frozen=True)
class Word:
    """A word for pages, with its context for translators."""

    context: str
    text: str


def pgettext(context: str, text: str) -> Word:
    """Mark a word with its context for translators, as `gettext_noop` does."""
    return Word(context, text)


# Shown to people and agents for a kind that no action works on.
REPORT_ONLY = gettext_noop("The portal cannot change this; a person has to.")

_NO_PARAMETERS: Mapping[str, Json] = MappingProxyType(
    {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
)


@dataclass(frozen=True)
class Protected:
    """Values of a field that no plan may name, and the reason."""

    field: str
    why: str
    # Matches the whole value, ignoring case. The portal's own clusters are not listed here but in
    # HITL_PROTECTED_CLUSTERS.
    pattern: str = ""


@dataclass(frozen=True)
class Live:
    """A sentence about what an identity can do now, from what was read of it.

    In a sentence "{name}" is replaced by the value of that field. `values`: a sentence by the
    field's value ("yes" and "no" for a boolean); any other value has `present`. `present`: a list
    with members, a text, or a number other than 0; a list that the sentence does not name stands
    below it. `absent`: null, an empty list or text, or 0. `unknown`: not read. "" is left out.
    """

    field: str
    present: str = ""
    absent: str = ""
    unknown: str = ""
    # By the module: in this class `field` is the name of an attribute.
    values: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))

    @property
    def sentences(self) -> tuple[str, ...]:
        return (self.present, self.absent, self.unknown, *self.values.values())


@dataclass(frozen=True)
class TargetSpec:
    """A kind of target: its fields (name → anchored pattern) and its locator."""

    kind: str
    title: str
    # In the locator's order. No pattern may match "/", except those of escaped fields: a locator
    # must parse in only one way.
    fields: Mapping[str, str]
    # The field that distinguishes this target from its neighbours; evidence must name its value.
    distinguishing: str
    # Values for documentation and for the contract test.
    example: Mapping[str, str]
    # Fields with names that people may confuse; the check of look-alikes reads them.
    names: tuple[str, ...] = ()
    # The field that equals the account in log records; the check of places compares them.
    account: str = ""
    # The field that names this credential's holder, who may have others of the same kind.
    holder: str = ""
    # A free name of the identity: never masked, so a report with a secret in it is refused.
    free: str = ""
    # Fields with free values (any text, "/" and line breaks too), each with the most UTF-8 bytes of
    # a value. The locator escapes them, and sentences quote what could be misread
    # (catalogue/locators.py). A field stays escaped for ever.
    escaped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    protected: tuple[Protected, ...] = ()
    # Fields that the executor shows besides the pinned ones; the provider has words for them.
    shown_fields: tuple[str, ...] = ()
    # What "active" means for this kind, said from a reading; without them pages list its fields.
    live: tuple[Live, ...] = ()
    # Fields that only `Executor.live` reads, for people who look now.
    live_fields: tuple[str, ...] = ()
    # Whether the portal can compare a leaked secret with the one in force, and why not.
    no_secret_compared: str = ""
    # True if incidents can be about it but no action works on it.
    report_only: bool = False

    @cached_property
    def locator(self) -> str:
        """Return a str.format template over the escaped fields: `kind:{first}/{second}`."""
        return f"{self.kind}:" + "/".join(f"{{{name}}}" for name in self.fields)


@dataclass(frozen=True)
class Limit:
    """Something that an action does not stop, or cuts, said from what was seen at the target.

    `field` is one of the target's `shown_fields`; its value chooses the sentence. `present`: a list
    with members, a text, a number other than 0; in it alone "{value}" is replaced by what was seen.
    `absent`: an empty list or text, or 0; "" says nothing. `unknown`: it was not read. `cuts`:
    others lose it by the action, such as its clients.
    """

    field: str
    present: str
    absent: str
    unknown: str
    cuts: bool = False


def never_cut(sentence: str) -> Limit:
    """Declare that the worker's credential for an action is never cut to the approved step."""
    return Limit("", sentence, "", "")


class Narrows(StrEnum):
    """How a reviewer may make a parameter smaller, so that the action takes less away.

    A list keeps some of its members, at least one, in their order. A number gets smaller, and
    stays above 0. A truth moves to the value that takes less. domain/narrowing.py compares.
    """

    SUBSET = "subset"
    SMALLER = "smaller"
    TO_FALSE = "to_false"
    TO_TRUE = "to_true"


class Op(StrEnum):
    """How a change gives a pinned field its new value."""

    SET = "set"
    ADD = "add"  # to a list; a number grows by one
    REMOVE = "remove"  # from a list; a number shrinks by one


@dataclass(frozen=True)
class Change:
    """The new value of a pinned field, where it depends on a parameter or on what the step makes.

    Exactly one of ``parameter`` and ``made`` has a name. For a number, neither is read.
    ``lasts``: False if the target ends what was made by itself, by use or with time.
    """

    op: Op
    parameter: str = ""
    made: str = ""
    lasts: bool = True


class Trust(StrEnum):
    """What an action does to what clients trust."""

    KEEPS = "keeps"
    WIDENS = "widens"
    NARROWS = "narrows"


@dataclass(frozen=True)
class ActionSpec:
    """An action: its effect, its kind of target, its limits, and what it cannot do.

    `version` is part of every plan's digest: raise it whenever the executor's behaviour changes.
    """

    kind: str
    version: int
    title: str
    # A str.format template over the target's fields; the first sentence of a review page.
    sentence: str
    target_kind: str
    rollback: str | None
    reversible: bool
    hard_timeout_s: int
    propagation_s: int
    pin_fields: tuple[str, ...]
    ends_sessions: str
    # What it never stops, at any target.
    cannot: tuple[str, ...]
    # The pinned fields that change, with their new values: reviewers see them and the executor
    # verifies them.
    leads_to: Mapping[str, Json]
    # What it does not stop at this target, said from the observation (domain/limits.py).
    limits: tuple[Limit, ...] = ()
    # What only the look for this action reads: other steps on the same target do not show it.
    shows: tuple[str, ...] = ()
    # What is so once it is confirmed, for the head of a run: a template as the sentence.
    done: str = ""
    # Why there is nothing to pin; empty if there are pin fields.
    unpinned_reason: str = ""
    # True if it gives an identity access; policy then asks for more than for removing access.
    grants_access: bool = False
    # True if it takes access away from an identity. Only such an action can contain an incident.
    removes_access: bool = False
    parameters: Mapping[str, Json] = field(default_factory=lambda: _NO_PARAMETERS)
    # The parameters that may be made smaller, and how. Any other must stay as it is.
    narrows: Mapping[str, Narrows] = field(default_factory=lambda: MappingProxyType({}))
    # Values for documentation and for the contract test.
    example: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    # The title of a plan with this one step, as a command; the sentence when it has none.
    headline: str = ""
    # Of a plan with {count} targets: the first one whose other fields are equal in all of them.
    headlines: tuple[str, ...] = ()
    # What its undoing gives back, in a few words.
    undone: str = ""
    # The pinned fields that change to a value that depends on a parameter or on what is made.
    leads_to_from: Mapping[str, Change] = field(default_factory=lambda: MappingProxyType({}))
    # True if a later step of the same plan may work on the same target: `after` says all that it
    # leaves there.
    leaves: bool = False
    # What it makes, for later steps to refer to: name → anchored pattern of the value. No secret.
    makes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # The parameters that may be a reference to what an earlier step made: parameter → name there.
    references: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # True if the target must not exist before: its pin says so.
    creates: bool = False
    # The parameter that names the place in a store; such an action makes a secret and delivers it.
    delivers: str = ""
    # True if an old credential is refused after it.
    retires: bool = False
    # What it leaves alive; () if nothing. None only where it takes no access away, and before.
    lives_on: tuple[LivesOn, ...] | None = None
    # What its new credential replaces: a field or parameter of the step that ends that → a template
    # over the own target's fields and parameters; a last `*` stands for any rest.
    replaces: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # Trust first, the new credential second, distrust last (domain/plan_order.py).
    trust: Trust = Trust.KEEPS
    # The conditions (domain/conditions.py) that its executor can look for after it.
    conditions: tuple[str, ...] = ()
    # True if its `consumers_moved` is judged by a record of uses, which does not distinguish the
    # processes of a consumer: one of them can still use the old credential.
    seen_by_uses: bool = False
    # How far the worker's credential is cut to the approved step. `present`: what else it can do.
    # `absent`: what it is cut to. Without a field always one. Only earlier versions leave it out.
    credential: Limit | None = None
    # The title of a plan that rotates with it: a template over the target's fields and the
    # parameters that are texts. Each action that delivers has one.
    rotation: str = ""
    # The same action in its earlier versions: plans that were signed for one are read, shown and
    # verified with it, and never run.
    earlier: tuple[ActionSpec, ...] = ()

    def of_version(self, version: int) -> ActionSpec | None:
        """Return this action as it was in a version; None if it never had it."""
        return next((each for each in (self, *self.earlier) if each.version == version), None)


@dataclass(frozen=True)
class Provider:
    """One declaration. `name` is the prefix of its kinds (`name.…`) and the name of its section in
    the targets file. A provider without actions is report-only and needs no executor."""

    name: str
    title: str
    targets: tuple[TargetSpec, ...]
    actions: tuple[ActionSpec, ...] = ()
    # Words for fields of targets, parameters and observations, where the name itself is not
    # suitable for pages.
    words: Mapping[str, Word] = field(default_factory=lambda: MappingProxyType({}))
    # The servers on which the tests run its actions, for docs/catalogue.md; says what is simulated.
    tested: str = ""
    # True for a provider for tests and benchmarks; plans may use it only if the deployment
    # allows it.
    for_tests: bool = False

    @cached_property
    def sentences(self) -> frozenset[str]:
        """Return the sentences and titles for pages and translators."""
        of_actions = (
            text
            for action in self.actions
            for spec in (action, *action.earlier)
            for text in (spec.ends_sessions, spec.unpinned_reason, spec.undone, *spec.cannot)
        )
        of_limits = (
            text
            for spec in self.actions
            for limit in (*spec.limits, *((spec.credential,) if spec.credential else ()))
            for text in (limit.present, limit.absent, limit.unknown)
        )
        of_targets = (t for spec in self.targets for t in (spec.title, spec.no_secret_compared))
        of_lasting = (one.none for spec in self.actions for one in spec.lives_on or ())
        of_live = (text for spec in self.targets for live in spec.live for text in live.sentences)
        every = (*of_targets, *of_actions, *of_limits, *of_live, *of_lasting)
        return frozenset(filter(None, every))
