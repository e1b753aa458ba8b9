"""Teach the test database the locators of kinds that it was not migrated with.

`remediation.locator_v1` has a CASE for each built-in kind. Once migrations fill a table from the
declarations, this module and its one call (acme_story.py) go.
"""

from __future__ import annotations

from django.db import connection

from remediation.domain.catalogue import ACTIONS, TARGETS


def teach_locators() -> None:
    """As the owner: the function for every kind that an action works on."""
    acted_on = sorted({action.target_kind for action in ACTIONS.values()})
    cases = "\n".join(f"WHEN '{kind}' THEN '{kind}:' || {_fields(kind)}" for kind in acted_on)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('remediation.target_kind') IS NOT NULL")
        if cursor.fetchone()[0]:  # migrations have filled it
            return
        cursor.execute(
            "CREATE OR REPLACE FUNCTION remediation.locator_v1(target jsonb) RETURNS text"
            " LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS"
            f" $$ SELECT CASE $1 ->> 'kind' {cases} END $$"
        )


def _fields(kind: str) -> str:
    return " || '/' || ".join(f"($1 ->> '{name}')" for name in TARGETS[kind].fields)
