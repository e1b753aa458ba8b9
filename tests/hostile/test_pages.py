"""The corpus through every page that shows an agent's text, in Chromium (docs/attacks.md
A01, A02, A52, A60): everything visible, nothing executed, nothing hidden, the layout intact.

What nobody asked for (a dialog, a request elsewhere, a complaint of the console, a violation of the
Content-Security-Policy) is collected by the fixture `visit`, which fails the test at its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from remediation import models as m
from remediation.domain import inert
from tests import factories
from tests.browser.chromium import Visitor
from tests.flows.world import World
from tests.hostile import scene as scenes
from tests.hostile.conftest import Visit
from tests.hostile.corpus import REFUSED
from tests.hostile.scene import BETWEEN, TEXTS, TITLES, Scene
from tests.services.reporting import leaks as secrecy
from tests.views import walk

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

PROBE = (Path(__file__).parent / "probe.js").read_text(encoding="utf-8")
WIDTHS = (1280, 360)


class OneLine(str):
    """A text that is one line by its nature: its line feeds are shown as code points."""


def looked_at(visitor: Visitor, expected: Iterable[str]) -> list[str]:
    """Probe the open page, and those that follow it, at both widths; every expected text must
    stand in a frame at each, in the visible form from which its code points can be read back."""
    texts: dict[int, list[str]] = {width: [] for width in WIDTHS}
    first = visitor.page.url
    while True:
        for width in WIDTHS:
            visitor.page.set_viewport_size({"width": width, "height": 900})
            found: dict[str, Any] = visitor.page.evaluate(PROBE)
            where = f"{visitor.page.url} at {width}"
            visitor.complaints += [f"{where}: {problem}" for problem in found["problems"]]
            assert found["title"].isprintable()
            texts[width] += found["texts"]
        following = visitor.page.locator("a[rel=next]")
        # The entries are one long list; what is looked for is on its first page.
        if not following.count() or "/audit/entries/" in first:
            break
        with visitor.page.expect_navigation():
            following.first.click()
    for text in expected:
        shown = inert.line(text) if isinstance(text, OneLine) else inert.visible(text)
        visitor.complaints += [
            f"{first} at {width}: not shown: {text[:80]!r}"
            for width in WIDTHS
            if not any(shown in one for one in texts[width])
        ]
    return texts[WIDTHS[-1]]


def opened(visitor: Visitor, name: str, *args: Any, query: str = "") -> Visitor:
    answer = visitor.page.goto(visitor.origin + reverse(name, args=args) + query)
    assert answer is not None and answer.status == 200
    assert visitor.page.url == visitor.origin + reverse(name, args=args) + query
    return visitor


@pytest.fixture
def scene(world: World) -> Scene:
    return scenes.make(world)


def packs(groups: Iterable[list[str]]) -> list[OneLine]:
    """The texts of fields that hold a group each: titles."""
    return [OneLine(BETWEEN.join(group)) for group in groups]


def test_a01_the_corpus_on_every_page(world: World, scene: Scene, visit: Visit) -> None:
    alice = visit(world.people["alice"])
    _pages_of_a_reviewer(alice, scene)
    _refused_pages(visit(world.people["dave"]), scene)
    world.integrate()
    _pages_of_an_auditor(visit(_auditor()), scene)


def test_a01_no_page_of_the_urlconf_is_forgotten(world: World, scene: Scene, visit: Visit) -> None:
    """Every page that the walk finds, in front of the same corpus: nothing executed or hidden."""
    world.decide("alice", scene.reviews[0])
    world.integrate()
    proposal = world.get(scene.reviews[0])
    values = {**walk.values_of(proposal), "sha256": scene.whole, "pk": scene.entries[0]}
    people = walk.people(world)
    found = walk.pages(values, people)
    assert walk.complaints(found, lambda page: walk.hidden_in(page.html)) == []
    visitors = {name: visit(someone) for name, someone in people.items() if someone is not None}
    for page in found:
        if not page.part:
            answer = visitors[page.who].page.goto(visitors[page.who].origin + page.path)
            assert answer is not None and answer.status == 200, page
            looked_at(visitors[page.who], [])


def _auditor() -> factories.Person:
    carol = factories.person(roles=["auditor"])
    m.User.objects.filter(pk=carol.user.pk).update(is_staff=True)
    return carol


def _pages_of_a_reviewer(alice: Visitor, scene: Scene) -> None:
    # The first title is of a proposal that was withdrawn, the second of an incident now closed.
    # On one target the queue shows the most urgent and counts the others, one click away.
    texts = looked_at(opened(alice, "queue"), [])
    alice.shoot("hostile-queue")
    lists = [
        text
        for state in ("new", "review", "ended")
        for text in looked_at(
            opened(alice, "queue", query=f"?target=test.target:t1&state={state}"), []
        )
    ]
    assert [t for t in packs(TITLES) if not any(inert.line(t) in one for one in lists)] == []
    assert any(" ‖ " in text for text in texts)
    looked_at(opened(alice, "incidents"), packs([TITLES[0], *TITLES[2:]]))
    alice.shoot("hostile-incidents")
    closing = [BETWEEN.join(next(scenes.packed(TEXTS, 3_900)))]
    said = list(m.IncidentComment.objects.values_list("text", flat=True))
    assert said
    looked_at(opened(alice, "incident", scene.closed), [*packs([TITLES[1]]), *closing, *said])
    alice.shoot("hostile-incident")
    for proposal_id, half in zip(scene.reviews, scenes.HALVES, strict=True):
        cited = [json.dumps(text, ensure_ascii=False) for text in half]
        looked_at(opened(alice, "review", proposal_id), [*(t[:2_000] for t in half), *cited])
        alice.shoot(f"hostile-review-{len(half)}")
    looked_at(opened(alice, "evidence", scene.reviews[0], scene.whole), [scenes.whole().decode()])
    alice.shoot("hostile-evidence")
    for (_, content), digest in zip(REFUSED, scene.binary, strict=True):
        looked_at(opened(alice, "evidence", scene.reviews[0], digest), [_as_shown(content)])
    looked_at(opened(alice, "proposal_history", scene.reviews[0]), [_noted(t) for t in TEXTS])
    alice.shoot("hostile-history")
    looked_at(opened(alice, "proposal_history", scene.withdrawn), [BETWEEN.join(TITLES[0])])


def _as_shown(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.hex(" ")


def _noted(text: str) -> str:
    """As a refusal keeps it: one line, cut (services/refusals)."""
    return inert.noted(text, 500)


def _refused_pages(dave: Visitor, scene: Scene) -> None:
    """What was typed is shown again: by the owner of the agent, who may not close its incident."""
    opened(dave, "queue")
    for group in (TEXTS[::2], TEXTS[1::2]):
        with dave.page.expect_navigation():
            dave.page.evaluate(
                """([address, texts]) => {
                  const form = document.createElement("form");
                  form.method = "post";
                  form.action = address;
                  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
                  const given = [["csrfmiddlewaretoken", token], ["outcome", "false_positive"],
                    ["reason", "long enough"], ...texts.map((text, at) => [`f${at}`, text])];
                  for (const [name, value] of given) {
                    const field = document.createElement("textarea");
                    field.name = name;
                    field.value = value;
                    form.append(field);
                  }
                  document.body.append(form);
                  form.submit();
                }""",
                [reverse("incident_close", args=[scene.incidents[0]]), group],
            )
        # A form sends every line end as two characters; the page shows it as one again.
        sent = [re.sub("\r\n|\r|\n", "\n", text) for text in group]
        looked_at(dave, sent)
        dave.shoot("hostile-refused")
        dave.complaints[:] = [one for one in dave.complaints if "403 (Forbidden)" not in one]
        opened(dave, "queue")


def _pages_of_an_auditor(carol: Visitor, scene: Scene) -> None:
    looked_at(opened(carol, "audit_incidents"), packs(TITLES))
    for entry, half in zip(scene.entries, scenes.HALVES, strict=True):
        looked_at(opened(carol, "audit_entry", entry), half)
        carol.shoot(f"hostile-entry-{entry}")
    looked_at(opened(carol, "audit_entries"), scenes.HALVES[1][3:5])
    carol.shoot("hostile-entries")
    for incident in scene.incidents[:3]:
        looked_at(opened(carol, "incident_record", incident), [])
    for model, expected in (
        ("incident", [BETWEEN.join(group) for group in TITLES]),
        ("evidence", [BETWEEN.join(group) for group in TITLES[:20]]),
        ("refusal", [_noted(text) for text in TEXTS[-40:]]),
        ("transition", [BETWEEN.join(TITLES[0])]),
        ("proposal", []),
        ("diagnosis", []),
    ):
        # All rows on one page, where the admin allows it.
        rows = "?all=" if model in ("evidence", "incident") else ""
        looked_at(opened(carol, f"admin:remediation_{model}_changelist", query=rows), expected)
        carol.shoot(f"hostile-admin-{model}")
    newest = m.Incident.objects.order_by("-recorded_at")[0]
    looked_at(opened(carol, "admin:remediation_incident_change", newest.pk), [newest.title])
    diagnosis = m.Diagnosis.objects.order_by("pk")[0]
    looked_at(
        opened(carol, "admin:remediation_diagnosis_change", diagnosis.pk),
        [bytes(diagnosis.body).decode()],
    )


def test_a61_a_secret_is_revealed_on_one_page_only(world: World, visit: Visit) -> None:
    proposal_id = secrecy.handed_in(world)
    world.assess(proposal_id)
    alice = visit(world.people["alice"])
    alice.holds(world.people["alice"].passkey)
    digest = sha256(secrecy.LEAK).hexdigest()
    page = opened(alice, "review", proposal_id).page
    page.get_by_text("Artefacts", exact=True).click()
    expect(page.get_by_text("masked: 2 secrets").first).to_be_visible()
    alice.shoot("secret-review")
    opened(alice, "evidence", proposal_id, digest)
    expect(page.locator(".masked")).to_have_count(2)
    assert secrecy.AWS not in page.content()
    looked_at(alice, [])
    alice.shoot("secret-masked")
    page.get_by_text("Reveal, with a reason on record").click()
    page.get_by_label("Why you need to see them").fill(secrecy.REASON)
    alice.shoot("secret-asked")
    page.get_by_role("button", name="Show the secrets").click()
    expect(page.get_by_role("heading", name="Revealed: 2 secrets")).to_be_visible()
    assert secrecy.AWS in looked_at(alice, [secrecy.LEAK.decode()])[-1]
    alice.shoot("secret-revealed")
    opened(alice, "evidence", proposal_id, digest)
    assert secrecy.AWS not in page.content()
