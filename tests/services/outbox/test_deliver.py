"""Tellings reach people by real servers: once each, later when one fails, on record when lost."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain.telling import Kind
from remediation.services.outbox import channel_state, channels, deliver, send
from remediation.services.outbox.tell import tell
from tests import factories
from tests.factories import WORKER, Person
from tests.flows.world import WORKER_ACTOR, acts
from tests.services.outbox.receivers import Hook, Smtp, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh(transactional_db: None) -> None:
    cache.clear()


@pytest.fixture
def smtp(settings: Settings) -> Iterator[Smtp]:
    with running(Smtp()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    with running(Hook()) as server:
        yield server


@pytest.fixture
def other() -> Iterator[Hook]:
    with running(Hook()) as server:
        yield server


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    settings.CHANNELS_FILE = str(tmp_path / "channels.toml")
    return tmp_path / "channels.toml"


def team(file: Path, **urls: str) -> None:
    file.write_text(
        "".join(
            f'[channels.{name}]\nurl = "{url}"\nroles = ["security", "lead"]\n'
            for name, url in urls.items()
        )
    )
    # The worker read the file before anything was told.
    with acts(WORKER):
        channel_state.publish(actor=WORKER_ACTOR)


def told(*people: Person, once: str = "", kind: Kind = Kind.ASSIGNMENT, **about: Any) -> None:
    with acts(WORKER), transaction.atomic():
        tell(kind, people=[one.id for one in people], once=once or str(uuid4()), **about)


def run() -> int:
    cache.clear()
    with acts(WORKER):
        return deliver.deliver_all(actor=WORKER_ACTOR)


def later(seconds: float = 3700) -> None:
    for row in m.Delivery.objects.filter(outcome="failed"):
        factories.backdate(row, seconds=seconds)


def outcomes(channel: str) -> list[str]:
    rows = m.Delivery.objects.filter(channel=channel).order_by("pk")
    return list(rows.values_list("outcome", flat=True))


def events() -> list[str]:
    found = (str(entry.data["action"]) for entry in Entry.objects.order_by("pk"))
    return [name for name in found if "channel" in name or name == "worker:notice:lost"]


# ---- mail ----------------------------------------------------------------------------------------


def test_each_person_gets_one_mail_with_all_that_a_decision_needs(smtp: Smtp) -> None:
    alice, bob = factories.person(roles=["security"]), factories.person(roles=["service_owner"])
    proposal = factories.proposal_at("in_review", environment="production")
    factories.entitle(proposal, alice)
    factories.entitle(proposal, bob)
    told(alice, bob, once="round", kind=Kind.ROUND_OPENED, proposal=proposal)
    told(alice, bob, once="round", kind=Kind.ROUND_OPENED, proposal=proposal)
    assert (run(), run()) == (2, 0)
    assert sorted(smtp.told) == sorted([alice.user.email, bob.user.email])
    text = smtp.taken[0][1]
    risk = m.Assessment.objects.get().risk
    subject = rf"\[hitlportal\] {risk.upper()}, \d+ (min|h) left: .*: waits for your decision"
    assert re.fullmatch(subject, str(message_from_string(text, policy=default)["Subject"]))
    for line in (f"Risk: {risk}", "Environment: production", "Decide by: ", "Plan: Record a call"):
        assert line in text
    assert f"Review and decide: http://localhost:8000/proposals/{proposal.pk}/\r\n" in text
    assert "You cannot decide by replying" in text


def test_a_server_that_fails_twice_is_asked_again_with_the_same_message_id(
    smtp: Smtp, settings: Settings
) -> None:
    alice = factories.person(roles=["security"])
    told(alice)
    settings.EMAIL_PORT = 1  # nobody listens there
    assert run() == 0
    assert run() == 0
    assert outcomes("mail") == ["failed"], "its pause of ten seconds is not over"
    later(11)
    assert run() == 0
    later(11)
    assert run() == 0
    assert outcomes("mail") == ["failed", "failed"], "the second pause is longer"
    later(21)
    settings.EMAIL_PORT = smtp.port
    assert (run(), run()) == (1, 0)
    assert outcomes("mail") == ["failed", "failed", "delivered"]
    assert f"Message-ID: <telling.{m.Telling.objects.get().pk}@localhost>" in smtp.taken[0][1]


def test_a_crash_between_sending_and_recording_sends_again_with_the_same_id(
    smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(factories.person(roles=["security"]))

    def dies(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "_record", dies)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert (run(), run()) == (1, 0)
    ids = {re.search(r"Message-ID: (\S+)", text)[1] for _, text in smtp.taken}  # type: ignore[index]
    assert (len(smtp.taken), len(ids)) == (2, 1)


def test_nothing_is_written_before_the_mail_is_out(
    smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sequencer of the log waits for every open transaction that has written."""
    told(factories.person(roles=["security"]))
    run()
    told(factories.person(roles=["security"]))
    seen: list[bool] = []
    real = send.by_mail

    def looks(*given: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NULL")
            seen.append(cursor.fetchone()[0])
        real(*given)

    monkeypatch.setattr(send, "by_mail", looks)
    assert run() == 1
    assert seen == [True]


def test_a_refused_address_keeps_nobody_else_waiting_and_is_given_up_on_record(
    smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = factories.person(roles=["security"]), factories.person(roles=["security"])
    smtp.refused.add(alice.user.email)
    monkeypatch.setattr(deliver, "ATTEMPTS", 3)
    told(alice, bob)
    assert run() == 1
    for _ in range(4):
        later()
        run()
    assert smtp.told == [bob.user.email]
    mine = m.Delivery.objects.filter(telling__person=alice.id).order_by("pk")
    assert [row.outcome for row in mine] == ["failed", "failed", "dead"]
    assert "alice" not in mine[0].detail and "@" not in mine[0].detail
    assert events() == ["worker:channel:changed", "worker:notice:lost"]


def test_who_is_not_active_or_has_switched_it_off_gets_no_mail(smtp: Smtp) -> None:
    gone, quiet = factories.person(roles=["security"]), factories.person(roles=["security"])
    m.User.objects.filter(pk=gone.user.pk).update(is_active=False)
    muted = [f"mail:{kind}" for kind in Kind]
    with acts("hitl_web"), transaction.atomic():
        entry = factories.entry("person:notices:chosen", f"person:{quiet.id}", "x")
        m.NoticeChoice.objects.create(person=quiet.id, muted=muted, entry=entry)
    told(gone, quiet)
    assert run() == 0
    assert outcomes("mail") == ["unwanted", "unwanted"]
    # What hides an attack when it is silent, nobody can switch off, not even the database login
    # of the web process.
    told(quiet, kind=Kind.HALT_REFUSED)
    assert run() == 1
    assert smtp.told == [quiet.user.email]


def test_nobody_is_asked_to_decide_what_no_longer_waits(smtp: Smtp) -> None:
    alice = factories.person(roles=["security"])
    told(alice, kind=Kind.ROUND_OPENED, proposal=factories.proposal_at("rejected"))
    assert run() == 0
    assert m.Delivery.objects.get().detail == "no longer waiting for a decision"


def test_web_cannot_speak_for_the_worker(smtp: Smtp) -> None:
    """A taken-over web process tells nobody that a run succeeded, and words of it are quoted."""
    alice = factories.person(roles=["security"])
    with acts("hitl_web"), transaction.atomic():
        tell(Kind.RESULT, people=[alice.id], once="1", text="All is well.")
        tell(Kind.QUESTION, people=[alice.id], once="2", text="Look:\nhttps://evil.example @all")
    assert run() == 1
    ((_, text),) = smtp.taken
    assert "> Look:" in text and "> https[://]evil.example [@]all" in text
    assert m.Delivery.objects.get(telling__kind="result").outcome == "unwanted"


# ---- teams and Apprise ---------------------------------------------------------------------------


def test_a_hook_that_fails_twice_takes_the_third(file: Path, hook: Hook, smtp: Smtp) -> None:
    team(file, soc=hook.url)
    alice, bob = factories.person(roles=["security"]), factories.person(roles=["lead"])
    owner = factories.person(roles=["service_owner"])
    proposal = factories.proposal_at("in_review", environment="production")
    hook.answers = [503, 500]
    told(owner, alice, bob, once="round", kind=Kind.ROUND_OPENED, proposal=proposal)
    run()
    later()
    run()
    later()
    run()
    assert run() == 0
    assert hook.asked == 3
    assert len(hook.taken) == 1, "a team is told once, whoever of it is meant"
    said = hook.taken[0]
    assert said["title"].startswith("[hitlportal] ")
    assert f"http://localhost:8000/proposals/{proposal.pk}/" in said["message"]
    assert said["attachments"] == []
    failed = m.Delivery.objects.filter(channel="soc", outcome="failed")
    assert sorted(row.detail for row in failed) == ["status 500", "status 503"]
    by = {row.telling.person: row.outcome for row in m.Delivery.objects.filter(channel="soc")}
    assert by == {alice.id: "delivered", bob.id: "delivered", owner.id: "unwanted"}


def test_a_hook_that_hangs_delays_no_other_channel_and_is_shown_as_failing(
    file: Path, hook: Hook, other: Hook, smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "MOST_S", 1.0)  # the others' answer comes in time on a busy machine
    team(file, aaa=hook.url, bbb=other.url)
    alice = factories.person(roles=["security"])
    hook.answers = [0] * 9
    for number in range(4):
        told(alice, once=str(number))
    begun = time.monotonic()
    assert run() == 8  # four mails, four by the other hook
    assert time.monotonic() - begun < 20  # the hook holds each request for 30
    assert outcomes("aaa") == ["failed"], "the channel rests, and its other messages with it"
    for _ in range(2):
        run()
    row = channel_state.newest()["aaa"]
    assert (row.state, row.detail) == ("failing", "no answer within 1 s")
    lead = factories.person(roles=["lead"])
    assert m.Telling.objects.filter(kind="channel_failing").count() == 0  # nobody led then
    hook.answers = []
    later()
    assert run() == 4
    assert channel_state.newest()["aaa"].state == "working"
    assert events()[-2:] == ["worker:channel:failed", "worker:channel:recovered"]
    assert lead.user.email not in smtp.told


def test_leads_are_told_by_another_channel_that_one_fails(
    file: Path, hook: Hook, smtp: Smtp
) -> None:
    lead = factories.person(roles=["lead"])
    team(file, soc=hook.url)
    hook.answers = [500] * 20
    told(lead)
    for _ in range(3):
        run()
        later()
    run()
    mails = [text for to, text in smtp.taken if to == lead.user.email and "soc" in text]
    assert len(mails) == 1 and "status 500" in mails[0]


def test_a_redirect_is_not_followed(file: Path, hook: Hook, other: Hook, smtp: Smtp) -> None:
    """A62: only the operator's file names hosts; an answer cannot name another one."""
    team(file, soc=hook.url)
    hook.answers, hook.location = [302], other.url.replace("json://", "http://")
    told(factories.person(roles=["security"]))
    run()
    assert (hook.asked, other.asked) == (1, 0)
    assert outcomes("soc") == ["failed"]


def test_a62_control_without_the_setting_apprise_follows(
    file: Path, hook: Hook, other: Hook, smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = send.AppriseAsset
    monkeypatch.setattr(
        send, "AppriseAsset", lambda **given: real(**{**given, "http_redirects": True})
    )
    team(file, soc=hook.url)
    hook.answers, hook.location = [307], other.url.replace("json://", "http://")
    told(factories.person(roles=["security"]))
    run()
    assert other.asked == 1


def test_a_persons_own_channel_tells_only_her(file: Path, hook: Hook, smtp: Smtp) -> None:
    alice, bob = factories.person(roles=["security"]), factories.person(roles=["security"])
    file.write_text(
        f'[channels.pager]\nurl = "{hook.url}"\nperson = "{alice.user.username}"\ntitle = "Pager"\n'
    )
    run()
    told(alice, bob)
    run()
    assert len(hook.taken) == 1
    with acts("hitl_web"), transaction.atomic():
        entry = factories.entry("person:notices:chosen", f"person:{alice.id}", "x")
        m.NoticeChoice.objects.create(person=alice.id, muted=["pager:assignment"], entry=entry)
    told(alice)
    run()
    assert len(hook.taken) == 1


def test_a_new_channel_does_not_tell_the_past(file: Path, hook: Hook, smtp: Smtp) -> None:
    alice = factories.person(roles=["security"])
    told(alice)
    team(file, soc=hook.url)
    run()
    assert hook.asked == 0
    told(alice)
    run()
    assert hook.asked == 1
    file.write_text("")
    run()
    assert channel_state.newest()["soc"].state == "removed"


def test_no_row_holds_an_address_of_a_channel(file: Path, hook: Hook, smtp: Smtp) -> None:
    team(file, soc=hook.url.replace("/hook", "/s3cret-path?x=1"))
    hook.answers = [500]
    told(factories.person(roles=["security"]))
    run()
    rows = [*m.NoticeChannel.objects.all(), *m.Delivery.objects.all()]
    assert rows and not [row for row in rows if "s3cret" in repr(vars(row))]
    assert not [entry for entry in Entry.objects.order_by("id") if "s3cret" in repr(entry.data)]


# ---- the operator's file -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "[other]\n",
        '[channels.soc]\nroles = ["lead"]\n',
        '[channels.soc]\nurl = "file:///etc/passwd"\nroles = ["lead"]\n',
        '[channels.soc]\nurl = "syslog://localhost"\nroles = ["lead"]\n',
        '[channels.soc]\nurl = "slack://a/b/c?template=/etc/passwd"\nroles = ["lead"]\n',
        '[channels.soc]\nurl = "json://h?redirect=yes"\nroles = ["lead"]\n',
        '[channels.soc]\nurl = "json://h?attach=/etc/passwd"\nroles = ["lead"]\n',
        '[channels.soc]\nurl = "json://s3cret"\nroles = ["king"]\n',
        '[channels.soc]\nurl = "json://s3cret"\nroles = ["lead"]\nkinds = ["gossip"]\n',
        '[channels.soc]\nurl = "json://s3cret"\n',
        '[channels.soc]\nurl = "json://s3cret"\nroles = ["lead"]\nperson = "alice"\n',
        '[channels.soc]\nurl = "json://s3cret"\nurl_file = "x"\nroles = ["lead"]\n',
        '[channels.soc]\nurl_file = "missing"\nroles = ["lead"]\n',
        '[channels.mail]\nurl = "json://s3cret"\nroles = ["lead"]\n',
        '[channels."a b"]\nurl = "json://s3cret"\nroles = ["lead"]\n',
    ],
)
def test_a_wrong_file_is_refused_and_mail_goes_on(file: Path, smtp: Smtp, text: str) -> None:
    file.write_text(text)
    with pytest.raises(channels.ChannelsInvalid) as refused:
        channels.load()
    assert "s3cret" not in str(refused.value)
    told(factories.person(roles=["security"]))
    assert run() == 1
    row = channel_state.newest()[channel_state.FILE]
    assert (row.state, row.detail) == ("failing", str(refused.value))
    file.write_text("")
    run()
    assert channel_state.newest()[channel_state.FILE].state == "working"


def test_each_kind_of_service_can_be_configured(file: Path) -> None:
    (file.parent / "slack").write_text("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ\n")
    file.write_text(
        '[channels.chat]\nurl_file = "slack"\nroles = ["security"]\nkinds = ["round_opened"]\n'
        '[channels.teams]\nurl = "workflows://h.example:443/aaa/bbb/"\nroles = ["lead"]\n'
        '[channels.pager]\nurl = "pagerduty://key@token"\nroles = ["lead"]\n'
        '[channels.hook]\nurl = "jsons://hook.example/x"\nroles = ["lead"]\n'
    )
    found = {one.name: one for one in channels.load()}
    assert [one.service for one in found.values()] == [
        "Mail", "Slack", "Teams", "PagerDuty", "Webhook",
    ]  # fmt: skip
    assert found["chat"].kinds == (Kind.ROUND_OPENED,)
    for channel in found.values():
        if channel.url:
            assert send.service_of(channel.url, send.AppriseAsset()), channel.name
        assert channel.url not in repr(channel) or not channel.url


def test_every_scheme_that_is_allowed_has_its_module() -> None:
    assert set(send.PLUGINS) == set(channels.SERVICES)
