"""Set the names of models and columns on the administrators' pages.

They are set here and not in the models, because Django would create a migration for each change of
a name.
"""

from __future__ import annotations

from django.apps import apps
from django.utils.translation import pgettext_lazy

# Singular and plural.
MODELS = {
    "agent": (pgettext_lazy("model", "agent"), pgettext_lazy("models", "agents")),
    "approverkey": (
        pgettext_lazy("model", "approver's key"),
        pgettext_lazy("models", "approvers' keys"),
    ),
    "assessment": (pgettext_lazy("model", "assessment"), pgettext_lazy("models", "assessments")),
    "delivery": (
        pgettext_lazy("model", "delivery"),
        pgettext_lazy("models", "deliveries"),
    ),
    "dependency": (pgettext_lazy("model", "dependency"), pgettext_lazy("models", "dependencies")),
    "diagnosis": (pgettext_lazy("model", "diagnosis"), pgettext_lazy("models", "diagnoses")),
    "evidence": (pgettext_lazy("model", "evidence"), pgettext_lazy("models", "evidence")),
    "choice": (pgettext_lazy("model", "choice"), pgettext_lazy("models", "choices")),
    "evidenceerasure": (
        pgettext_lazy("model", "evidence erasure"),
        pgettext_lazy("models", "evidence erasures"),
    ),
    "evidencescan": (
        pgettext_lazy("model", "evidence scan"),
        pgettext_lazy("models", "evidence scans"),
    ),
    "execution": (pgettext_lazy("model", "execution"), pgettext_lazy("models", "executions")),
    "freeze": (pgettext_lazy("model", "freeze"), pgettext_lazy("models", "freezes")),
    "halt": (pgettext_lazy("model", "halt"), pgettext_lazy("models", "halts")),
    "haltverdict": (
        pgettext_lazy("model", "halt verdict"),
        pgettext_lazy("models", "halt verdicts"),
    ),
    "identity": (pgettext_lazy("model", "identity"), pgettext_lazy("models", "identities")),
    "incident": (pgettext_lazy("model", "incident"), pgettext_lazy("models", "incidents")),
    "incidentassignment": (
        pgettext_lazy("model", "assignment of an incident"),
        pgettext_lazy("models", "assignments of incidents"),
    ),
    "incidentcomment": (
        pgettext_lazy("model", "comment on an incident"),
        pgettext_lazy("models", "comments on incidents"),
    ),
    "incidentlook": (
        pgettext_lazy("model", "look at an incident"),
        pgettext_lazy("models", "looks at incidents"),
    ),
    "outcomequestion": (
        pgettext_lazy("model", "question how it turned out"),
        pgettext_lazy("models", "questions how it turned out"),
    ),
    "outcomeanswer": (
        pgettext_lazy("model", "answer how it turned out"),
        pgettext_lazy("models", "answers how it turned out"),
    ),
    "liverequest": (
        pgettext_lazy("model", "request to read an identity"),
        pgettext_lazy("models", "requests to read identities"),
    ),
    "liveobservation": (
        pgettext_lazy("model", "live reading of an identity"),
        pgettext_lazy("models", "live readings of identities"),
    ),
    "secretcheck": (
        pgettext_lazy("model", "comparison of leaked secrets"),
        pgettext_lazy("models", "comparisons of leaked secrets"),
    ),
    "incidentlookrequest": (
        pgettext_lazy("model", "request to look at an incident"),
        pgettext_lazy("models", "requests to look at incidents"),
    ),
    "incidentnotice": (
        pgettext_lazy("model", "notice about an incident"),
        pgettext_lazy("models", "notices about incidents"),
    ),
    "incidentreport": (
        pgettext_lazy("model", "incident report"),
        pgettext_lazy("models", "incident reports"),
    ),
    "incidenttransition": (
        pgettext_lazy("model", "incident transition"),
        pgettext_lazy("models", "incident transitions"),
    ),
    "lease": (pgettext_lazy("model", "lease"), pgettext_lazy("models", "leases")),
    "narrowing": (pgettext_lazy("model", "narrowing"), pgettext_lazy("models", "narrowings")),
    "notice": (pgettext_lazy("model", "notice"), pgettext_lazy("models", "notices")),
    "noticechannel": (
        pgettext_lazy("model", "channel of notifications"),
        pgettext_lazy("models", "channels of notifications"),
    ),
    "observationrequest": (
        pgettext_lazy("model", "observation request"),
        pgettext_lazy("models", "observation requests"),
    ),
    "seenagain": (pgettext_lazy("model", "equal look"), pgettext_lazy("models", "equal looks")),
    "outboxmessage": (
        pgettext_lazy("model", "outbox message"),
        pgettext_lazy("models", "outbox messages"),
    ),
    "passkeyenrolment": (
        pgettext_lazy("model", "passkey enrolment"),
        pgettext_lazy("models", "passkey enrolments"),
    ),
    "proposal": (pgettext_lazy("model", "proposal"), pgettext_lazy("models", "proposals")),
    "refusal": (pgettext_lazy("model", "refusal"), pgettext_lazy("models", "refusals")),
    "review": (pgettext_lazy("model", "review"), pgettext_lazy("models", "reviews")),
    "service": (pgettext_lazy("model", "service"), pgettext_lazy("models", "services")),
    "steprecord": (pgettext_lazy("model", "step record"), pgettext_lazy("models", "step records")),
    "telling": (
        pgettext_lazy("model", "notification"),
        pgettext_lazy("models", "notifications"),
    ),
    "transition": (pgettext_lazy("model", "transition"), pgettext_lazy("models", "transitions")),
}

# A column name has the same meaning on every model.
COLUMNS = {
    "about": pgettext_lazy("column", "about"),
    "actor": pgettext_lazy("column", "actor"),
    "agent": pgettext_lazy("column", "agent"),
    "asked": pgettext_lazy("column", "asked"),
    "attempt": pgettext_lazy("column", "attempt"),
    "attacker_writable": pgettext_lazy("column", "attacker writable"),
    "authenticator_data": pgettext_lazy("column", "authenticator data"),
    "body": pgettext_lazy("column", "body"),
    "alternative": pgettext_lazy("column", "alternative"),
    "carries": pgettext_lazy("column", "carries"),
    "channel": pgettext_lazy("column", "channel"),
    "checks": pgettext_lazy("column", "checks"),
    "checks_digest": pgettext_lazy("column", "checks digest"),
    "choice": pgettext_lazy("column", "choice"),
    "client_data_json": pgettext_lazy("column", "client data json"),
    "collected_at": pgettext_lazy("column", "collected at"),
    "cose_key": pgettext_lazy("column", "cose key"),
    "credential_id": pgettext_lazy("column", "credential id"),
    "data": pgettext_lazy("column", "data"),
    "decide_by": pgettext_lazy("column", "decide by"),
    "decision": pgettext_lazy("column", "decision"),
    "detail": pgettext_lazy("column", "detail"),
    "detected_at": pgettext_lazy("column", "detected at"),
    "detector": pgettext_lazy("column", "detector"),
    "diagnosis": pgettext_lazy("column", "diagnosis"),
    "digest": pgettext_lazy("column", "digest"),
    "earlier": pgettext_lazy("column", "earlier"),
    "editor": pgettext_lazy("column", "editor"),
    "entry": pgettext_lazy("column", "entry"),
    "evidence": pgettext_lazy("column", "evidence"),
    "execution": pgettext_lazy("column", "execution"),
    "external_id": pgettext_lazy("column", "external id"),
    "facts": pgettext_lazy("column", "facts"),
    "fingerprint": pgettext_lazy("column", "fingerprint"),
    "found": pgettext_lazy("column", "found"),
    "from_state": pgettext_lazy("column", "from state"),
    "frozen": pgettext_lazy("column", "frozen"),
    "halt": pgettext_lazy("column", "halt"),
    "holder": pgettext_lazy("column", "holder"),
    "id": pgettext_lazy("column", "id"),
    "identity": pgettext_lazy("column", "identity"),
    "incident": pgettext_lazy("column", "incident"),
    "kind": pgettext_lazy("column", "kind"),
    "locator": pgettext_lazy("column", "locator"),
    "look": pgettext_lazy("column", "look"),
    "request": pgettext_lazy("column", "request"),
    "in_force": pgettext_lazy("column", "in force"),
    "media_type": pgettext_lazy("column", "media type"),
    "name": pgettext_lazy("column", "name"),
    "narrowing_counts": pgettext_lazy("column", "narrowing counts"),
    "narrows": pgettext_lazy("column", "narrows"),
    "observation": pgettext_lazy("column", "observation"),
    "once": pgettext_lazy("column", "once"),
    "outcome": pgettext_lazy("column", "outcome"),
    "person": pgettext_lazy("column", "person"),
    "phase": pgettext_lazy("column", "phase"),
    "pin": pgettext_lazy("column", "pin"),
    "pin_digest": pgettext_lazy("column", "pin digest"),
    "plan": pgettext_lazy("column", "plan"),
    "planner": pgettext_lazy("column", "planner"),
    "plan_digest": pgettext_lazy("column", "plan digest"),
    "proposal": pgettext_lazy("column", "proposal"),
    "rationale": pgettext_lazy("column", "rationale"),
    "reason": pgettext_lazy("column", "reason"),
    "recorded_at": pgettext_lazy("column", "recorded at"),
    "refusal": pgettext_lazy("column", "refusal"),
    "replaces": pgettext_lazy("column", "replaces"),
    "reverses": pgettext_lazy("column", "reverses"),
    "risk": pgettext_lazy("column", "risk"),
    "roles": pgettext_lazy("column", "roles"),
    "round": pgettext_lazy("column", "round"),
    "ruling": pgettext_lazy("column", "ruling"),
    "ruling_digest": pgettext_lazy("column", "ruling digest"),
    "run_within_s": pgettext_lazy("column", "run within s"),
    "scope": pgettext_lazy("column", "scope"),
    "scope_digest": pgettext_lazy("column", "scope digest"),
    "secrets": pgettext_lazy("column", "secrets"),
    "service": pgettext_lazy("column", "service"),
    "session": pgettext_lazy("column", "session"),
    "sha256": pgettext_lazy("column", "sha256"),
    "signature": pgettext_lazy("column", "signature"),
    "since": pgettext_lazy("column", "since"),
    "size": pgettext_lazy("column", "size"),
    "slot": pgettext_lazy("column", "slot"),
    "slots": pgettext_lazy("column", "slots"),
    "source": pgettext_lazy("column", "source"),
    "state": pgettext_lazy("column", "state"),
    "statement": pgettext_lazy("column", "statement"),
    "step": pgettext_lazy("column", "step"),
    "supersedes": pgettext_lazy("column", "supersedes"),
    "target": pgettext_lazy("column", "target"),
    "telling": pgettext_lazy("column", "telling"),
    "text": pgettext_lazy("column", "text"),
    "title": pgettext_lazy("column", "title"),
    "to_state": pgettext_lazy("column", "to state"),
    "token": pgettext_lazy("column", "token"),
    "time": pgettext_lazy("column", "time"),
    "unseen": pgettext_lazy("column", "not visible then"),
    "action": pgettext_lazy("column", "action"),
    "tokens": pgettext_lazy("column", "tokens"),
    "until": pgettext_lazy("column", "until"),
    "version": pgettext_lazy("column", "version"),
    "whole": pgettext_lazy("column", "whole"),
    "writer": pgettext_lazy("column", "writer"),
}


def apply() -> None:
    """Set the names; call this before the admin creates any form or page."""
    for name, (one, many) in MODELS.items():
        options = apps.get_model("remediation", name)._meta
        options.verbose_name, options.verbose_name_plural = one, many
        for field in options.concrete_fields:
            field.verbose_name = COLUMNS[field.name]
    apps.get_model("remediation", "user")._meta.get_field("person").verbose_name = COLUMNS["person"]
