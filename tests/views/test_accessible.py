"""WCAG 2.2 AA by axe-core, on every page that a person can come to, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Group

from remediation import models as m
from tests.flows.world import World
from tests.views.chromium import Visitor
from tests.views.test_in_browser import (  # noqa: F401  (fixtures)
    account,
    approver,
    browser_type_launch_args,
    come_in,
    origin,
    visit,
    world,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(visitor: Visitor) -> list[str]:
    before = list(visitor.complaints)
    found: dict[str, Any] = (
        Axe().run(visitor.page, options={"runOnly": {"type": "tag", "values": RULES}}).response
    )
    # axe measures with inline styles, which our policy blocks: that is its complaint, not ours.
    visitor.complaints[:] = before
    return [
        f"{rule['id']}: {node['html'][:160]} {node['any'][:1] and node['any'][0]['message']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def check(visitor: Visitor, paths: list[str]) -> None:
    wrong: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for path in paths:
            answer = visitor.page.goto(visitor.origin + path)
            assert answer is not None and answer.status < 400, path
            for details in visitor.page.locator("main details").all():
                details.evaluate("element => { element.open = true; }")
            if found := violations(visitor):
                wrong[f"{scheme} {path}"] = found
    assert not wrong, "\n".join(f"{at}\n  " + "\n  ".join(said) for at, said in wrong.items())


def test_the_portals_pages(world: World, visit: Callable[[], Visitor]) -> None:  # noqa: F811
    proposal_id: UUID = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    proposal = m.Proposal.objects.get(pk=proposal_id)
    artefact = m.Evidence.objects.get(incident=proposal.incident_id).sha256
    check(
        alice,
        [
            "/queue/",
            f"/proposals/{proposal_id}/",
            f"/proposals/{proposal_id}/correct/",
            f"/proposals/{proposal_id}/history/",
            f"/proposals/{proposal_id}/changes/",
            f"/proposals/{proposal_id}/execution/",
            f"/proposals/{proposal_id}/evidence/{artefact}/",
            "/incidents/",
            f"/incidents/{proposal.incident_id}/",
            f"/incidents/{proposal.incident_id}/history/",
            "/queue/?state=review&target=test.target:t1",
            "/queue/?q=nothing",
            "/passkeys/",
            "/account/password/",
        ],
    )


def test_the_auditors_pages(world: World, visit: Callable[[], Visitor]) -> None:  # noqa: F811
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.integrate()
    proposal = m.Proposal.objects.get(pk=proposal_id)
    carol = visit()
    come_in(carol, account("carol-b", "auditor"))
    check(
        carol,
        [
            "/audit/entries/",
            f"/audit/entries/{proposal.entry}/",
            "/audit/log/",
            "/audit/incidents/",
            f"/audit/incidents/{proposal.incident_id}/",
            f"/proposals/{proposal_id}/",
            f"/proposals/{proposal_id}/history/",
            f"/proposals/{proposal_id}/execution/",
            f"/proposals/{proposal_id}/reviews/1/",
        ],
    )


def test_before_anybody_signed_in(visit: Callable[[], Visitor], world: World) -> None:  # noqa: F811
    check(visit(), ["/invite/", "/account/login/"])


def test_the_admins_pages(world: World, visit: Callable[[], Visitor]) -> None:  # noqa: F811
    ed = visit()
    user = account("ed-b", "staff", "inventory_editor")
    user.groups.add(Group.objects.get_or_create(name="agent_admin")[0])
    come_in(ed, user)
    check(
        ed,
        [
            "/admin/",
            "/admin/remediation/service/",
            "/admin/remediation/service/add/",
            "/admin/remediation/service/import/",
            "/admin/remediation/identity/",
            "/admin/remediation/agent/",
            "/admin/remediation/agent/add/",
        ],
    )
