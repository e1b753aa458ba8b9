"""Open what a process will need besides its database (`hitlportal check --deploy`, `doctor`).

Each thing is opened as the process opens it: connected to, read, parsed, or tried to write to. Ask
as the account that runs the process: root may read and write what that account may not.
"""

from __future__ import annotations

import os
import smtplib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from amqp import AMQPError
from django.apps import AppConfig
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import mail
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection
from kombu.exceptions import KombuError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from audit import signing
from audit.tlog.errors import TlogError
from audit.tlog.head import HeadFile
from audit.tlog.policy import Policy
from hitlportal import banners
from hitlportal.celery import app

EVERY = ("web", "worker", "owner", "sequencer", "eraser", "operator")
# A server that is there answers in milliseconds.
PATIENCE_S = 3
# Names of this machine: browsers use passkeys there without TLS.
LOCAL = ("localhost",)


@dataclass(frozen=True)
class Thing:
    """Something that some processes need; ``problem`` returns what is wrong with it, or nothing."""

    number: str  # of the message; E: the process cannot do its work, W: it does less
    processes: tuple[str, ...]
    problem: Callable[[], str]
    hint: str

    def message(self) -> Iterator[CheckMessage]:
        if text := self.problem():
            kind = Error if self.number.startswith("E") else Warning
            yield kind(text, hint=self.hint, id=f"hitlportal.{self.number}")


@register("processes", deploy=True)
def check_process(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report each thing that this process needs and cannot use."""
    return [
        message
        for thing in THINGS
        if settings.PROCESS in thing.processes
        for message in thing.message()
    ]


def origin_problem() -> str:
    """Return why browsers and passkeys could not work with HITL_ORIGIN."""
    parts = urlsplit(settings.ORIGIN)
    host = parts.hostname or ""
    try:
        exact = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return f"HITL_ORIGIN {settings.ORIGIN} has no usable port"
    if parts.scheme not in ("http", "https") or not host or exact != settings.ORIGIN:
        return f"HITL_ORIGIN {settings.ORIGIN} is no origin; is {exact} meant?"
    if parts.scheme == "http" and not (host in LOCAL or host.endswith(".localhost")):
        return f"HITL_ORIGIN {settings.ORIGIN} has no TLS: browsers use no passkey there"
    if host != settings.RP_ID and not host.endswith(f".{settings.RP_ID}"):
        return f"HITL_RP_ID {settings.RP_ID} is not the host of HITL_ORIGIN, nor a part of it"
    return ""


def broker_problem() -> str:
    """Return why no message can be sent or taken."""
    timeouts = ("socket_timeout", "socket_connect_timeout", "read_timeout", "write_timeout")
    options = {**app.conf.broker_transport_options, **dict.fromkeys(timeouts, PATIENCE_S)}
    try:
        with Connection(
            settings.BROKER_URL, connect_timeout=PATIENCE_S, transport_options=options
        ) as connection:
            connection.ensure_connection(max_retries=1, timeout=PATIENCE_S)
    except (KombuError, OSError, AMQPError, RedisError) as error:
        return f"the broker cannot be used: {_why(error)}"
    return ""


def cache_problem() -> str:
    """Return why nobody could sign in, and nothing be counted."""
    where = str(settings.CACHES["default"]["LOCATION"])
    try:
        # Not by Django's client: it would wait for a server that is frozen as long as that lasts.
        with Redis.from_url(
            where, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:  # fmt: skip
            client.get("hitl:1:swept:last")  # one that each login may ask for (deploy/valkey)
    except (RedisError, OSError) as error:
        return f"the cache cannot be used: {_why(error)}"
    return ""


def mail_problem() -> str:
    """Return why no mail can be sent."""
    try:
        connection = mail.get_connection()
        connection.open()
        connection.close()
    except (OSError, smtplib.SMTPException, ImproperlyConfigured) as error:
        return f"the mail server {settings.EMAIL_HOST} cannot be used: {_why(error)}"
    return ""


def channels_problem() -> str:
    """Return why the file of channels cannot be used."""
    from remediation.services.outbox import channels

    try:
        channels.load()
    except channels.ChannelsInvalid as error:
        return f"HITL_CHANNELS_FILE: {error}"
    return ""


def approvers_problem() -> str:
    """Return why nothing could be approved."""
    from remediation.domain.errors import PolicyUnavailable
    from remediation.services import host_files

    try:
        host_files.approvers()
    except PolicyUnavailable as error:
        return error.detail or error.message
    return ""


def no_targets_file() -> str:
    return "" if settings.TARGETS_FILE else "no targets file is named: nothing can be observed"


def policy_problem() -> str:
    """Return why no head of the log can be trusted."""
    if not settings.AUDIT_POLICY_FILE:
        return "no audit policy is named (HITL_AUDIT_POLICY_FILE)"
    try:
        _policy()
    except (OSError, UnicodeDecodeError, TlogError) as error:
        return f"HITL_AUDIT_POLICY_FILE {settings.AUDIT_POLICY_FILE}: {_why(error)}"
    return ""


def head_problem() -> str:
    """Return why the last head could not be read or replaced."""
    if not settings.AUDIT_HEAD_FILE:
        return "no file for the last head is named (HITL_AUDIT_HEAD_FILE)"
    head = HeadFile(settings.AUDIT_HEAD_FILE)
    try:
        head.read()
    except (OSError, TlogError) as error:
        return f"HITL_AUDIT_HEAD_FILE: {_why(error)}"
    # The process makes missing directories; the file is replaced by a rename.
    there = next(parent for parent in head.path.absolute().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return f"HITL_AUDIT_HEAD_FILE: {there} cannot be written by this account"
    return ""


def key_problem() -> str:
    """Return why the log cannot be signed, by each key in use."""
    if not settings.AUDIT_KEY:
        return "no key of the log is named (HITL_AUDIT_KEY)"
    for name in ("AUDIT_KEY", "AUDIT_KEY_NEXT"):
        if not (uri := getattr(settings, name)):
            continue
        try:
            signer = signing.load(uri)
            signer.line("check\n")  # a key service may let a token read and not sign
        except (TlogError, OSError) as error:
            return f"HITL_{name} cannot be used: {_why(error)}"
        if name == "AUDIT_KEY" and not policy_problem() and signer.vkey not in _policy().logs:
            return f"the policy does not trust the key of the log, {signer.vkey}"
    return ""


def static_problem() -> str:
    """Return which static files the web process could not serve."""
    if settings.WHITENOISE_USE_FINDERS:
        return ""
    missing = [
        path
        for finder in get_finders()
        for path, _ in finder.list([])
        if not (settings.STATIC_ROOT / path).is_file()
    ]
    if not missing:
        return ""
    return f"{len(missing)} static files are missing in {settings.STATIC_ROOT}: {missing[0]} …"


def banners_problem() -> str:
    try:
        banners.banner_of("")
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def no_auditor() -> str:
    there = "auditor" in settings.DATABASES
    return "" if there else "no login of auditors is named (HITL_AUDITOR_DATABASE_URL)"


def test_actions() -> str:
    allowed = settings.ALLOW_TEST_ACTIONS
    return "actions for tests are allowed (HITL_ALLOW_TEST_ACTIONS)" if allowed else ""


def _policy() -> Policy:
    return Policy.parse(Path(settings.AUDIT_POLICY_FILE).read_text(encoding="utf-8"))


def _why(error: Exception) -> str:
    """Return an error's own words in one line; none of these libraries puts a password there."""
    return " ".join(str(error).split()) or type(error).__name__


THINGS = (
    Thing(
        "E016", EVERY, origin_problem, "Write https://HOST, without a slash at the end."
    ),
    Thing(
        "E017", ("web", "worker"), broker_problem,
        "Is the broker running, and HITL_BROKER_URL right? Until then nothing new begins.",
    ),
    Thing(
        "E018", ("web", "worker"), cache_problem,
        "Is the cache running, and HITL_CACHE_URL right? Until then nobody can sign in.",
    ),
    Thing(
        "E019", ("worker",), approvers_problem,
        "Nothing can be approved. `hitlportal approver add` writes the file.",
    ),
    Thing(
        "W020", ("worker",), no_targets_file, "Set HITL_TARGETS_FILE: docs/operate/targets.md."
    ),
    Thing(
        "E021", ("worker", "sequencer"), policy_problem,
        "A worker executes nothing without it: docs/operate/install.md, step 5.",
    ),
    Thing(
        "W021", ("web",), policy_problem, "Auditors do not see whose signatures count."
    ),
    Thing(
        "E022", ("worker", "sequencer"), head_problem,
        "Its directory belongs to the process's account, mode 0700.",
    ),
    Thing(
        "E023", ("sequencer",), key_problem,
        "Nothing is signed, so nothing is executed. The key's file has mode 0400 and this owner.",
    ),
    Thing(
        "E024", ("web",), static_problem,
        "Run `hitlportal collectstatic` as web, after each upgrade.",
    ),
    Thing("E025", ("web",), banners_problem, "docs/configuration.md shows its form."),
    Thing(
        "E026", ("worker",), channels_problem,
        "No notification leaves by any channel, not even by mail. docs/operate/notifications.md.",
    ),
    Thing(
        "W027", ("worker",), mail_problem, "No mail leaves. Is HITL_EMAIL_HOST right?"
    ),
    Thing("W028", ("web",), no_auditor, "Auditors' pages cannot read anything."),
    Thing("W029", ("web", "worker"), test_actions, "Only for tests and benchmarks: remove it."),
)  # fmt: skip
