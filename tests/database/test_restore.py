"""A database that pg_dump wrote and another one read again is in order for `check --deploy`.

PostgreSQL prints some constraints differently after that: the check compares their meaning.
"""

from __future__ import annotations

import os
import subprocess
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command

from hitlportal import database_manifest, deploy_checks
from hitlportal.demo.servers.binaries import postgres_binaries
from remediation import declarations
from tests import servers
from tests.database.empty import empty_database

pytestmark = pytest.mark.django_db


def dump(database: str) -> str:
    """The whole database as statements; without psql's own commands, for there may be no psql."""
    binaries = postgres_binaries(os.environ.get("HITL_TEST_POSTGRES", ""))
    libraries = {"LD_LIBRARY_PATH": str(binaries.libraries)} if binaries.libraries else {}
    text = subprocess.run(
        [binaries.bin / "pg_dump", "--inserts", database],
        env={**os.environ, **libraries},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return "\n".join(line for line in text.splitlines() if not line.startswith("\\"))


def test_a_restored_database_is_in_order() -> None:
    address = servers.addresses().portal.rsplit("/", 1)[0]
    with empty_database("dumped") as dumped:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("install_grants", stdout=StringIO())
        statements = dump(f"{address}/{dumped.settings_dict['NAME']}")
    with empty_database("restored") as restored:
        superuser = f"{address}/{restored.settings_dict['NAME']}"
        with psycopg.connect(superuser, autocommit=True) as it:
            it.execute(statements.encode())
        assert declarations.recorded(restored) == declarations.declared()
        assert (
            list(
                deploy_checks.compare(
                    database_manifest.manifest(), database_manifest.read(restored)
                )
            )
            == []
        )


@pytest.mark.parametrize(
    ("printed", "restored"),
    [
        (
            "CHECK (((a)::text = ANY ((ARRAY['x'::character varying, 'it''s, y'::character"
            " varying])::text[])))",
            "CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text, ('it''s, y'::character"
            " varying)::text])))",
        ),
        (
            "CHECK (((a)::text = ANY ((ARRAY['x'::character varying])::text[])))",
            "CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text])))",
        ),
        ("CHECK ((a = ANY (ARRAY[1, 2])))", "CHECK ((a = ANY (ARRAY[1, 2])))"),
    ],
)
def test_both_printed_forms_of_a_list_are_equal(printed: str, restored: str) -> None:
    assert database_manifest._restored(printed) == restored
    assert database_manifest._restored(restored) == restored
