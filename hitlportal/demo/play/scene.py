"""What every act of the play shares: the running system, the people, what was reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hitlportal.demo.people.player import Player
from hitlportal.demo.play.checks import Checks
from hitlportal.demo.play.record import Record
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.servers.cloud import Key
from hitlportal.demo.stack import Stack

NOTHING = Reported("", "")


@dataclass
class Scene:
    """`key_report` and `role_report` will be approved, `unknown_report` returned; `key` is what
    the first one's plan acts on, `token` the reference agent's, `scanner_token` the other one's.
    `leak_report`, of three steps, comes when the inventory knows the shop, and will be halted."""

    stack: Stack
    record: Record
    token: str
    scanner_token: str
    key: Key
    key_report: Reported
    role_report: Reported
    unknown_report: Reported
    leak_report: Reported = NOTHING
    first_version: Reported = NOTHING  # of the key's, before it was corrected
    checks: Checks = field(default_factory=Checks)
    players: dict[str, Player] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[Reported, Reported]:
        """The two reports that people will approve."""
        return self.key_report, self.role_report

    def reaches(self, report: Reported, state: str) -> None:
        """Wait for a state; if it does not come, the next check says so."""
        self.comes_true(
            f"{report.proposal} to be {state}",
            lambda: self.record.state(report.proposal) == state,
        )

    def as_operator(self, *command: str, process: str = "worker") -> str:
        """What a command of manage.py said to an operator of the host."""
        settings = self.stack.settings
        environment = settings.worker() if process == "worker" else settings.web()
        return self.stack.installation.manage(*command, process=process, environment=environment)

    def comes_true(self, what: str, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; whether it came true in time."""
        try:
            self.stack.until(what, condition)
        except TimeoutError as error:
            print(f"      {error}", flush=True)
            return False
        return True
