"""`make demo AUTO=1`: alice and bob are played over HTTP, then everything is checked.

What is checked is read past the portal where that is possible: from the targets' own logs, with
own clients and logins, and with the auditor's login to the record. The numbers are those of the
README.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from hitlportal.demo import independent, offline
from hitlportal.demo.agent.client import Client
from hitlportal.demo.browser import TOKEN, Browser, Page
from hitlportal.demo.checks import Checks
from hitlportal.demo.cloud import Key
from hitlportal.demo.enrolments import Enrolments
from hitlportal.demo.ledger import OBSERVER, OPERATOR
from hitlportal.demo.player import YES, Player
from hitlportal.demo.record import Record
from hitlportal.demo.reporting import Reported
from hitlportal.demo.stack import Stack
from hitlportal.demo.story import ROLE

DISABLE_CALL = "iam:UpdateAccessKey"
BOB_SAYS = ("scope_unclear", "The inventory knows neither of these keys; whose account is it?")


class Auto:
    """One run of the whole story. `key` is what the first report's plan acts on."""

    def __init__(
        self,
        stack: Stack,
        enrolments: Enrolments,
        token_file: Path,
        reported: tuple[Reported, Reported, Reported],
        key: Key,
    ) -> None:
        self._stack = stack
        self._enrolments = enrolments
        self._token = token_file.read_text(encoding="utf-8")
        self._key_report, self._role_report, self._unknown_report = reported
        self._key = key
        self._record = Record(stack.installation)
        self._checks = Checks()
        self._players: dict[str, Player] = {}

    def play(self, codes: Mapping[str, str]) -> list[str]:
        """Play and check; returns the numbers of what failed."""
        self._reported()
        self._enrol(codes)
        self._untouched()
        self._refusals()
        self._approve()
        self._key_effect()
        self._role_effect()
        self._ended()
        self._offline()
        self._returned()
        self._on_record()
        return self._checks.failed

    @property
    def _runs(self) -> tuple[Reported, Reported]:
        """The two reports that will be approved."""
        return self._key_report, self._role_report

    def _reported(self) -> None:
        for report in (*self._runs, self._unknown_report):
            self._reaches(report, "in_review")
            state = self._record.state(report.proposal)
            what = f"the agent reported: {report.title[:72]}"
            self._checks.line("1", state == "in_review", what, f"{report.proposal[:8]} {state}")

    def _enrol(self, codes: Mapping[str, str]) -> None:
        for username in ("alice", "bob", "dave", "eve"):
            player = self._players[username] = Player(username, self._stack.origin)
            player.enrol(codes[username])
            player.sign_in()
        self._enrolments.add_new()

    def _untouched(self) -> None:
        """Nothing touched the targets so far, say their own logs."""
        log = self._stack.servers.target.log
        operator, observer = (independent.touches(log, who) for who in (OPERATOR, OBSERVER))
        self._checks.equal(
            "2", f"before approval: lines by {OPERATOR} in PostgreSQL's log", operator.lines, 0
        )
        looked = observer.lines > 0 and not observer.changes
        self._checks.line("2", looked, f"{OBSERVER} only read", f"{observer.lines} lines")
        calls = len(self._stack.cloud.calls(DISABLE_CALL))
        self._checks.equal("2", f"before approval: {DISABLE_CALL} in simulated AWS", calls, 0)
        works = independent.key_works(self._stack.cloud, self._key)
        self._checks.line("2", works, "before approval the stolen key still works (simulated)")

    def _refusals(self) -> None:
        for username, slot, why in (
            ("dave", "service_owner", "owner of the agent"),
            ("eve", "security", "made the agent's token"),
        ):
            for report in self._runs:
                round = self._record.round(report.proposal)
                page = self._players[username].try_to_approve(report.proposal, slot, round)
                told = _refusal(page)
                what = f"{username} ({why}) may not approve {report.proposal[:8]}"
                self._checks.line("3", told[:2] == (403, "separation"), what, told[2])
        page, api = self._agent_tries()
        told = _refusal(page)
        ok = told[:2] == (401, "not_authenticated") and api.status == 404
        what = "the agent's token opens no review, by page or API"
        self._checks.line("3", ok, what, f"{told[1]}; {api.status}")
        recorded = self._record.refusals(self._key_report.proposal)
        self._checks.equal("3", "the refusals are on record", recorded, ["separation"] * 2)

    def _agent_tries(self) -> tuple[Page, Page]:
        browser = Browser(self._stack.origin, {"Authorization": f"Bearer {self._token}"})
        entrance = browser.get("/account/login/")
        token = entrance.form(action="/account/login/").fields[TOKEN]
        path = f"proposals/{self._key_report.proposal}/review/start"
        body = {"decision": "approve", "verdicts": YES, "slot": "security"}
        page, api = (
            browser.post_json(f"{prefix}{path}", body, token=token, referer=entrance.url)
            for prefix in ("/", "/api/v1/")
        )
        return page, api

    def _approve(self) -> None:
        """alice's word alone moves nothing; with bob's it is approved and carried out."""
        for report in self._runs:
            self._players["alice"].decide(report.proposal, "approve")
        for report in self._runs:
            state = self._record.state(report.proposal)
            self._checks.equal("4", f"one approval is not enough: {report.title[:40]}", state,
                               "in_review")  # fmt: skip
        lines = independent.touches(self._stack.servers.target.log, OPERATOR).lines
        calls = len(self._stack.cloud.calls(DISABLE_CALL))
        self._checks.equal("4", "and the targets are untouched", (lines, calls), (0, 0))
        for report in self._runs:
            answer = self._players["bob"].decide(report.proposal, "approve")
            self._checks.equal("4", "with the second one it is", answer["resolution"], "approved")
        for report in self._runs:
            self._reaches(report, "succeeded")

    def _key_effect(self) -> None:
        cloud = self._stack.cloud
        status = independent.key_status(cloud, self._key)
        self._checks.equal("5", f"key {self._key.id} (simulated)", status, "Inactive")
        works = independent.key_works(cloud, self._key)
        self._checks.line("5", not works, "a call signed with the key is refused (simulated)")
        ids = [call["parameters"]["AccessKeyId"] for call in cloud.calls(DISABLE_CALL)]
        self._checks.equal("5", f"{DISABLE_CALL} was called once, on it", ids, [self._key.id])

    def _role_effect(self) -> None:
        refused = independent.login_refused(self._stack.ledger.dsn(ROLE))
        ok = "not permitted to log in" in refused
        self._checks.line("6", ok, f"role {ROLE} is refused at login", refused)
        job = self._stack.job()
        ended = job is not None and self._comes_true(
            "the report job to notice", lambda: job.exit_code is not None
        )
        self._checks.line("6", ended, "its open session was ended: the program that held it ended")
        self._checks.equal("6", "sessions of the role", self._stack.ledger.sessions(), 0)
        first = independent.touches(self._stack.servers.target.log, OPERATOR).first
        approved = self._record.approved_at(self._role_report.proposal)
        ok = first is not None and first > approved
        self._checks.line("6", ok, f"{OPERATOR} came after the approval", f"{approved:%T.%f}, "
                          f"then {first:%T.%f}" if first else "never")  # fmt: skip

    def _ended(self) -> None:
        for report in self._runs:
            state = self._record.state(report.proposal)
            self._checks.equal("7", f"proposal {report.proposal[:8]}", state, "succeeded")
            incident = self._record.incident(report.proposal)
            self._checks.equal("7", "and its incident", incident, "contained")

    def _offline(self) -> None:
        replay = offline.Replay(self._stack.settings.approvers, self._stack.origin)
        for report in self._runs:
            file = self._stack.directory / "evidence" / f"{report.proposal}.json"
            file.parent.mkdir(exist_ok=True)
            offline.export(self._stack.installation, self._stack.settings, report.proposal, file)
            self._checks.equal(
                "8", f"evidence of {report.proposal[:8]} verifies offline: exit status",
                replay.status(file), offline.HOLDS,
            )  # fmt: skip
        forged = [replay.status(copy) for copy in offline.forgeries(file)]
        what = "with one byte flipped in plan, verdict or signature: exit status"
        self._checks.equal("8", what, forged, [offline.DOES_NOT_HOLD] * 3)

    def _returned(self) -> None:
        report = self._unknown_report
        self._players["bob"].decide(report.proposal, "return", reason=BOB_SAYS)
        self._reaches(report, "returned")
        state = self._record.state(report.proposal)
        self._checks.equal("9", "bob returned what the inventory does not know", state, "returned")
        answer = Client(self._stack.origin, self._token).follow(report.proposal, tries=1).body
        told = answer.get("reasons") if isinstance(answer, dict) else None
        code, text = BOB_SAYS
        self._checks.equal("9", "and the agent reads why", told, [{"code": code, "text": text}])

    def _on_record(self) -> None:
        entries = self._record.entries()
        sources = {"agent", "person", "worker", "operator"}
        ok = sources <= set(entries)
        listed = ", ".join(f"{count} by {source}" for source, count in entries.items())
        self._checks.line("10", ok, f"{sum(entries.values())} entries in the audit log", listed)
        for login, statement in (
            ("web", "UPDATE audit.entry SET body = body"),
            ("worker", "DELETE FROM audit.entry"),
            ("web", "UPDATE remediation_proposal SET state = 'approved'"),
        ):
            self._checks.line("10", *self._refused_to(login, statement))

    def _refused_to(self, login: str, statement: str) -> tuple[bool, str, str]:
        what = f"hitl_{login} is refused: {statement}"
        with psycopg.connect(self._stack.installation.login_url(login)) as connection:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege as error:
                return True, what, str(error).splitlines()[0]
            connection.rollback()
        return False, what, "it was not"

    def _reaches(self, report: Reported, state: str) -> None:
        self._comes_true(
            f"{report.proposal} to be {state}",
            lambda: self._record.state(report.proposal) == state,
        )

    def _comes_true(self, what: str, condition: Callable[[], bool]) -> bool:
        """Wait; a condition that does not come true in time is for the check to say."""
        try:
            self._stack.until(what, condition)
        except TimeoutError as error:
            print(f"      {error}", flush=True)
            return False
        return True


def _refusal(page: Page) -> tuple[int, str, str]:
    """Status, name and words of a problem answer."""
    try:
        problem = page.json()
    except ValueError:
        return page.status, "", page.text[:200]
    return page.status, str(problem.get("name", "")), str(problem.get("detail", ""))
