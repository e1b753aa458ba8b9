"""Run the sequencer: wait for the lock, check the head, integrate on request and periodically.

A second sequencer waits for the lock and takes over when the first one's session ends.
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

# One sequencer per database. The lock ends with the session. A process that lost the lock without
# noticing is stopped by the primary key of audit.leaf.
LOCK = 0x7365_7175  # "sequ"
TURN_S = 0.25  # the longest wait without a request (also tessera's default)
STANDBY_S = 0.5
# How often an unavailable witness is asked again while there are no new entries.
COSIGN_AGAIN_S = 1.0
# Lines for the list per turn; takes a few milliseconds.
LISTED = 50

Make = Callable[[psycopg.Connection[Any]], Sequencer]


def connect() -> psycopg.Connection[Any]:
    """Open a direct connection: it listens and holds a lock, which a pooler would break."""
    parameters = connections["default"].get_connection_params()
    for django_only in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(django_only, None)
    connection = psycopg.connect(**parameters, autocommit=True, application_name="sequencer")
    # Both statements of a run must see the same snapshot.
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


def serve(make: Make, stopped: Callable[[], bool]) -> None:
    """Run until ``stopped()`` in one database session.

    Raises TlogError when the log does not extend its last head (the caller must stop), and
    psycopg.Error or OSError when the database or the disk fails (the caller starts again).
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
    """Wait for the lock; it must be taken before any transaction, whose snapshot would be older."""
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
        # A few lines in every turn: requests wait only briefly, and constant requests cannot
        # starve the list or the witnesses.
        listed = sequencer.index(LISTED)
        if not cosigned and time.monotonic() - asked_at >= COSIGN_AGAIN_S:
            cosigned, asked_at = sequencer.cosign(), time.monotonic()
        for _ in connection.notifies(timeout=0 if listed == LISTED else TURN_S, stop_after=1):
            pass  # drop all notifications; they only mean that somebody waits
