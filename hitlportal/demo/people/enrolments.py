"""Add newly enrolled passkeys to the approvers file, in place of the operator (demo only).

When alice, bob or frank has enrolled a passkey, the demo runs `manage.py approver add` in the
worker's environment with the fingerprint of that key. In production an operator does this by hand
after comparing the fingerprint with the person: the approvers file exists for that comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg

from hitlportal.demo.installation import Installation
from hitlportal.demo.settings import Settings
from hitlportal.demo.story import APPROVERS
from remediation.domain.gate.approvers import fingerprint

NEW = """
SELECT e.id, a.username, e.cose_key
  FROM public.remediation_passkeyenrolment e
  JOIN remediation.account a ON a.person = e.person
 WHERE e.id > %s AND a.username = ANY(%s) ORDER BY e.id
"""


class Enrolments:
    """Watch for new passkeys of the people who approve."""

    def __init__(
        self,
        installation: Installation,
        settings: Settings,
        seen: Path,
        say: Callable[[str], None],
    ) -> None:
        self._installation = installation
        self._settings = settings
        # The last enrolment handled: a key that an operator removed is not added again.
        self._seen = seen
        self._say = say
        self._connection: psycopg.Connection[tuple[int, str, bytes]] | None = None

    def add_new(self) -> None:
        """Add the keys that were enrolled since the last call. Raises InstallationFailed."""
        last = int(self._seen.read_text(encoding="ascii")) if self._seen.exists() else 0
        for number, username, cose_key in self._new(last):
            self._add(username, fingerprint(bytes(cose_key)))
            self._seen.write_text(str(number), encoding="ascii")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _new(self, last: int) -> list[tuple[int, str, bytes]]:
        if self._connection is None:
            url = self._installation.login_url("worker")
            self._connection = psycopg.connect(url, autocommit=True, application_name="demo")
        return self._connection.execute(NEW, [last, list(APPROVERS)]).fetchall()

    def _add(self, username: str, key: str) -> None:
        role = APPROVERS[username]
        # The worker's environment holds HITL_APPROVERS_FILE; the web's does not.
        self._installation.manage(
            *("approver", "add", username, "--key", key, "--role", role),
            process="worker",
            environment=self._settings.worker(),
        )
        self._say(f"{username}'s passkey {key} may now approve as {role}")
