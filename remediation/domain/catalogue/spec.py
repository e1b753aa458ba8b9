"""What a provider declares: its kinds of target, its actions, and the words for both.

A declaration is data. Pages, checks, policy and the API read everything that they show or judge
from it, and nothing else in the product names a kind. It imports only from this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from audit.tlog.canonical import Json

# The database keeps locators in columns of this length.
MAX_LOCATOR = 300


def gettext_noop(text: str) -> str:
    """Mark a sentence for translators. `make messages` finds it by the name of this function;
    `remediation.vocabulary` translates it when a page is drawn."""
    return text


@dataclass(frozen=True)
class Word:
    """A word for pages, and what it is a word for: translators need both."""

    context: str
    text: str


def pgettext(context: str, text: str) -> Word:
    """Mark a word for translators; as `gettext_noop`."""
    return Word(context, text)


# What people and agents read about a kind that no action works on.
REPORT_ONLY = gettext_noop("The portal cannot change this; a person has to.")

_NO_PARAMETERS: Mapping[str, Json] = MappingProxyType(
    {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
)


@dataclass(frozen=True)
class Protected:
    """Values of a field that no plan may name, and why."""

    field: str
    why: str
    # Matches the whole value, in upper or lower case. Left out: the names that the deployment
    # lists as the portal's own (HITL_PROTECTED_CLUSTERS).
    pattern: str = ""


@dataclass(frozen=True)
class TargetSpec:
    """A kind of target: its fields (name → anchored pattern) and its one-line name."""

    kind: str
    title: str
    # In the order of the locator. No pattern may let "/" through: a locator reads in one way only.
    fields: Mapping[str, str]
    # The field that tells this target from its neighbours; evidence has to name its value.
    distinguishing: str
    # Values for documentation and for the contract test.
    example: Mapping[str, str]
    # Fields in which one name can be taken for another; the check of look-alikes reads them.
    names: tuple[str, ...] = ()
    # The field that log records call the account; the check of places compares them.
    account: str = ""
    # The field that names who holds this credential and may hold others of the same kind.
    holder: str = ""
    # The field for whatever the identity is called elsewhere; a report with a secret in it is
    # refused, for a name is never covered.
    free: str = ""
    protected: tuple[Protected, ...] = ()
    # What the executor shows beside the pinned fields; the words for them are the provider's.
    shown_fields: tuple[str, ...] = ()
    # Incidents can be about it, but no action works on it.
    report_only: bool = False

    @property
    def locator(self) -> str:
        """A str.format template over the fields: `kind:{first}/{second}`."""
        return f"{self.kind}:" + "/".join(f"{{{name}}}" for name in self.fields)


@dataclass(frozen=True)
class ActionSpec:
    """An action: what it does, on what, with which limits, and what it cannot do.

    `version` is part of every plan's digest: raise it whenever the executor comes to do something
    else than before.
    """

    kind: str
    version: int
    title: str
    # str.format template over the target's fields; the sentence at the top of a review.
    sentence: str
    target_kind: str
    rollback: str | None
    reversible: bool
    hard_timeout_s: int
    propagation_s: int
    pin_fields: tuple[str, ...]
    ends_sessions: str
    cannot: tuple[str, ...]
    # The pinned fields that are different afterwards, and how: what a reviewer is shown as after,
    # and what the executor verifies.
    leads_to: Mapping[str, Json]
    # Why there is nothing to pin; empty when there are pin fields.
    unpinned_reason: str = ""
    # Gives an identity its access (back): asks for more care than taking it away.
    grants_access: bool = False
    parameters: Mapping[str, Json] = field(default_factory=lambda: _NO_PARAMETERS)
    # Values for documentation and for the contract test.
    example: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Provider:
    """One declaration. `name` begins each of its kinds (`name.…`) and names its section of the
    targets file. A provider without any action is report-only and needs no executor."""

    name: str
    title: str
    targets: tuple[TargetSpec, ...]
    actions: tuple[ActionSpec, ...] = ()
    # Words for fields of targets, parameters and observations, as far as pages need a word that
    # is not the name itself.
    words: Mapping[str, Word] = field(default_factory=lambda: MappingProxyType({}))
    # Exists for tests and benchmarks; plans may name it only where the deployment allows it.
    for_tests: bool = False

    @cached_property
    def sentences(self) -> frozenset[str]:
        """The sentences and titles that pages show and translators translate."""
        of_actions = (
            text
            for spec in self.actions
            for text in (spec.ends_sessions, spec.unpinned_reason, *spec.cannot)
        )
        of_targets = (spec.title for spec in self.targets)
        return frozenset(text for text in (*of_targets, *of_actions) if text)
