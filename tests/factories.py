"""Rows for tests, made the way the processes make them: each fact with its audit entry in one
transaction, under the login that may write it, with canonical bodies from the domain.

    alice = factories.person("alice", roles=["security"])
    proposal = factories.proposal_at("approved", reviewers=[alice])

Everything goes through the default connection (hitl_owner, who may act as each process by SET
ROLE), so it works in a test's transaction and, committed, for the other aliases.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from guardian.models import UserObjectPermission

from audit import log
from audit.tlog.canonical import Json, encode
from hitlportal.demo.people.passkey import SoftPasskey
from remediation import models as m
from remediation.domain import b64url, checks, observation, policy, report
from remediation.domain import plan as plans
from remediation.domain.digest import Digests
from remediation.domain.events import Event
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.halt.statement import HaltStatement, taken_back
from remediation.domain.observation import Observation
from remediation.domain.scope import Scope, ScopeService, ScopeTarget
from remediation.domain.statement import Decision, Reason, Statement, Verdicts
from remediation.domain.states import ProposalState

WEB, WORKER = "hitl_web", "hitl_worker"
WORKER_ACTOR = "worker:test"
OPERATOR = "operator:test@test"
# An editor of the inventory who is nobody in the story.
CLERK = f"person:{uuid4()}"
# Far enough for any test, and an exact second: bodies stay readable.
SOON = timedelta(hours=1)

_numbers = itertools.count(1)


def number() -> int:
    """A number that no other row of this process got."""
    return next(_numbers)


# ---- acting ------------------------------------------------------------------------------------


@contextmanager
def acting(login: str) -> Iterator[None]:
    """A transaction (or savepoint) in which the default connection has this login's rights."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        before = cursor.fetchone()[0]
        cursor.execute(f'SET LOCAL ROLE "{login}"')
        yield
        cursor.execute(f'SET LOCAL ROLE "{before}"')


def as_owner() -> Any:
    """Act as hitl_owner, whoever acts now."""
    return acting("hitl_owner")


def entry(action: str, actor: str, object: str, **data: Any) -> int:
    """One audit entry; its id."""
    return log.append(action=action, actor=actor, object=object, data=data).id


def backdate(row: models.Model, field: str = "recorded_at", **delta: float) -> None:
    """Make a fact older: the field moves back by the timedelta. Only the owner can, and only with
    the guards of the table disabled."""
    with unguarded(row._meta.db_table):
        row.refresh_from_db()
        old = getattr(row, field)
        type(row)._base_manager.filter(pk=row.pk).update(**{field: old - timedelta(**delta)})
    row.refresh_from_db()


@contextmanager
def unguarded(table: str, *triggers: str) -> Iterator[None]:
    """As owner, with all guards of the table (or the named ones) disabled; ALWAYS afterwards."""
    with as_owner(), connection.cursor() as cursor:
        names = list(triggers) or guards_of(table)
        # Deferred foreign keys are pending trigger events, and ALTER TABLE refuses beside those.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} DISABLE TRIGGER "{name}"')
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} ENABLE ALWAYS TRIGGER "{name}"')
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def guards_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


# ---- people and agents -------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """An account with its passkey."""

    user: m.User
    passkey: SoftPasskey

    @property
    def id(self) -> UUID:
        return self.user.person

    @property
    def actor(self) -> str:
        return self.user.actor


def person(name: str = "", *, roles: Sequence[str] = (), active: bool = True) -> Person:
    """An account in these groups (security, service_owner, lead, auditor, …), with a passkey."""
    name = name or f"person{number()}"
    passkey = SoftPasskey.create()
    with acting(WEB):
        user = m.User(username=name, email=f"{name}@example.org", is_active=active)
        user.set_unusable_password()
        user.save(force_insert=True)
        for role in roles:
            join(user, role)
        registration = passkey.registration(b"\0" * 32, settings.RP_ID, settings.ORIGIN)
        Authenticator.objects.create(
            user=user,
            type=Authenticator.Type.WEBAUTHN,
            data={"name": "test", "credential": registration},
        )
        m.PasskeyEnrolment.objects.create(
            person=user.person,
            credential_id=passkey.credential_id,
            cose_key=passkey.cose_key,
            entry=entry(Event.PERSON_PASSKEY_ENROLLED, user.actor, user.actor),
        )
    return Person(user, passkey)


def join(user: m.User, role: str) -> None:
    with acting(WEB):
        user.groups.add(Group.objects.get_or_create(name=role)[0])


def grant(user: m.User, right: str, service: m.Service) -> None:
    """An object right (view_service, review_service) on one service."""
    with acting(WEB):
        kind = ContentType.objects.get_for_model(m.Service)
        permission = kind.permission_set.get(codename=right)
        UserObjectPermission.objects.create(
            user=user, permission=permission, content_type=kind, object_pk=str(service.pk)
        )


def approvers(*people: Person, roles: Sequence[str] = policy.ROLES) -> Approvers:
    """An approvers file that holds these people's passkeys."""
    return Approvers(tuple(_approver(someone, roles) for someone in people))


def _approver(someone: Person, roles: Sequence[str]) -> Approver:
    return Approver(
        person=str(someone.id),
        credential_id=b64url.encode(someone.passkey.credential_id),
        cose_key=b64url.encode(someone.passkey.cose_key),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
        roles=tuple(roles),
        since=datetime.now(UTC) - timedelta(days=1),
        until=None,
    )


def agent(owner: Person | None = None, *, name: str = "", enabled: bool = True) -> m.Agent:
    owner = owner or person()
    with acting(WEB):
        made = m.Agent(name=name or f"agent{number()}")
        made.entry = entry(Event.PERSON_AGENT_CREATED, owner.actor, f"agent:{made.pk}")
        made.save(force_insert=True)
        agent_version(made, owner, enabled=enabled)
    return made


def agent_version(agent: m.Agent, owner: Person, *, enabled: bool = True) -> m.AgentVersion:
    """A new owner, or suspended, from now on."""
    with acting(WEB):
        return m.AgentVersion.objects.create(
            agent=agent,
            owner=owner.id,
            enabled=enabled,
            author=owner.actor,
            entry=entry(Event.PERSON_AGENT_CHANGED, owner.actor, f"agent:{agent.pk}"),
        )


def token(
    agent: m.Agent, by: Person | None = None, *, secret: str = "", expires: timedelta = SOON
) -> m.AgentToken:
    """A token of the agent, made by that person; `secret` is what the agent would send."""
    by = by or person()
    secret = secret or secrets.token_urlsafe(32)
    with acting(WEB):
        return m.AgentToken.objects.create(
            agent=agent,
            prefix=secret[:8],
            hash=sha256(secret.encode()).hexdigest(),
            created_by=by.id,
            expires_at=datetime.now(UTC) + expires,
            entry=entry(Event.PERSON_TOKEN_CREATED, by.actor, f"agent:{agent.pk}"),
        )


def revoke(token: m.AgentToken, by: Person) -> m.AgentTokenRevocation:
    with acting(WEB):
        return m.AgentTokenRevocation.objects.create(
            token=token,
            revoked_by=by.actor,
            entry=entry(Event.PERSON_TOKEN_REVOKED, by.actor, f"agent:{token.agent_id}"),
        )


# ---- inventory ---------------------------------------------------------------------------------


def service(name: str = "", *, author: str = CLERK, **said: Any) -> m.Service:
    """A service of the inventory; by default in staging, of low criticality, on no payment path."""
    with acting(WEB):
        made = m.Service.objects.create(
            name=name or f"service{number()}",
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, "inventory:service"),
        )
        service_version(made, author=author, **said)
    return made


def service_version(service: m.Service, *, author: str = CLERK, **said: Any) -> m.ServiceVersion:
    usual = {
        "owner_team": "team",
        "environment": "staging",
        "criticality": "low",
        "payment_path": False,
        "external_partner": False,
    }
    with acting(WEB):
        return m.ServiceVersion.objects.create(
            service=service,
            author=author,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"service:{service.pk}"),
            **{**usual, **said},
        )


def identity(
    locator: str = "", *, kind: str = "test.target", author: str = CLERK, **said: Any
) -> m.Identity:
    with acting(WEB):
        made = m.Identity.objects.create(
            locator=locator or f"test.target:t{number()}",
            kind=kind,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, "inventory:identity"),
        )
        identity_version(made, author=author, **said)
    return made


def identity_version(
    identity: m.Identity, *, author: str = CLERK, **said: Any
) -> m.IdentityVersion:
    with acting(WEB):
        return m.IdentityVersion.objects.create(
            identity=identity,
            author=author,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"identity:{identity.pk}"),
            **{"owner_team": "team", "environment": "staging", **said},
        )


def settle_inventory(*objects: models.Model, days: float = 8) -> None:
    """What the inventory says about these objects (default: all) was said that long ago: nobody
    loosened it in the last 7 days, and nothing in it is younger than 24 hours."""
    for model, field in (
        (m.ServiceVersion, "service"),
        (m.IdentityVersion, "identity"),
        (m.DependencyVersion, "dependency"),
    ):
        rows = model._default_manager.all()
        if objects:
            kind = model._meta.get_field(field).related_model
            rows = rows.filter(**{f"{field}__in": [o for o in objects if type(o) is kind]})
        with unguarded(model._meta.db_table):
            rows.update(recorded_at=models.F("recorded_at") - timedelta(days=days))


def dependency(
    source: m.Service, on: m.Service | m.Identity, *, author: str = CLERK
) -> m.Dependency:
    """`source` cannot work without `on`."""
    end = {"service": on} if isinstance(on, m.Service) else {"identity": on}
    with acting(WEB):
        made = m.Dependency.objects.create(
            source=source,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"service:{source.pk}"),
            **end,
        )
        dependency_version(made, present=True, author=author)
    return made


def dependency_version(
    dependency: m.Dependency, *, present: bool, author: str = CLERK
) -> m.DependencyVersion:
    with acting(WEB):
        return m.DependencyVersion.objects.create(
            dependency=dependency,
            present=present,
            author=author,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"dependency:{dependency.pk}"),
        )


# ---- incident, evidence, diagnosis -------------------------------------------------------------


def plan(*names: str, environment: str = "staging") -> plans.Plan:
    """A plan with one `test.noop` step for each named test target."""
    steps: list[Json] = [
        {
            "action": "test.noop",
            "target": {"kind": "test.target", "name": name},
            "parameters": {"note": "from a test"},
        }
        for name in names
    ]
    return plans.parse(
        {"version": 1, "environment": environment, "steps": steps},
        protected=frozenset(),
        allow_test=True,
    )


def artefact(name: str) -> bytes:
    """Evidence that names the target; claims cite its pointer /target."""
    return encode({"target": name, "seen": "misuse"})


def incident(agent: m.Agent, locator: str, *, title: str = "Key misused") -> m.Incident:
    with acting(WEB):
        made = m.Incident(
            kind="credential_misuse",
            title=title,
            locator=locator,
            detected_at=datetime.now(UTC),
            agent=agent,
        )
        made.entry = entry(Event.AGENT_INCIDENT_OPENED, agent.actor, f"incident:{made.pk}")
        made.save(force_insert=True)
        m.IncidentReport.objects.create(incident=made, agent=agent, entry=made.entry)
    return made


def evidence(
    incident: m.Incident, content: bytes, *, attacker_writable: bool = False
) -> m.Evidence:
    digest = sha256(content).hexdigest()
    with acting(WEB):
        m.EvidenceBlob.objects.bulk_create(
            [m.EvidenceBlob(sha256=digest, content=content)], ignore_conflicts=True
        )
        return m.Evidence.objects.create(
            incident=incident,
            sha256=digest,
            size=len(content),
            source="test",
            media_type="application/json",
            collected_at=datetime.now(UTC),
            attacker_writable=attacker_writable,
            agent=incident.agent,
            entry=entry(
                Event.AGENT_REPORT_SUBMITTED, incident.agent.actor, f"incident:{incident.pk}"
            ),
        )


def diagnosis(incident: m.Incident, *names: str) -> m.Diagnosis:
    """One claim for each test target, citing the artefact that names it."""
    claims: list[Json] = [
        {
            "text": f"{name} is misused",
            "citations": [
                {
                    "evidence": sha256(artefact(name)).hexdigest(),
                    "pointer": "/target",
                    "value": name,
                }
            ],
        }
        for name in names
    ]
    made = report.parse_diagnosis(
        {
            "summary": "It is misused.",
            "identity": {"kind": "test.target", "name": names[0]},
            "confidence": 90,
            "claims": claims,
        },
        allow_test=True,
    )
    with acting(WEB):
        return m.Diagnosis.objects.create(
            incident=incident,
            version=incident.diagnoses.count() + 1,
            body=made.body,
            digest=made.digest,
            agent=incident.agent,
            entry=entry(
                Event.AGENT_REPORT_SUBMITTED, incident.agent.actor, f"incident:{incident.pk}"
            ),
        )


def incident_move(
    incident: m.Incident,
    to: str,
    *,
    source: str = "open",
    login: str = WORKER,
    actor: str = WORKER_ACTOR,
    outcome: str = "",
    reason: str = "",
) -> m.IncidentTransition:
    with acting(login):
        return m.IncidentTransition.objects.create(
            incident=incident,
            from_state=source,
            to_state=to,
            outcome=outcome,
            reason=reason,
            actor=actor,
            entry=entry(Event.WORKER_INCIDENT_CONTAINED, actor, f"incident:{incident.pk}"),
        )


# ---- proposal ----------------------------------------------------------------------------------


def proposal(
    *names: str,
    agent: m.Agent | None = None,
    token: m.AgentToken | None = None,
    incident: m.Incident | None = None,
    supersedes: m.Proposal | None = None,
    editor: Person | None = None,
    environment: str = "staging",
    in_inventory: bool = True,
) -> m.Proposal:
    """A submitted proposal with everything below it: agent with owner and token, incident,
    evidence, diagnosis, and its targets (test targets of these names) in the inventory, for long,
    with one service that uses each."""
    names = names or (f"t{number()}",)
    agent = agent or (supersedes.agent if supersedes else _new_agent())
    token = token or (supersedes.token if supersedes else _new_token(agent))
    made = plan(*names, environment=environment)
    locators = [step.target.locator for step in made.steps]
    incident = incident or (
        supersedes.incident if supersedes else _new_incident(agent, locators[0])
    )
    for name in names:
        if not incident.evidence.filter(sha256=sha256(artefact(name)).hexdigest()).exists():
            evidence(incident, artefact(name))
    if in_inventory:
        _place(locators)
    return insert_proposal(
        made,
        diagnosis=diagnosis(incident, *names),
        agent=agent,
        token=token,
        supersedes=supersedes,
        editor=editor.id if editor else None,
    )


# Inside `proposal` these names are its arguments.
_new_agent, _new_token, _new_incident = agent, token, incident


def _place(locators: Sequence[str]) -> None:
    known = set(m.Identity.objects.values_list("locator", flat=True))
    for locator in set(locators) - known:
        target = identity(locator)
        edge = dependency(service(), target)
        settle_inventory(edge, edge.source, target)


def insert_proposal(plan: plans.Plan, *, login: str = WEB, **fields: Any) -> m.Proposal:
    """The row itself, with its targets; `fields` may say anything."""
    made = m.Proposal(plan=plan.body, plan_digest=plan.digest, **fields)
    if "incident" not in fields:
        made.incident = made.diagnosis.incident
    actor = f"person:{made.editor}" if made.editor else f"agent:{made.agent_id}"
    with acting(login):
        made.entry = entry(Event.AGENT_PROPOSAL_SUBMITTED, actor, f"proposal:{made.pk}")
        made.save(force_insert=True)
        m.ProposalTarget.objects.bulk_create(
            m.ProposalTarget(proposal=made, step=step.index, locator=step.target.locator)
            for step in plan.steps
        )
    made.refresh_from_db()
    return made


def load(proposal: m.Proposal) -> plans.Plan:
    return plans.load(bytes(proposal.plan), protected=frozenset(), allow_test=True)


def move(
    proposal: m.Proposal,
    to: str,
    *,
    login: str = WORKER,
    actor: str = WORKER_ACTOR,
    source: str | None = None,
    reason: str = "",
    entry_says: Mapping[str, Any] | None = None,
) -> m.Transition:
    """Insert a transition. `source` is the state said to be left (default: the true one);
    `entry_says` overrides what the audit entry names (actor, object, from, to)."""
    proposal.refresh_from_db()
    source = proposal.state if source is None else source
    said = {
        "actor": actor,
        "object": f"proposal:{proposal.pk}",
        "from": str(source),
        "to": str(to),
        **(entry_says or {}),
    }
    with acting(login):
        number = entry(
            Event.WORKER_PROPOSAL_REASSESSED,
            said["actor"],
            said["object"],
            **{"from": said["from"], "to": said["to"]},
        )
        made = m.Transition.objects.create(
            proposal=proposal,
            from_state=source,
            to_state=to,
            round=0,
            actor=actor,
            reason=reason,
            entry=number,
        )
    proposal.refresh_from_db()
    made.refresh_from_db()
    return made


# ---- assessment --------------------------------------------------------------------------------


def scope(proposal: m.Proposal) -> Scope:
    """The targets, and the services that use them directly, as the newest versions say."""
    targets, services = [], []
    for row in proposal.targets.order_by("step"):
        identity = m.Identity.objects.filter(locator=row.locator).first()
        said = identity.versions.order_by("-id").first() if identity else None
        targets.append(
            ScopeTarget(
                row.locator,
                said is not None,
                identity.kind if identity else "",
                said.environment if said else "",
                said.owner_team if said else "",
            )
        )
        for edge in m.Dependency.objects.filter(identity=identity) if identity else ():
            services.append(_scope_service(edge.source, row.locator))
    unknown = tuple(f"{t.locator} is not in the inventory" for t in targets if not t.known)
    return Scope(tuple(targets), tuple(services), unknown)


def _scope_service(service: m.Service, via: str) -> ScopeService:
    said = service.versions.latest("id")
    return ScopeService(
        id=service.pk,
        name=service.name,
        via=via,
        depth=1,
        environment=said.environment,
        criticality=said.criticality,
        payment_path=said.payment_path,
        external_partner=said.external_partner,
        owner_team=said.owner_team,
    )


def found_state(proposal: m.Proposal, state: str = "on") -> dict[str, Observation | None]:
    """Each test target as observed in this state."""
    return {
        row.locator: Observation(True, {"state": state}, {}, simulated=True)
        for row in proposal.targets.all()
    }


def bodies(
    proposal: m.Proposal,
    *,
    slots: Sequence[str] | None = None,
    decide_by: datetime | None = None,
    run_within_s: int | None = None,
) -> dict[str, bytes]:
    """The bodies of an assessment, as the worker would find them; the ruling may be overridden."""
    plan, seen, reach = load(proposal), found_state(proposal), scope(proposal)
    found = checks.run(
        checks.CheckInput(
            plan=plan,
            diagnosis=report.load_diagnosis(bytes(proposal.diagnosis.body), allow_test=True),
            evidence={
                row.sha256: bytes(m.EvidenceBlob.objects.get(pk=row.sha256).content)
                for row in proposal.incident.evidence.all()
            },
            identity_locators=(proposal.incident.locator,),
            observations=seen,
            known_locators=frozenset(t.locator for t in reach.targets if t.known),
            scope=reach,
        )
    )
    facts = policy.facts(plan, reach, found, seen)
    asked = policy.evaluate(facts)
    asked = replace(
        asked,
        slots=asked.slots if slots is None else tuple(slots),
        run_within_s=asked.run_within_s if run_within_s is None else run_within_s,
    )
    first = proposal.assessments.order_by("round").first()
    ruling = policy.rule(
        asked,
        datetime.now(UTC),
        earlier=policy.Ruling.parse(bytes(first.ruling)) if first else None,
    )
    return {
        "observation": observation.observation_body(seen),
        "pin": observation.pin(plan, seen),
        "scope": reach.body(),
        "checks": checks.body(found),
        "facts": facts.body(),
        "ruling": (replace(ruling, decide_by=decide_by) if decide_by else ruling).body(),
    }


def insert_assessment(
    proposal: m.Proposal, *, login: str = WORKER, round: int | None = None, **said: Any
) -> m.Assessment:
    """The row with its services; `said` are arguments of `bodies` or bodies themselves."""
    proposal.refresh_from_db()
    ruled = {k: said.pop(k) for k in ("slots", "decide_by", "run_within_s") if k in said}
    found = {**bodies(proposal, **ruled), **said}
    reached = scope(proposal).services
    with acting(login):
        made = m.Assessment.objects.create(
            proposal=proposal,
            round=proposal.round + 1 if round is None else round,
            entry=entry(Event.WORKER_PROPOSAL_ASSESSED, WORKER_ACTOR, f"proposal:{proposal.pk}"),
            **found,
        )
        m.AssessmentService.objects.bulk_create(
            m.AssessmentService(assessment=made, service_id=number, depth=1)
            for number in {service.id for service in reached}
        )
    made.refresh_from_db()
    return made


def assess(proposal: m.Proposal, **said: Any) -> m.Assessment:
    """An assessment and the round that it opens, in one transaction."""
    with transaction.atomic():
        made = insert_assessment(proposal, **said)
        move(proposal, ProposalState.IN_REVIEW)
    return made


# ---- review ------------------------------------------------------------------------------------


def digests(proposal: m.Proposal, assessment: m.Assessment) -> Digests:
    return Digests(
        plan=proposal.plan_digest,
        diagnosis=proposal.diagnosis.digest,
        scope=assessment.scope_digest,
        ruling=assessment.ruling_digest,
        pin=assessment.pin_digest,
        checks=assessment.checks_digest,
    )


def statement(
    proposal: m.Proposal,
    someone: Person,
    decision: str = "approve",
    slot: str = "any",
    **said: Any,
) -> Statement:
    """What the person would sign now; `said` overrides fields of the statement."""
    proposal.refresh_from_db()
    yes = decision == Decision.APPROVE
    rejected = decision == Decision.REJECT
    reason = Reason("action_wrong" if rejected else "timing", "Not like this, not now.")
    usual = Statement(
        proposal=str(proposal.pk),
        round=proposal.round,
        digests=digests(proposal, proposal.assessments.get(round=proposal.round)),
        decision=Decision(decision),
        verdicts=Verdicts(True, True, yes),
        reason=Reason("", "") if yes else reason,
        slot=slot,
        person=str(someone.id),
        nonce=secrets.token_hex(32),
        expires=datetime.now(UTC) + timedelta(minutes=5),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )
    return replace(usual, **said)


def session(proposal: m.Proposal, someone: Person, **said: Any) -> m.ReviewSession:
    """A started review; `said` are arguments of `statement`."""
    return insert_session(
        statement(proposal, someone, **said), proposal=proposal, person=someone.id
    )


def insert_session(
    composed: Statement, *, login: str = WEB, proposal: m.Proposal, person: UUID, **fields: Any
) -> m.ReviewSession:
    """The row itself; `fields` override what the statement says."""
    said = {
        "round": composed.round,
        "nonce": composed.nonce,
        "statement": composed.body(),
        "expires_at": composed.expires,
        **fields,
    }
    with acting(login):
        return m.ReviewSession.objects.create(
            proposal=proposal,
            person=person,
            entry=entry(Event.PERSON_REVIEW_STARTED, f"person:{person}", f"proposal:{proposal.pk}"),
            **said,
        )


def sign(session: m.ReviewSession, someone: Person, *, login: str = WEB, **said: Any) -> m.Review:
    """The review of a started session, really signed; `said` overrides columns."""
    composed = Statement.parse(bytes(session.statement))
    made = someone.passkey.assertion(composed.challenge(), composed.rp_id, composed.origin)
    columns = {
        "proposal_id": session.proposal_id,
        "round": session.round,
        "person": someone.id,
        "slot": composed.slot,
        "decision": composed.decision.value,
        "statement": composed.body(),
        "credential_id": made.credential_id,
        "authenticator_data": made.authenticator_data,
        "client_data_json": made.client_data_json,
        "signature": made.signature,
        "cose_key": someone.passkey.cose_key,
        **said,
    }
    with acting(login):
        actor = f"person:{columns['person']}"
        return m.Review.objects.create(
            session=session,
            entry=entry(Event.PERSON_REVIEW_SIGNED, actor, f"proposal:{columns['proposal_id']}"),
            **columns,
        )


def review(
    proposal: m.Proposal, someone: Person, decision: str = "approve", slot: str = "any"
) -> m.Review:
    """Session and signed review; the state does not move."""
    return sign(session(proposal, someone, decision=decision, slot=slot), someone)


def approve(proposal: m.Proposal, *reviewers: Person) -> None:
    """Fill the open slots of the round, with these people in the ruling's order (or new ones),
    and walk to approved."""
    slots = proposal.assessments.get(round=proposal.round).slots
    people = iter(reviewers)
    for slot in slots:
        someone = next(people, None) or person(roles=["security" if slot == "any" else slot])
        review(proposal, someone, slot=slot)
        last = someone.actor
    move(proposal, ProposalState.APPROVED, login=WEB, actor=last)


# ---- execution ---------------------------------------------------------------------------------


def lease(target: str, *, holder: str = WORKER_ACTOR, secs: float = 60) -> m.Lease:
    """Claim a target's lease: a new token."""
    with acting(WORKER), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO remediation_lease AS l (target, token, holder, until)"
            " VALUES (%s, 1, %s, clock_timestamp() + make_interval(secs => %s))"
            " ON CONFLICT (target) DO UPDATE"
            " SET token = l.token + 1, holder = excluded.holder, until = excluded.until",
            [target, holder, secs],
        )
    return m.Lease.objects.get(pk=target)


def end_lease(target: str) -> None:
    """The lease has run out a second ago; nobody renewed it."""
    with unguarded("remediation_lease"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE remediation_lease SET until = clock_timestamp() - interval '1 second'"
            " WHERE target = %s",
            [target],
        )


def execution(
    proposal: m.Proposal,
    *,
    holder: str = WORKER_ACTOR,
    login: str = WORKER,
    tokens: Mapping[str, int] | None = None,
) -> m.Execution:
    """The run's row, with leases on all targets unless `tokens` are given."""
    if tokens is None:
        tokens = {
            row.locator: lease(row.locator, holder=holder).token for row in proposal.targets.all()
        }
    with acting(login):
        return m.Execution.objects.create(
            proposal=proposal,
            tokens=dict(tokens),
            holder=holder,
            evidence=b"{}",
            entry=entry(Event.WORKER_PROPOSAL_EXECUTING, WORKER_ACTOR, f"proposal:{proposal.pk}"),
        )


def step(
    execution: m.Execution,
    phase: str,
    step: int = 0,
    *,
    token: int | None = None,
    login: str = WORKER,
) -> m.StepRecord:
    """One phase of one step, with the run's token unless another is given."""
    if token is None:
        locator = execution.proposal.targets.get(step=step).locator
        token = execution.tokens[locator]
    with acting(login):
        return m.StepRecord.objects.create(
            execution=execution,
            step=step,
            phase=phase,
            token=token,
            data={},
            entry=entry(
                Event.WORKER_STEP_RECORDED, WORKER_ACTOR, f"proposal:{execution.proposal_id}"
            ),
        )


def execute(proposal: m.Proposal, *, tokens: Mapping[str, int] | None = None) -> m.Execution:
    """approved → executing with the first step intended, in one transaction."""
    with transaction.atomic():
        made = execution(proposal, tokens=tokens)
        move(proposal, ProposalState.EXECUTING)
        step(made, "intended")
    return made


def halt_statement(proposal: m.Proposal, someone: Person, **said: Any) -> HaltStatement:
    """What the person would sign to halt the run; `said` overrides fields of the statement."""
    proposal.refresh_from_db()
    usual = HaltStatement(
        proposal=str(proposal.pk),
        round=proposal.round,
        plan=proposal.plan_digest,
        takes_back=taken_back(load(proposal)),
        reason="It is the wrong account.",
        person=str(someone.id),
        nonce=secrets.token_hex(32),
        expires=datetime.now(UTC) + timedelta(minutes=5),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )
    return replace(usual, **said)


def halt_session(composed: HaltStatement, proposal: m.Proposal, **fields: Any) -> m.HaltSession:
    """The started halt of this statement; `fields` override what the statement says."""
    said = {
        "person": UUID(composed.person),
        "nonce": composed.nonce,
        "statement": composed.body(),
        "expires_at": composed.expires,
        **fields,
    }
    with acting(WEB):
        return m.HaltSession.objects.create(
            proposal=proposal,
            entry=entry(
                Event.PERSON_HALT_STARTED, f"person:{said['person']}", f"proposal:{proposal.pk}"
            ),
            **said,
        )


def halt(
    proposal: m.Proposal,
    someone: Person,
    *,
    actor: str = "",
    object: str = "",
    columns: Mapping[str, Any] = MappingProxyType({}),
    **said: Any,
) -> m.Halt:
    """The run is halted by this person, really signed. `said` overrides fields of the statement,
    `columns` those of the row, `actor` and `object` what the entry names."""
    composed = halt_statement(proposal, someone, **said)
    made = someone.passkey.assertion(composed.challenge(), composed.rp_id, composed.origin)
    row = {
        "session": halt_session(composed, proposal),
        "proposal": proposal,
        "person": someone.id,
        "reason": composed.reason,
        "statement": composed.body(),
        "credential_id": made.credential_id,
        "authenticator_data": made.authenticator_data,
        "client_data_json": made.client_data_json,
        "signature": made.signature,
        "cose_key": someone.passkey.cose_key,
        **columns,
    }
    with acting(WEB):
        return m.Halt.objects.create(
            entry=entry(
                Event.PERSON_EXECUTION_HALTED,
                actor or someone.actor,
                object or f"proposal:{proposal.pk}",
                statement=composed.to_json(),
                assertion=made.to_json(),
                cose_key=b64url.encode(someone.passkey.cose_key),
            ),
            **row,
        )


def halt_verdict(halt: m.Halt, refusal: str = "", *, login: str = WORKER) -> m.HaltVerdict:
    """What the worker found about a halt: it holds, or the name of the refusal."""
    event = Event.WORKER_HALT_REFUSED if refusal else Event.WORKER_HALT_VERIFIED
    with acting(login):
        return m.HaltVerdict.objects.create(
            halt=halt,
            actor=WORKER_ACTOR,
            refusal=refusal,
            entry=entry(event, WORKER_ACTOR, f"proposal:{halt.proposal_id}"),
        )


def finish_steps(execution: m.Execution) -> None:
    """Every step applied and verified."""
    for row in execution.proposal.targets.order_by("step"):
        if row.step:
            step(execution, "intended", row.step)
        step(execution, "applied", row.step)
        step(execution, "verified", row.step)


def invitation(someone: Person) -> m.Invitation:
    with acting(WEB):
        return m.Invitation.objects.create(
            person=someone.id,
            code_hash=sha256(secrets.token_bytes(16)).hexdigest(),
            created_by=OPERATOR,
            entry=entry(Event.OPERATOR_INVITATION_MADE, OPERATOR, someone.actor),
        )


def use(invitation: m.Invitation) -> m.InvitationUse:
    actor = f"person:{invitation.person}"
    with acting(WEB):
        return m.InvitationUse.objects.create(
            invitation=invitation, entry=entry(Event.PERSON_PASSKEY_ENROLLED, actor, actor)
        )


def freeze(frozen: bool = True, reason: str = "a drill") -> m.Freeze:
    with acting(WORKER):
        event = Event.OPERATOR_FREEZE_SET if frozen else Event.OPERATOR_FREEZE_LIFTED
        return m.Freeze.objects.create(
            frozen=frozen, reason=reason, actor=OPERATOR, entry=entry(event, OPERATOR, "freeze:all")
        )


# ---- any state ---------------------------------------------------------------------------------

S = ProposalState


def proposal_at(
    state: str,
    *names: str,
    reviewers: Sequence[Person] = (),
    slots: Sequence[str] = ("any",),
    ruling: Mapping[str, Any] | None = None,
    **fields: Any,
) -> m.Proposal:
    """A proposal that walked to this state by the edges that exist, with all that they ask for.

    `fields` are arguments of `proposal`; `ruling` may hold decide_by and run_within_s.
    """
    made = proposal(*names, **fields)
    asked = {"slots": slots, **(ruling or {})}
    if state in (S.WITHDRAWN, S.SUPERSEDED):
        move(made, state, login=WEB, actor=made.agent.actor)
    elif state == S.EXPIRED:
        backdate(made, hours=25)
        move(made, state)
    elif state != S.SUBMITTED:
        assess(made, **asked)
        _from_review(made, ProposalState(state), reviewers)
    made.refresh_from_db()
    return made


def _from_review(proposal: m.Proposal, state: ProposalState, reviewers: Sequence[Person]) -> None:
    if state in (S.REJECTED, S.RETURNED):
        decision = "reject" if state is S.REJECTED else "return"
        someone = reviewers[0] if reviewers else person(roles=["security"])
        slot = proposal.assessments.get(round=proposal.round).slots[0]
        review(proposal, someone, decision, slot)
        move(proposal, state)
    elif state is not S.IN_REVIEW:
        approve(proposal, *reviewers)
        _from_approved(proposal, state)


def _from_approved(proposal: m.Proposal, state: ProposalState) -> None:
    if state is S.REFUSED:
        move(proposal, state)
    elif state is not S.APPROVED:
        run = execute(proposal)
        if state is S.SUCCEEDED:
            finish_steps(run)
        if state is not S.EXECUTING:
            move(proposal, state)


def soon() -> datetime:
    """A minute from now."""
    return datetime.now(UTC) + timedelta(minutes=1)
