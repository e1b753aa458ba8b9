"""`manage.py audit_sequencer`: run the only process that signs the log."""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from audit import serving, signing
from audit.sequencer import Sequencer
from audit.tlog.errors import TlogError
from audit.tlog.head import HeadFile
from audit.tlog.policy import Policy, Witness

logger = logging.getLogger(__name__)

# The database restarts in about a second.
AGAIN_S = 1.0


class Command(BaseCommand):
    help = "Turn committed entries into leaves and sign the head; runs until it is stopped."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PROCESS != "sequencer":
            raise CommandError("run this as HITL_PROCESS=sequencer, with its own database login")
        if not settings.AUDIT_HEAD_FILE:
            raise CommandError("set HITL_AUDIT_HEAD_FILE to the file for the last signed head")
        make = _maker()
        ended: list[int] = []
        alive = import_string(settings.AUDIT_ALIVE)

        def stopped() -> bool:
            alive()
            return bool(ended)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _: ended.append(got))
        while not ended:
            try:
                serving.serve(make, stopped)
            except (signing.KeyUnavailable, psycopg.Error, OSError) as error:
                # The database or the key service is unavailable: unsigned entries are signed later.
                logger.error("restarting after an error: %s: %s", type(error).__name__, error)
                time.sleep(AGAIN_S)
            except TlogError as error:
                # The log was rolled back, forked or damaged, or the key is missing: a person must
                # look. Continuing would sign a log that nobody should trust.
                logger.critical("the log cannot continue: %s", error)
                raise CommandError(f"refused, {error}", returncode=3) from error


def _maker() -> serving.Make:
    try:
        uris = [uri for uri in (settings.AUDIT_KEY, settings.AUDIT_KEY_NEXT) if uri]
        signers = [signing.load(uri) for uri in uris]
        witnesses: tuple[Witness, ...] = ()
        if settings.AUDIT_POLICY_FILE:
            text = Path(settings.AUDIT_POLICY_FILE).read_text(encoding="utf-8")
            witnesses = Policy.parse(text).witnesses
    except (TlogError, OSError) as error:
        raise CommandError(f"HITL_AUDIT_KEY, HITL_AUDIT_POLICY_FILE: {error}") from error
    if not signers:
        raise CommandError("set HITL_AUDIT_KEY to the key that signs the log (file:PATH)")
    head = HeadFile(settings.AUDIT_HEAD_FILE)
    return lambda connection: Sequencer(connection, signers, head, witnesses)
