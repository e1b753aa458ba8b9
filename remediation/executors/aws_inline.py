"""Inline policies of a user or a role: read with their exact text, put, deleted.

A policy that is put replaces the one of its name, and IAM has no call that does so only if the old
text is still there. So every caller reads first; what somebody else writes between the read and the
change is lost. The calls are made once: after a lost answer the policy is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget
from remediation.executors.aws_client import changing, client_of, operating_client
from remediation.executors.aws_errors import Spreading
from remediation.executors.aws_iam import LOOK_SECONDS, MOST_PAGES, READS
from remediation.executors.base import Deadline
from remediation.executors.targets import Targets

Read = TypeVar("Read")


@dataclass(frozen=True)
class Holder:
    """A user or a role; `noun` is the word in IAM's calls."""

    noun: str
    name: str

    @classmethod
    def of(cls, step: Step) -> Holder:
        noun = "role" if "role" in step.target.fields else "user"
        return cls(noun, step.target.fields[noun])

    def call(self, client: Any, verb: str, **more: str) -> dict[str, Any]:
        """Make one call; `verb` has {} in the noun's place."""
        return dict(getattr(client, verb.format(self.noun))(**self._named, **more))

    def pages(self, client: Any, verb: str) -> Any:
        return client.get_paginator(verb.format(self.noun)).paginate(**self._named)

    @property
    def _named(self) -> dict[str, str]:
        return {f"{self.noun.capitalize()}Name": self.name}


@dataclass(frozen=True)
class Policies:
    """A holder's policies: names of inline ones, ARNs of attached ones, and one inline text.

    `text` is None if there is no inline policy of that name.
    """

    inline: tuple[str, ...]
    attached: tuple[str, ...]
    text: str | None

    def besides(self, name: str) -> list[str]:
        """Return the other policies, in words."""
        return sorted(
            [
                *(f"inline {each}" for each in self.inline if each != name),
                *(f"attached {each}" for each in self.attached),
            ]
        )


def reader_of(target: AwsTarget) -> Any:
    """Return the observer's client of IAM, which gives texts of policies as IAM holds them."""
    from botocore.handlers import json_decode_policies

    client = client_of(target, *target.observe())
    # It would parse the texts, and a text that is not byte for byte ours could then look like ours.
    client.meta.events.unregister("after-call.iam", json_decode_policies)
    return client


def policies_of(client: Any, holder: Holder, name: str) -> Policies:
    """Return the holder's policies with the text of one, which several reads agree on.

    Raises TargetUnobservable, or Spreading when they disagree.
    """
    text = agreed(client, lambda: _text(client, holder, name))
    late = Deadline.within(LOOK_SECONDS)
    inline: list[str] = []
    attached: list[str] = []
    for number, page in enumerate(holder.pages(client, "list_{}_policies"), start=1):
        _refuse_endless(number, late)
        inline += page["PolicyNames"]
    for number, page in enumerate(holder.pages(client, "list_attached_{}_policies"), start=1):
        _refuse_endless(number, late)
        attached += [each["PolicyArn"] for each in page["AttachedPolicies"]]
    return Policies(tuple(sorted(inline)), tuple(sorted(attached)), text)


def _refuse_endless(number: int, late: Deadline) -> None:
    if late.passed or number > MOST_PAGES:
        raise TargetUnobservable("IAM's list of policies does not end")


def _text(client: Any, holder: Holder, name: str) -> str | None:
    try:
        found = holder.call(client, "get_{}_policy", PolicyName=name)
    except client.exceptions.NoSuchEntityException:
        return None
    return unquote(found["PolicyDocument"])


def agreed(client: Any, read: Callable[[], Read]) -> Read:
    """Return what READS reads in a row say, each over a connection of its own.

    Raises Spreading when they disagree, TargetUnobservable when they take too long.
    """
    late = Deadline.within(LOOK_SECONDS)
    found = []
    for _ in range(READS):
        found.append(read())
        client.close()
        if late.passed:
            raise TargetUnobservable("IAM answers too slowly")
        if found[-1] != found[0]:
            raise Spreading("reads of IAM disagree: a change still spreads")
    return found[0]


def put(
    clearance: Clearance, step: Step, targets: Targets, name: str, text: str, deadline: Deadline
) -> None:
    """Put an inline policy, once. Raises NotApplied or OutcomeUnknown."""
    holder = Holder.of(step)
    action = f"iam:Put{holder.noun.capitalize()}Policy"
    client = operating_client(clearance, step, targets, action, deadline)
    with changing():
        holder.call(client, "put_{}_policy", PolicyName=name, PolicyDocument=text)


def delete(
    clearance: Clearance, step: Step, targets: Targets, name: str, deadline: Deadline
) -> None:
    """Delete an inline policy, once. Raises NotApplied or OutcomeUnknown."""
    holder = Holder.of(step)
    action = f"iam:Delete{holder.noun.capitalize()}Policy"
    client = operating_client(clearance, step, targets, action, deadline)
    with changing():
        holder.call(client, "delete_{}_policy", PolicyName=name)
