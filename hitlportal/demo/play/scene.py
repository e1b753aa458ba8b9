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

    People approve `account_report`, whose run waits, `key_report` (its plan acts on `key`) and
    `role_report`, and return `unknown_report`. `leak_report` has three steps and is stopped; it is
    made after the import of the shop. `token` belongs to the reference agent, `scanner_token` to
    the scanner.
    """

    stack: Stack
    record: Record
    token: str
    scanner_token: str
    key: Key
    account_report: Reported
    key_report: Reported
    role_report: Reported
    unknown_report: Reported
    leak_report: Reported = NOTHING
    token_report: Reported = NOTHING  # the API token
    workload_report: Reported = NOTHING
    plan_report: Reported = NOTHING  # frank's plan
    wiki_incident: str = ""  # what it is for
    first_version: Reported = NOTHING  # of `key_report`, before the correction
    checks: Checks = field(default_factory=Checks)
    players: dict[str, Player] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[Reported, Reported]:
        """The two reports that people will approve after the main story."""
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

    def mailed(self, subject: str, about: str) -> str:
        """Wait for a mail with these words in subject and text; return its subject, or ""."""
        found = ""

        def came() -> bool:
            nonlocal found
            for file in (self.stack.directory / "mail").glob("*.log"):
                mail = message_from_bytes(file.read_bytes(), policy=policy.default)
                titled = " ".join(str(mail["Subject"]).split())
                if subject in titled and about in mail.get_content():
                    found = titled
            return found != ""

        self.comes_true(f"a mail “{subject}” about {about}", came)
        return found

    def comes_true(self, what: str, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; return whether it became true in time."""
        try:
            self.stack.until(what, condition)
        except TimeoutError as error:
            print(f"      {error}", flush=True)
            return False
        return True
