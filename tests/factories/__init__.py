"""Make rows for tests the way the processes make them.

Each fact gets its audit entry in one transaction, under the login that may write it, with
canonical bodies from the domain. One module a subject; all names can be imported from here.

    alice = factories.person("alice", roles=["security"])
    proposal = factories.proposal_at("approved", reviewers=[alice])

Everything goes through the default connection (hitl_owner, who may act as each process by SET
ROLE), so it works in a test's transaction and, committed, for the other aliases.
"""

from __future__ import annotations

from tests.factories.agents import SOON, agent, agent_version, revoke, token
from tests.factories.assessments import assess, bodies, found_state, insert_assessment, scope
from tests.factories.discussion import assignment, comment
from tests.factories.halts import halt, halt_session, halt_statement, halt_verdict
from tests.factories.incidents import (
    artefact,
    diagnosis,
    evidence,
    incident,
    incident_move,
    live_request,
    look,
    look_request,
    outcome_question,
    plan,
)
from tests.factories.inventory import (
    CLERK,
    dependency,
    dependency_version,
    identity,
    identity_version,
    service,
    service_version,
    settle_inventory,
)
from tests.factories.logins import (
    OPERATOR,
    OPERATORS,
    WEB,
    WORKER,
    WORKER_ACTOR,
    acting,
    actor_of,
    anybody_writes,
    as_owner,
    backdate,
    entry,
    entry_body,
    guards_of,
    login_of,
    number,
    soon,
    unguarded,
)
from tests.factories.looks import seen_again
from tests.factories.narrowings import narrow, narrowing_session, sign_narrowing
from tests.factories.people import (
    Person,
    approvers,
    grant,
    invitation,
    join,
    passkey_of,
    person,
    regroup,
    use,
)
from tests.factories.proposals import (
    alternatives,
    choice,
    insert_proposal,
    load,
    move,
    proposal,
)
from tests.factories.reviews import (
    approve,
    digests,
    entitle,
    insert_session,
    review,
    session,
    sign,
    statement,
)
from tests.factories.runs import end_lease, execute, execution, finish_steps, freeze, lease, step
from tests.factories.waits import resumption, wait, wait_for, wait_look, wait_overdue
from tests.factories.walk import proposal_at

__all__ = [
    "CLERK",
    "OPERATOR",
    "OPERATORS",
    "SOON",
    "WEB",
    "WORKER",
    "WORKER_ACTOR",
    "Person",
    "acting",
    "actor_of",
    "agent",
    "agent_version",
    "alternatives",
    "anybody_writes",
    "approve",
    "approvers",
    "artefact",
    "as_owner",
    "assess",
    "assignment",
    "backdate",
    "bodies",
    "choice",
    "comment",
    "dependency",
    "dependency_version",
    "diagnosis",
    "digests",
    "end_lease",
    "entitle",
    "entry",
    "entry_body",
    "evidence",
    "execute",
    "execution",
    "finish_steps",
    "found_state",
    "freeze",
    "grant",
    "guards_of",
    "halt",
    "halt_session",
    "halt_statement",
    "halt_verdict",
    "identity",
    "identity_version",
    "incident",
    "incident_move",
    "insert_assessment",
    "insert_proposal",
    "insert_session",
    "invitation",
    "join",
    "lease",
    "live_request",
    "load",
    "login_of",
    "look",
    "look_request",
    "move",
    "narrow",
    "narrowing_session",
    "number",
    "outcome_question",
    "passkey_of",
    "person",
    "plan",
    "proposal",
    "proposal_at",
    "regroup",
    "resumption",
    "review",
    "revoke",
    "scope",
    "seen_again",
    "service",
    "service_version",
    "session",
    "settle_inventory",
    "sign",
    "sign_narrowing",
    "soon",
    "statement",
    "step",
    "token",
    "unguarded",
    "use",
    "wait",
    "wait_for",
    "wait_look",
    "wait_overdue",
]
