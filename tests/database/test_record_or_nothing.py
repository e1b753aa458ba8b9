"""A51: when the audit append fails, the business change is rolled back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import BooleanField

from audit.models import Entry
from audit.tlog.errors import NotCanonical
from remediation import models as m
from remediation.domain.errors import WrongState
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.models.base import Fact
from remediation.services import transition
from remediation.services.actors import ProcessActor
from tests import factories
from tests.database.attack import DENIED, refused, sql
from tests.factories import WEB, WORKER

pytestmark = pytest.mark.django_db


def counts() -> dict[str, int]:
    """Count the rows of every table of this project."""
    models = apps.get_app_config("remediation").get_models()
    return {model.__name__: model._default_manager.count() for model in models}


def withdraw(proposal: m.Proposal, reason: str = "", **data: str) -> None:
    with factories.acting(WEB):
        transition.move(
            actor=ProcessActor(proposal.agent.actor),
            event=Event.AGENT_PROPOSAL_WITHDRAWN,
            proposal_id=proposal.pk,
            source=ProposalState(proposal.state),
            target=ProposalState.WITHDRAWN,
            reason=reason,
            data=data,
        )


FACTS: dict[str, Callable[[m.Proposal], object]] = {
    "a transition": withdraw,
    "a review": lambda p: factories.review(p, p.reviewer),  # type: ignore[attr-defined]
    "an assessment": factories.assess,
    "a submission": lambda p: factories.proposal(agent=p.agent, token=p.token),
    "a freeze": lambda p: factories.freeze(),
    "a service": lambda p: factories.service(),
    "a token": lambda p: factories.token(p.agent, by=p.reviewer),  # type: ignore[attr-defined]
}


@pytest.fixture
def proposal() -> m.Proposal:
    made = factories.proposal_at("in_review")
    made.reviewer = factories.person(roles=["security"])  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("fact", FACTS)
def test_a51_a_failed_append_rolls_back_the_change(fact: str, proposal: m.Proposal) -> None:
    before = counts()
    sql("REVOKE INSERT (body) ON audit.entry FROM hitl_web, hitl_worker")
    with refused(DENIED), transaction.atomic():
        FACTS[fact](proposal)
    assert counts() == before


@pytest.mark.parametrize("fact", FACTS)
def test_the_control_with_the_append_makes_the_change(fact: str, proposal: m.Proposal) -> None:
    before, entries = counts(), Entry.objects.count()
    FACTS[fact](proposal)
    assert counts() != before
    assert Entry.objects.count() > entries


def test_a51_an_entry_that_is_too_long_stops_the_move(proposal: m.Proposal) -> None:
    before = Entry.objects.count()
    with pytest.raises(NotCanonical, match="at most 65535 bytes"), transaction.atomic():
        withdraw(proposal, note="x" * 70_000)
    proposal.refresh_from_db()
    assert (proposal.state, Entry.objects.count()) == ("in_review", before)


def test_a_refused_transition_leaves_no_entry(proposal: m.Proposal) -> None:
    """One transaction: the record holds no move that did not happen."""
    entries = Entry.objects.count()
    other = m.Proposal.objects.get(pk=proposal.pk)
    other.state = "submitted"
    with pytest.raises(WrongState), transaction.atomic():
        withdraw(other)
    assert Entry.objects.count() == entries


# The columns that name the actor, and facts that name it elsewhere.
WHO = {"actor", "author", "agent_id", "person", "created_by", "revoked_by"}
# Their guards compare the editor, or else the agent.
ELSEWHERE = {"remediation_proposal", "remediation_diagnosis"}


def test_a_rows_actor_is_compared_with_its_entry() -> None:
    """Also for every future table of facts."""
    for model in apps.get_app_config("remediation").get_models():
        # `person` of a wait says whether it is for a person: that names nobody.
        fields = [one for one in model._meta.fields if not isinstance(one, BooleanField)]
        columns = {field.column for field in fields}
        if not issubclass(model, Fact) or not columns & WHO or model._meta.db_table in ELSEWHERE:
            continue
        if model is m.AgentVersion or model is m.AgentToken:
            columns.discard("agent_id")  # the affected person
        if model in (m.Invitation, m.IncidentAssignment, m.OutcomeQuestion, m.ApproverKey):
            columns.discard("person")  # the affected person
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgargs FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = 'a_fact'",
                [model._meta.db_table],
            )
            argument = bytes(cursor.fetchone()[0]).rstrip(b"\0").decode()
        column = {"agent": "agent_id", "maker": "created_by"}.get(argument, argument)
        assert {column} == columns & WHO, model


def test_a_failing_append_stops_the_worker_too(proposal: m.Proposal) -> None:
    """Any error of the append, here a trigger that fails: the step is not recorded."""
    run = factories.execute(factories.proposal_at("approved"))
    sql(
        "CREATE FUNCTION pg_temp.full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END $$"
    )
    sql("CREATE TRIGGER z BEFORE INSERT ON audit.entry EXECUTE FUNCTION pg_temp.full()")
    with pytest.raises(DatabaseError, match="disk full"), transaction.atomic():
        factories.step(run, "applied", login=WORKER)
    assert list(run.steps.values_list("phase", flat=True)) == ["intended"]
