"""Single words for people, by the domain's names: states, roles, risks, fields.

Words for fields of targets, parameters and observations stand in the declarations of providers
(`remediation/domain/catalogue`).

A name may occur only once. If it has two meanings, rename one of them in the domain.
"""

from __future__ import annotations

from django.utils.translation import pgettext_lazy

WORDS = {
    # States of a proposal.
    "submitted": pgettext_lazy("state of a proposal", "submitted"),
    "in_review": pgettext_lazy("state of a proposal", "in review"),
    "approved": pgettext_lazy("state of a proposal", "approved"),
    "executing": pgettext_lazy("state of a proposal", "executing"),
    "waiting": pgettext_lazy("state of a proposal", "waiting"),
    "succeeded": pgettext_lazy("state of a proposal", "succeeded"),
    "failed": pgettext_lazy("state of a proposal", "failed"),
    "stopped": pgettext_lazy("state of a proposal", "stopped"),
    "rolled_back": pgettext_lazy("state of a proposal", "rolled back"),
    "unknown": pgettext_lazy("state of a proposal", "unknown"),
    "rejected": pgettext_lazy("state of a proposal", "rejected"),
    "returned": pgettext_lazy("state of a proposal", "returned"),
    "withdrawn": pgettext_lazy("state of a proposal", "withdrawn"),
    "superseded": pgettext_lazy("state of a proposal", "superseded"),
    "expired": pgettext_lazy("state of a proposal", "expired"),
    "refused": pgettext_lazy("state of a proposal", "refused"),
    # States of an incident.
    "open": pgettext_lazy("state of an incident", "open"),
    "contained": pgettext_lazy("state of an incident", "contained"),
    "closed": pgettext_lazy("state of an incident", "closed"),
    # Risks; criticalities of services.
    "low": pgettext_lazy("risk or criticality", "low"),
    "medium": pgettext_lazy("risk or criticality", "medium"),
    "high": pgettext_lazy("risk or criticality", "high"),
    "critical": pgettext_lazy("risk or criticality", "critical"),
    # Environments.
    "production": pgettext_lazy("environment", "production"),
    "staging": pgettext_lazy("environment", "staging"),
    "development": pgettext_lazy("environment", "development"),
    # Decisions.
    "approve": pgettext_lazy("decision", "approve"),
    "reject": pgettext_lazy("decision", "reject"),
    "return": pgettext_lazy("decision", "return"),
    # Verdicts.
    "yes": pgettext_lazy("verdict", "yes"),
    "no": pgettext_lazy("verdict", "no"),
    # Findings of checks.
    "pass": pgettext_lazy("finding of a check", "pass"),
    "warn": pgettext_lazy("finding of a check", "warn"),
    "fail": pgettext_lazy("finding of a check", "fail"),
    "not_read": pgettext_lazy("finding of a check", "not read"),
    # Roles: slots of a ruling.
    "security": pgettext_lazy("role", "security"),
    "service_owner": pgettext_lazy("role", "service owner"),
    "any": pgettext_lazy("role", "any approver"),
    # Signed about a run.
    "halt": pgettext_lazy("decision", "halt"),
    "keep": pgettext_lazy("decision", "stop and keep"),
    "undo": pgettext_lazy("decision", "stop and undo"),
    "settle": pgettext_lazy("decision", "settled by hand"),
    "go_on": pgettext_lazy("decision", "go on"),
    "longer": pgettext_lazy("decision", "wait longer"),
    # What a run waits for.
    "consumers_moved": pgettext_lazy("condition of a wait", "consumers use the new credential"),
    "old_quiet": pgettext_lazy("condition of a wait", "nobody uses the old credential"),
    "served_new": pgettext_lazy("condition of a wait", "every server shows the new certificate"),
    # How far a consumer of a credential came.
    "not_seen": pgettext_lazy("consumer of a credential", "not seen"),
    "told": pgettext_lazy("consumer of a credential", "notified"),
    "fetched": pgettext_lazy("consumer of a credential", "fetched"),
    "moved": pgettext_lazy("consumer of a credential", "moved"),
    # Groups that decide nothing.
    "lead": pgettext_lazy("group of people", "lead"),
    "auditor": pgettext_lazy("group of people", "auditor"),
    "inventory_editor": pgettext_lazy("group of people", "inventory editor"),
    "agent_admin": pgettext_lazy("group of people", "agent admin"),
    "user_admin": pgettext_lazy("group of people", "user admin"),
    "staff": pgettext_lazy("group of people", "staff"),
    # Phases and outcomes of a step.
    "not_begun": pgettext_lazy("phase of a step", "not begun"),
    "intended": pgettext_lazy("phase of a step", "intended"),
    "applied": pgettext_lazy("phase of a step", "applied"),
    "verified": pgettext_lazy("phase of a step", "verified"),
    "unconfirmed": pgettext_lazy("phase of a step", "not confirmed"),
    "undo_intended": pgettext_lazy("phase of a step", "rollback started"),
    "undone": pgettext_lazy("phase of a step", "rolled back"),
    "undo_failed": pgettext_lazy("phase of a step", "rollback failed"),
    "halted": pgettext_lazy("phase of a step", "halted"),
    # Steps of the gate.
    "digests": pgettext_lazy("step of the gate", "digests"),
    "signatures": pgettext_lazy("step of the gate", "signatures"),
    "quorum and separation of duties": pgettext_lazy(
        "step of the gate", "quorum and separation of duties"
    ),
    "freshness": pgettext_lazy("step of the gate", "freshness"),
    "audit inclusion": pgettext_lazy("step of the gate", "audit inclusion"),
    # Kinds of bodies that have a digest; the parts of a verdict.
    "plan": pgettext_lazy("part of what is signed", "plan"),
    "diagnosis": pgettext_lazy("part of what is signed", "diagnosis"),
    "scope": pgettext_lazy("part of what is signed", "scope"),
    "ruling": pgettext_lazy("part of what is signed", "ruling"),
    "pin": pgettext_lazy("part of what is signed", "pin"),
    "seen": pgettext_lazy("part of what is signed", "what was seen"),
    "act": pgettext_lazy("part of what is signed", "act"),
    "act_input": pgettext_lazy("part of what is signed", "input of an act"),
    "checks": pgettext_lazy("part of what is signed", "checks"),
    "narrowing": pgettext_lazy("part of what is signed", "narrowing"),
    "observation": pgettext_lazy("part of what is signed", "observation"),
    "statement": pgettext_lazy("part of what is signed", "statement"),
    "action": pgettext_lazy("part of what is signed", "action"),
    # What became of a field, a step or a claim.
    "same": pgettext_lazy("difference", "unchanged"),
    "added": pgettext_lazy("difference", "added"),
    "removed": pgettext_lazy("difference", "removed"),
    "changed": pgettext_lazy("difference", "changed"),
    # Kinds of the inventory.
    "service": pgettext_lazy("kind of inventory", "service"),
    "identity": pgettext_lazy("kind of inventory", "identity"),
    "dependency": pgettext_lazy("kind of inventory", "dependency"),
    # Fields of the inventory.
    "owner_team": pgettext_lazy("field of the inventory", "owner team"),
    "environment": pgettext_lazy("field of the inventory", "environment"),
    "criticality": pgettext_lazy("field of the inventory", "criticality"),
    "payment_path": pgettext_lazy("field of the inventory", "payment path"),
    "external_partner": pgettext_lazy("field of the inventory", "external partner"),
    "retired": pgettext_lazy("field of the inventory", "retired"),
    "name": pgettext_lazy("field of the inventory", "name"),
    "present": pgettext_lazy("field of the inventory", "present"),
    "seen_as": pgettext_lazy("field of the inventory", "seen as"),
    "period_s": pgettext_lazy("field of the inventory", "longest time between two uses"),
    "takes_by": pgettext_lazy("field of the inventory", "takes a new value by"),
    # How a service learns a new value of a credential.
    "fetch": pgettext_lazy("how a new value is taken", "reading the store before each use"),
    "reload": pgettext_lazy("how a new value is taken", "a reload"),
    "restart": pgettext_lazy("how a new value is taken", "a restart"),
    "deploy": pgettext_lazy("how a new value is taken", "a deployment"),
    "by_hand": pgettext_lazy("how a new value is taken", "a person's hand"),
    # Fields that the history names.
    "plan digest": pgettext_lazy("field of the record", "plan digest"),
    "pin digest": pgettext_lazy("field of the record", "pin digest"),
    "scope digest": pgettext_lazy("field of the record", "scope digest"),
    "checks digest": pgettext_lazy("field of the record", "checks digest"),
    "ruling digest": pgettext_lazy("field of the record", "ruling digest"),
    "diagnosis digest": pgettext_lazy("field of the record", "diagnosis digest"),
    "snapshot": pgettext_lazy("field of the record", "snapshot"),
    "refusal": pgettext_lazy("field of the record", "refusal"),
    "detail": pgettext_lazy("field of the record", "detail"),
    "verdicts": pgettext_lazy("field of the record", "verdicts"),
}
