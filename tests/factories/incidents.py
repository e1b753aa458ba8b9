"""Plans, incidents, evidence and diagnoses."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from audit.tlog.canonical import Json, encode
from remediation import models as m
from remediation.domain import instant, report
from remediation.domain import plan as plans
from remediation.domain.events import Event
from remediation.services.clock import database_now
from tests.factories.logins import WEB, WORKER, WORKER_ACTOR, acting, actor_of, entry
from tests.factories.people import Person


def plan(*names: str, environment: str = "staging") -> plans.Plan:
    """Return a plan with one `test.noop` step for each named test target."""
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
    incident: m.Incident,
    content: bytes,
    *,
    attacker_writable: bool = False,
    agent: m.Agent | None = None,
) -> m.Evidence:
    digest = sha256(content).hexdigest()
    agent = agent or incident.agent
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
            agent=agent,
            entry=entry(Event.AGENT_REPORT_SUBMITTED, agent.actor, f"incident:{incident.pk}"),
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
                Event.AGENT_REPORT_SUBMITTED,
                incident.agent.actor,
                f"incident:{incident.pk}",
                # As a report's entry says it; a plan of a person keeps this token.
                token=str(_newest_token(incident.agent)),
            ),
        )


def _newest_token(agent: m.Agent) -> Any:
    tokens = m.AgentToken.objects.filter(agent=agent).order_by("-recorded_at")
    return tokens.values_list("pk", flat=True).first()


def incident_move(
    incident: m.Incident,
    to: str,
    *,
    source: str = "open",
    login: str = WORKER,
    actor: str = "",
    outcome: str = "",
    reason: str = "",
    proposal: m.Proposal | None = None,
    look: m.IncidentLook | None = None,
) -> m.IncidentTransition:
    """Insert a move. The worker contains by the incident's run that succeeded, unless another is
    given."""
    if to == "contained" and look is None and proposal is None:
        proposal = incident.proposals.filter(
            state="succeeded", targets__locator=incident.locator
        ).first()
    actor = actor or actor_of(login)
    with acting(login):
        return m.IncidentTransition.objects.create(
            incident=incident,
            from_state=source,
            to_state=to,
            outcome=outcome,
            reason=reason,
            actor=actor,
            proposal=proposal,
            look=look,
            entry=entry(Event.WORKER_INCIDENT_CONTAINED, actor, f"incident:{incident.pk}"),
        )


def look(
    incident: m.Incident,
    found: str = "without",
    *,
    login: str = WORKER,
    actor: str = WORKER_ACTOR,
    object: str = "",
    **fields: Any,
) -> m.IncidentLook:
    """Insert a look; `fields` may name its proposal and step."""
    with acting(login):
        return m.IncidentLook.objects.create(
            incident=incident,
            found=found,
            data={"at": instant.dump(database_now()), "points": []},
            actor=actor,
            entry=entry(Event.WORKER_INCIDENT_LOOKED, actor, object or f"incident:{incident.pk}"),
            **fields,
        )


def look_request(
    incident: m.Incident, person: Person, *, login: str = WEB, object: str = ""
) -> m.IncidentLookRequest:
    with acting(login):
        return m.IncidentLookRequest.objects.create(
            incident=incident,
            person=person.id,
            entry=entry(Event.PERSON_LOOK_ASKED, person.actor, object or f"incident:{incident.pk}"),
        )


def live_request(incident: m.Incident, person: Person) -> m.LiveRequest:
    """A person's request to read the incident's identity now."""
    with acting(WEB):
        return m.LiveRequest.objects.create(
            incident=incident,
            locator=incident.locator,
            person=person.id,
            entry=entry(Event.PERSON_LIVE_ASKED, person.actor, f"incident:{incident.pk}"),
        )


def outcome_question(incident: m.Incident, person: Person) -> m.OutcomeQuestion:
    """The worker asks a person how an incident turned out."""
    with acting(WORKER):
        return m.OutcomeQuestion.objects.create(
            incident=incident,
            person=person.id,
            time=1,
            actor=WORKER_ACTOR,
            entry=entry(Event.WORKER_OUTCOME_ASKED, WORKER_ACTOR, f"incident:{incident.pk}"),
        )
