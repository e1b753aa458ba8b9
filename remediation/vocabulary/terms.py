"""House words that pages use, each explained in a sentence or two; the help page lists them."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


class Term(NamedTuple):
    """A word as a heading, and what it means."""

    title: Promise
    text: Promise


TERMS: dict[str, Term] = {
    "agent": Term(
        gettext_lazy("Agent"),
        gettext_lazy(
            "A program that reports incidents and proposes plans. It never decides and never"
            " changes a target. A person owns it."
        ),
    ),
    "approvers_file": Term(
        gettext_lazy("Approvers file"),
        gettext_lazy(
            "The list of passkeys whose approvals count, on the worker's host. The web"
            " server cannot write it; an operator adds a key after comparing its fingerprint"
            " with the person."
        ),
    ),
    "audit_log": Term(
        gettext_lazy("Audit log"),
        gettext_lazy(
            "The record of everything that happened here. Nobody can change it unseen: an"
            " auditor can check it with a public key, without this server."
        ),
    ),
    "check": Term(
        gettext_lazy("Check"),
        gettext_lazy(
            "Something that our worker looked at by itself, beside the agent's story: pass,"
            " warning or fail. A fail makes more approvals necessary."
        ),
    ),
    "contained": Term(
        gettext_lazy("Contained"),
        gettext_lazy(
            "The incident's own identity was seen without access. If access is found again"
            " later, the incident is open again."
        ),
    ),
    "consumer": Term(
        gettext_lazy("Consumer"),
        gettext_lazy(
            "A service that signs in with the credential itself. Notified: it was asked to take the"
            " new one. Fetched: it read it in the store. Moved: the target saw it sign in with it;"
            " only that counts."
        ),
    ),
    "diagnosis": Term(
        gettext_lazy("Diagnosis"),
        gettext_lazy(
            "What the agent says happened, as claims that cite evidence. People confirm,"
            " dispute or correct it."
        ),
    ),
    "gate": Term(
        gettext_lazy("Gate"),
        gettext_lazy(
            "Seven checks that the worker makes itself before each step: content unchanged,"
            " rules met, signatures, enough approvers, not too old, target unchanged, logged."
        ),
    ),
    "halt": Term(
        gettext_lazy("Halt"),
        gettext_lazy(
            "Stop a run after its current step: keep what is done, or undo it. It needs a passkey."
        ),
    ),
    "identity": Term(
        gettext_lazy("Identity"),
        gettext_lazy(
            "A key, token, service account, role, certificate or workload: something that"
            " signs in and is no person."
        ),
    ),
    "pin": Term(
        gettext_lazy("Pin (the state that you approve)"),
        gettext_lazy(
            "The state of the target that you approve. If the target differs when a step"
            " starts, nothing runs."
        ),
    ),
    "plan": Term(
        gettext_lazy("Plan"),
        gettext_lazy("Steps from a closed list of actions. Each can be read in full."),
    ),
    "reversal": Term(
        gettext_lazy("Reversal"),
        gettext_lazy(
            "A new proposal that gives back what a run took away. It is reviewed like any other."
        ),
    ),
    "round": Term(
        gettext_lazy("Review round"),
        gettext_lazy(
            "One pass of review. When the target, the scope or the plan changes, a new round"
            " begins, and earlier approvals no longer count."
        ),
    ),
    "ruling": Term(
        gettext_lazy("Ruling"),
        gettext_lazy(
            "What the rules ask for this proposal: the risk, who must approve, and by when."
        ),
    ),
    "scope": Term(
        gettext_lazy("Scope"),
        gettext_lazy(
            "Everything that the plan can reach, by the inventory. What the inventory does"
            " not say counts as risk."
        ),
    ),
    "slot": Term(
        gettext_lazy("Slot"),
        gettext_lazy("One approval that is asked for, by role. One person fills one."),
    ),
    "stopped": Term(
        gettext_lazy("Stopped"),
        gettext_lazy(
            "Part of the plan is done and stays. Nothing is undone by itself: only people"
            " give access back."
        ),
    ),
    "verdict": Term(
        gettext_lazy("Verdict"),
        gettext_lazy(
            "Your yes or no to the diagnosis, to the scope and to the action. To approve,"
            " all three are yes."
        ),
    ),
    "wait": Term(
        gettext_lazy("Wait"),
        gettext_lazy(
            "A run stands still after a step until something is seen at the target, or a person"
            " says to go on. Meanwhile no worker and no credential is at work, and nobody else"
            " changes its targets."
        ),
    ),
}
