"""The state that all acts of the play share: the running system, the people, the reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy

from hitlportal.demo.people.player import Player
from hitlportal.demo.play.expectations import Checks
from hitlportal.demo.play.record import Record
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.servers.cloud import Key
from hitlportal.demo.stack import Stack

NOTHING = Reported("", "")


@dataclass
class Scene:
    """The shared state of the play.

    People approve `key_report` (its plan acts on `key`) and `role_report`, and return
    `unknown_report`. `leak_report` has three steps and is stopped; it is made after the import of
    the shop. `token` belongs to the reference agent, `scanner_token` to the scanner.
    """

    stack: Stack
    record: Record
    token: str
    scanner_token: str
    key: Key
    key_report: Reported
    role_report: Reported
    unknown_report: Reported
    leak_report: Reported = NOTHING
    first_version: Reported = NOTHING  # of `key_report`, before the correction
    checks: Checks = field(default_factory=Checks)
    players: dict[str, Player] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[Reported, Reported]:
        """The two reports that people will approve."""
        return self.key_report, self.role_report

    def reaches(self, report: Reported, state: str) -> None:
        """Wait until the report has this state; after a timeout the next check fails."""
        self.comes_true(
            f"{report.proposal} to be {state}",
            lambda: self.record.state(report.proposal) == state,
        )

    def as_operator(self, *command: str, process: str = "worker") -> str:
        """Run a command of manage.py as an operator of the host; return its output."""
        settings = self.stack.settings
        environment = settings.worker() if process == "worker" else settings.web()
        return self.stack.installation.manage(*command, process=process, environment=environment)

    def mails(self, username: str, about: str) -> int:
        """Return how many mails this person got whose text holds ``about``."""
        found = 0
        for file in (self.stack.directory / "mail").glob("*.log"):
            # Django's file backend writes one file for each connection, with a line between mails.
            for raw in file.read_bytes().split(b"-" * 79):
                mail = message_from_bytes(raw.strip(), policy=policy.default)
                body = mail.get_body() if mail["To"] else None
                text = body.get_content() if body is not None else ""
                found += f"{username}@" in str(mail["To"]) and about in text
        return found

    def comes_true(self, what: str, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; return whether it became true in time."""
        try:
            self.stack.until(what, condition)
        except TimeoutError as error:
            print(f"      {error}", flush=True)
            return False
        return True
