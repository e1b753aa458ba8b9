"""Run the reference agent as its operator would: a separate process that holds only a token."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hitlportal import places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers.errors import ServerError
from hitlportal.demo.settings import python
from hitlportal.demo.story import CASE, CLUSTER, PLACE, ROLE, ROTATED, STORE, UNKNOWN_CASE

PROPOSAL = re.compile(r'"proposal": "([0-9a-f-]{36})"')
TITLE = re.compile(r"^201 (.*?): \{", re.MULTILINE)
PATIENCE_SECONDS = 60.0


class AgentFailed(ServerError):
    """The agent could not report; carries the agent's output."""


@dataclass(frozen=True)
class Reported:
    """A report that the portal accepted."""

    title: str
    proposal: str


@dataclass(frozen=True)
class Agent:
    """The portal's address and the token file of one agent."""

    origin: str
    token_file: Path

    def cloudtrail(self, *paths: Path, alternatives: bool = False) -> Reported:
        """Analyse CloudTrail files and report; return the first plan. Raises AgentFailed."""
        chosen = ["--alternatives"] if alternatives else []
        return self._run([*chosen, *(str(path) for path in paths)])

    def server_log(self, log: Path, role: str) -> Reported:
        """Analyse the target's own log and report what it shows of a role. Raises AgentFailed."""
        places = ["--password-at", f"{ROTATED}={STORE}:{PLACE}"]
        return self._run(["--postgres-cluster", CLUSTER, "--role", role, *places, str(log)])

    def all(self, log: Path) -> tuple[Reported, Reported, Reported, Reported]:
        """Report the demo's four incidents: a service account, a key, a role, and keys missing in
        the inventory.

        For the last one the agent offers two plans.
        """
        account = self.server_log(log, ROTATED)
        unknown = self.cloudtrail(UNKNOWN_CASE, alternatives=True)
        return account, self.cloudtrail(CASE), self.server_log(log, ROLE), unknown

    def _run(self, arguments: Sequence[str]) -> Reported:
        done = subprocess.run(
            python(
                *("-m", "hitlportal.demo.agent", "--url", self.origin),
                *("--environment", "production", "--token-file", str(self.token_file)),
                *arguments,
            ),
            cwd=places.START,
            env=inherited(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        proposal, title = PROPOSAL.search(done.stdout), TITLE.search(done.stdout)
        if done.returncode != 0 or proposal is None or title is None:
            raise AgentFailed(f"the agent said:\n{done.stdout}{done.stderr}")
        return Reported(title[1], proposal[1])
