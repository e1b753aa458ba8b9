"""The sequencer's life: wait for the lock, check the head, then integrate when asked or in turn.

A second one waits for the lock and takes over when the first one's session ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
from django.db import connections

from audit.alone import ALONE
from audit.sequencer import Sequencer

logger = logging.getLogger(__name__)

# One sequencer in a database. The lock is the session's: it goes with the process. What fences a
# process that lost it and does not know is the key of audit.leaf.
LOCK = 0x7365_7175  # "sequ"
TURN_S = 0.25  # who does not ask waits this long at the most (tessera's default too)
STANDBY_S = 0.5
# A witness that was away is asked again this often while nothing new comes.
COSIGN_AGAIN_S = 1.0
# Lines for people in one turn: some milliseconds.
LISTED = 50

Make = Callable[[psycopg.Connection[Any]], Sequencer]


def connect() -> psycopg.Connection[Any]:
    """A connection of its own: it listens and holds a lock, so no pooler may stand between."""
    parameters = connections["default"].get_connection_params()
    for django_only in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(django_only, None)
    connection = psycopg.connect(**parameters, autocommit=True, application_name="sequencer")
    # Both statements of a look must see one snapshot.
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


def serve(make: Make, stopped: Callable[[], bool]) -> None:
    """Run until ``stopped()``; one session of the database.

    Raises TlogError when the log does not go on from where it was (refuse, do not repair), and
    psycopg.Error or OSError when the database or the disk fails (begin again).
    """
    with connect() as connection:
        if not _lead(connection, stopped):
            return
        with closing(make(connection)) as sequencer:
            sequencer.start()
            connection.execute("LISTEN audit_want")
            logger.info("leading %s at size %s", sequencer.origin, sequencer.growth.size)
            _turns(connection, sequencer, stopped)


def _lead(connection: psycopg.Connection[Any], stopped: Callable[[], bool]) -> bool:
    """Wait for the lock; taken before any transaction, whose snapshot would be older than it."""
    said = False
    while not stopped():
        row = connection.execute(ALONE, {"lock": LOCK}).fetchone()
        if row and row[0]:
            return True
        if not said:
            logger.info("another sequencer leads; standing by")
            said = True
        time.sleep(STANDBY_S)
    return False


def _turns(
    connection: psycopg.Connection[Any], sequencer: Sequencer, stopped: Callable[[], bool]
) -> None:
    cosigned, asked_at = sequencer.cosign(), time.monotonic()
    while not stopped():
        if sequencer.drain():
            cosigned, asked_at = False, time.monotonic()
        # Little at a time, and in every turn: whoever asks waits for a few lines, and whoever never
        # stops asking keeps neither the list nor the witnesses from their share.
        listed = sequencer.index(LISTED)
        if not cosigned and time.monotonic() - asked_at >= COSIGN_AGAIN_S:
            cosigned, asked_at = sequencer.cosign(), time.monotonic()
        for _ in connection.notifies(timeout=0 if listed == LISTED else TURN_S, stop_after=1):
            pass  # all that came; they say nothing but that somebody waits
