"""Run the demo on a started stack: create the data, then serve until Ctrl-C or play it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from hitlportal import places
from hitlportal.demo import words
from hitlportal.demo.agent.client import ApiError, Unreachable
from hitlportal.demo.people.enrolments import Enrolments
from hitlportal.demo.play import auto, brief, leak_scanner, prologue, watch
from hitlportal.demo.play.record import Record
from hitlportal.demo.play.reporting import Agent, AgentFailed, Reported
from hitlportal.demo.play.scene import NOTHING, Scene
from hitlportal.demo.servers import ledger
from hitlportal.demo.servers.cloud import keys_of
from hitlportal.demo.servers.errors import InstallationFailed
from hitlportal.demo.settings import python
from hitlportal.demo.stack import JOB, Stack
from hitlportal.demo.story import (
    AGENT,
    CASE,
    LEAKED_LOCATORS,
    PLACE,
    ROLE,
    ROLE_LOCATOR,
    ROTATED,
    ROTATED_LOCATOR,
    SCANNER,
    UNKNOWN_CASE,
    WATCH,
    WORKLOAD_LOCATOR,
)

# Stages of the data, in this order, and the process whose login may do each.
SEEDED = {"people": "operator", "inventory": "web", "rights": "operator"}
LOOK_SECONDS = 0.5
# How often the demo looks for expired proposals of open incidents.
AGAIN_SECONDS = 20.0


class Run:
    """One run of the demo."""

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._say = say
        self._record = Record(stack.installation)
        self._tokens = stack.directory / "agents"
        self._agent = Agent(stack.origin, self._tokens / AGENT)
        self._reported: tuple[Reported, ...] = ()
        self._watched: tuple[Reported, Reported] = NOTHING, NOTHING
        seen = stack.directory / "worker" / "enrolments-seen"
        self._enrolments = Enrolments(stack.installation, stack.settings, seen, say)
        self._codes: Mapping[str, str] = {}
        self._gave_up: set[str] = set()
        self._named: set[tuple[str, str]] = set()
        self._keys = {case: keys_of(case) for case in (CASE, UNKNOWN_CASE)}

    def prepare(self, *, played: bool) -> None:
        """Create people, inventory and agents; on the first start also misuse and reports."""
        self._say("people, rights, inventory, and three agents with their tokens")
        self._codes = self._seed(imports=not played)
        if self._record.reports():
            return
        self._stack.until("the programs to use the target", self._stack.consumers.serving)
        self._say(f"somebody misuses roles {ROTATED} and {ROLE} on the target")
        for role in (ROTATED, ROLE):
            ledger.misuse(self._stack.ledger.dsn(role))
        self._say("the agent reads real CloudTrail records and the target's own log, and reports")
        self._reported = self._agent.all(self._stack.servers.target.log)
        self._say(f"{WATCH} reports a suspicious API token and a workload")
        watching = self._stack, self._token(WATCH)
        self._watched = watch.token(*watching), watch.workload(*watching)
        if not played:
            self._say("frank returns a report and corrects another")
            prologue.play(self._scene(), self._codes["frank"], self._enrolments.add_new)
            self._codes = {who: code for who, code in self._codes.items() if who != "frank"}

    def play(self) -> int:
        """Play seven people; return 0 when every check held, else 1."""
        self._say("seven people enrol, sign in and work over HTTP; all of it is checked")
        operator = auto.Operator(self._enrolments.add_new, self._seed)
        return self._judge(auto.play(self._scene(), self._codes, operator))

    def play_brief(self) -> int:
        """Play two people and one report; 0 when every check held."""
        self._say("deployment checks, then two people approve one report over HTTP")
        return self._judge(brief.play(self._scene(), self._codes, self._enrolments.add_new))

    def _judge(self, failed: list[str]) -> int:
        self._say(f"{len(failed)} checks FAILED" if failed else "every check held")
        return 1 if failed else 0

    def stay(self) -> int:
        """Print the welcome text and run until Ctrl-C. Raises ChildEnded when a process ends."""
        print(words.welcome(self._stack, self._codes, self._record.queue()), flush=True)
        job, again = self._stack.job(), time.monotonic() + AGAIN_SECONDS
        while True:
            self._stack.check()
            self._enrolments.add_new()
            if job is not None and job.exit_code is not None:
                self._say(f"the {JOB} lost its session as {ROLE} and ended")
                job = None
            if time.monotonic() > again:
                self._report_again()
                again = time.monotonic() + AGAIN_SECONDS
            self._name_late()
            self._renew(LOOK_SECONDS)

    def _renew(self, seconds: float) -> None:
        """Wait; when Enter is pressed, print fresh codes. They make the earlier ones void.

        Also when everybody had enrolled: an operator may have reset somebody since.
        """
        if _enter(seconds):
            self._codes = self._seed()
            print(words.codes(self._stack.origin, self._codes), flush=True)

    def _name_late(self) -> None:
        """Show once for each new password how to let a program reload that does not by itself."""
        version = self._stack.store.version(PLACE)
        for one, pid in self._stack.consumers.late():
            if (one.service, version) not in self._named:
                self._named.add((one.service, version))
                print(words.late(one, pid), flush=True)

    def _scene(self) -> Scene:
        account_report, key_report, role_report, unknown_report = self._reported
        (key,) = (key for key in self._keys[CASE] if key.id in key_report.title)
        tokens = self._token(AGENT), self._token(SCANNER)
        reports = account_report, key_report, role_report, unknown_report
        made = Scene(self._stack, self._record, *tokens, key, *reports)
        made.token_report, made.workload_report = self._watched
        return made

    def _token(self, agent: str) -> str:
        return (self._tokens / agent).read_text(encoding="utf-8")

    def _seed(self, *, imports: bool = False) -> Mapping[str, str]:
        more = {
            "DJANGO_SETTINGS_MODULE": "hitlportal.settings",
            "DEMO_TOKENS": str(self._tokens),
            "DEMO_IMPORT": str(int(imports)),
            "DEMO_API_TOKEN": self._stack.issuer.locator,
        }
        settings = self._stack.settings
        for stage, process in SEEDED.items():
            environment = settings.web() if process == "web" else settings.operator()
            done = subprocess.run(
                python("-m", "hitlportal.demo.seed", stage),
                cwd=places.START,
                env=environment | more,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise InstallationFailed(f"the demo's data cannot be created:\n{done.stderr}")
        codes: dict[str, str] = json.loads(done.stdout)
        return codes

    def _report_again(self) -> None:
        """Report expired proposals again, as a detector does: each becomes a new proposal of the
        same incident."""
        log, token = self._stack.servers.target.log, self._token(SCANNER)
        for role, locator in ((ROTATED, ROTATED_LOCATOR), (ROLE, ROLE_LOCATOR)):
            if self._record.expired(locator):
                self._again(f"{role}'s", partial(self._agent.server_log, log, role))
        if self._record.expired(LEAKED_LOCATORS[0]):
            self._again("the leaked roles'", lambda: leak_scanner.scan(self._stack, token))
        for locator, report in (
            (self._stack.issuer.locator, watch.token),
            (WORKLOAD_LOCATOR, watch.workload),
        ):
            if self._record.expired(locator):
                self._again(f"{locator}'s", partial(report, self._stack, self._token(WATCH)))
        for case in (CASE, UNKNOWN_CASE):
            if any(self._record.expired(key.locator) for key in self._keys[case]):
                self._again(f"{case.name}'s", partial(self._agent.cloudtrail, case))

    def _again(self, whose: str, report: Callable[[], Reported]) -> None:
        """Report once more; print a refusal only once (the agent may be suspended)."""
        try:
            report()
        except (AgentFailed, ApiError, Unreachable) as refused:
            if whose not in self._gave_up:
                self._gave_up.add(whose)
                self._say(f"{whose} proposal had expired; its agent is refused: {refused}")
        else:
            self._say(f"{whose} proposal had expired; its agent reported again")


def _enter(seconds: float) -> bool:
    """Wait; return whether Enter was pressed."""
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return False
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and sys.stdin.readline() != ""
