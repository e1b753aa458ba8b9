"""Who may see an incident or a proposal, by the rule that guards read."""

from __future__ import annotations

import pytest

from remediation import models as m
from remediation.services.access import visibility
from remediation.services.reporting.viewers import candidates, named, viewers
from tests import factories

pytestmark = pytest.mark.django_db


def test_viewers_are_those_who_may_see() -> None:
    """A12: the guards' rule is the rule of the pages."""
    bare = factories.incident(factories.agent(factories.person()), "test.target:t9")
    proposals = [
        factories.proposal_at("in_review"),
        factories.proposal_at("in_review", in_inventory=False),
        factories.proposal(),
    ]
    services = list(m.Service.objects.all())
    people = [
        factories.person(roles=roles)
        for roles in (
            ["security"], ["service_owner"], ["lead"], ["auditor"], ["inventory_editor"], [],
            ["security", "auditor"],
        )
    ]  # fmt: skip
    people.append(factories.person(roles=["lead"], active=False))
    for roles in (["security"], ["inventory_editor"], []):
        someone = factories.person(roles=roles)
        factories.grant(someone.user, "view_service", services[0])
        people.append(someone)
    for incident in (bare, *(proposal.incident for proposal in proposals)):
        seen = {
            someone.id
            for someone in people
            if visibility.visible_incidents(someone.user).filter(pk=incident.pk).exists()
        }
        assert viewers(incident.pk) & {someone.id for someone in people} == seen
        assert candidates(incident.pk) <= viewers(incident.pk)
    for proposal in proposals:
        seen = {one.id for one in people if visibility.may_view(one.user, proposal)}
        found = viewers(proposal.incident_id, proposal.pk)
        assert found & {someone.id for someone in people} == seen
    assert not viewers(bare.pk, proposals[0].pk)


def test_named_by_name() -> None:
    zoe, ann = factories.person("zoe"), factories.person("ann")
    gone = factories.person("gone", active=False)
    assert named([zoe.id, gone.id, ann.id]) == ((ann.id, "ann"), (zoe.id, "zoe"))
