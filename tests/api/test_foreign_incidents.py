"""An agent learns nothing of others' incidents by raising them (docs/attacks.md A79)."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from remediation import models as m
from remediation.api import containment
from remediation.services.reporting import own_words, prepare
from tests import factories
from tests.api.conftest import Caller, CallerOf, report, told

pytestmark = pytest.mark.django_db

GUESS = "Tr0ub4dor" + "&3-horse-battery"


def with_text(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return a report whose one artefact is this document."""
    made = report(name)
    content = json.dumps({"target": name, **document})
    digest = sha256(content.encode()).hexdigest()
    made["evidence"][0] |= {"content": content, "sha256": digest}
    made["diagnosis"]["claims"][0]["citations"][0]["evidence"] = digest
    return made


def asks(caller: Caller) -> list[Any]:
    """Return all that the agent is told when it reports twice, reads, and withdraws.

    Its texts and its artefact have a password that it guesses.
    """
    made = with_text("t1", {"note": f"it is {GUESS}"})
    made["diagnosis"]["summary"] = f"The password is {GUESS}"
    first, second = (told(caller.post("reports", made), 201) for _ in range(2))
    path = f"proposals/{first['proposal']}"
    before = told(caller.get(path))
    caller.post(f"{path}/withdraw", {"reason": f"It is {GUESS}."})
    after = told(caller.get(path))
    assert first["incident"] == second["incident"] == before["incident"] == after["incident"]
    assert UUID(first["incident"]).version == 4
    return plain([first, second, before, after])


def plain(answers: list[Any]) -> list[Any]:
    """Return the answers with each id replaced by its number, and without times."""
    names: dict[str, str] = {}
    text = re.sub(
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda match: names.setdefault(match[0], f"id {len(names)}"),
        json.dumps(answers),
    )
    found: list[Any] = json.loads(re.sub(r"20\d\d-\d\d-\d\dT[0-9:.]+Z", "a time", text))
    return found


def others_report(caller: Caller) -> None:
    """Raise the incident with the password, and with the other agent's artefact, too."""
    body = with_text("t1", {"password": GUESS})
    body["evidence"].append(with_text("t1", {"note": f"it is {GUESS}"})["evidence"][0])
    told(caller.post("reports", body), 201)


def alone_and_joined(caller_of: CallerOf) -> tuple[list[Any], list[Any]]:
    """Return what an agent is told without and with another agent's report."""
    one, two = caller_of("one"), caller_of("two")
    with transaction.atomic():
        alone = asks(two)
        transaction.set_rollback(True)
    others_report(one)
    joined = asks(two)
    assert m.Incident.objects.count() == 1, "people see one incident"
    assert m.IncidentReport.objects.count() == 3
    return alone, joined


def test_a79_an_agent_is_told_the_same_whether_others_reported_or_not(caller_of: CallerOf) -> None:
    alone, joined = alone_and_joined(caller_of)
    assert alone == joined
    # What is stored has the others' secret masked.
    stored = [bytes(one.body) for one in m.Diagnosis.objects.all()]
    assert stored and not any(GUESS.encode() in body for body in stored)


def test_a79_control_an_answer_from_what_is_stored_tells_it(
    caller_of: CallerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the guard, the digest and the count say whether the guess was right."""
    make = prepare.prepare

    def from_what_is_stored(*given: Any) -> prepare.Prepared:
        made = make(*given)
        return prepare.Prepared(made.masked, made.masked, made.external_id, made.seen)

    monkeypatch.setattr(prepare, "prepare", from_what_is_stored)
    alone, joined = alone_and_joined(caller_of)
    names = {name for name in alone[0] if alone[0][name] != joined[0][name]}
    assert names == {"diagnosis_digest", "secrets_found"}


def test_a79_an_agent_reads_of_its_own_runs_only(
    caller_of: CallerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = caller_of("one"), caller_of("two")
    first, second = one.proposes("t1"), two.proposes("t1")
    incident = m.Incident.objects.get()

    def seen(caller: Caller, proposal_id: UUID) -> Any:
        return told(caller.get(f"proposals/{proposal_id}"))["containment"]

    before = seen(two, second)
    with factories.unguarded("remediation_incidenttransition"):
        factories.incident_move(incident, "contained", proposal=m.Proposal.objects.get(pk=first))
    assert seen(one, first)["state"] == "contained"
    assert seen(two, second) == before
    # Control: without the guard, it reads the other's success.
    monkeypatch.setattr(containment, "_is_told", lambda *_: True)
    assert seen(two, second)["state"] == "contained"


def test_a79_only_who_opened_an_incident_knows_its_id(caller_of: CallerOf) -> None:
    one, two = caller_of("one"), caller_of("two")
    first, second = told(one.report(), 201), told(two.report(), 201)
    incident = m.Incident.objects.get()
    assert str(incident.pk) == first["incident"] != second["incident"]
    assert second["incident"] == str(own_words.alias(incident, two.agent.pk))
    assert incident.reports.count() == incident.proposals.count() == 2
