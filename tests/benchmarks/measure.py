"""The measured sections, timed from outside: by the client's clock, the databases'
commits, and the line that test.noop writes when called.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import psycopg

from remediation.models import Proposal
from remediation.services.outbox import dispatch
from remediation.services.review import sign
from remediation.services.review.old_page import Page
from tests.benchmarks import door
from tests.benchmarks.cast import CLUSTER, Cast, Person
from tests.benchmarks.house import House

CLIENTS = 4
PATIENCE_S = 60.0
# The first ones open connections and fill caches.
WARM_UP = 10
# Rarely: polling takes time away from the measured work.
LOOK_S = 0.02
LEAST = 2 * WARM_UP
Item = TypeVar("Item")


@dataclass(frozen=True)
class Job:
    """One target and the report about it."""

    kind: str
    locator: str
    report: bytes


def noop_job(number: int) -> Job:
    name = f"t{number}"
    return Job(
        "test.target",
        f"test.target:{name}",
        door.report("test.target", {"name": name}, "test.noop"),
    )


def role_job(role: str) -> Job:
    fields = {"cluster": CLUSTER, "role": role}
    return Job(
        "postgres.role",
        f"postgres.role:{CLUSTER}/{role}",
        door.report("postgres.role", fields, "postgres.role.disable"),
    )


@dataclass
class Samples:
    """Seconds by the name of the timed part."""

    by_name: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.by_name.setdefault(name, []).append(seconds)

    def __getitem__(self, name: str) -> list[float]:
        return self.by_name[name]


class Measurement:
    """The sections in the order in which they run; each adds to ``samples``."""

    def __init__(self, house: House, cast: Cast) -> None:
        self._house, self._cast = house, cast
        self.samples = Samples()
        self._agent = door.agent(house.web_port, cast.token)
        self._bob = door.person(house.web_port, cast.bob)

    # -- submissions ------------------------------------------------------------------------------

    def submissions(self, jobs: Sequence[Job], seconds: float) -> list[str]:
        """Submit each report, alternating with the bare view; return the proposals' ids.

        No worker runs, because its assessments would be measured too.
        """
        bare = door.Door(self._house.bare_port, {})
        proposals = []
        for number, job in enumerate(within(seconds, jobs)):
            payload = b'{"payload":' + job.report + b"}"
            plain, _ = bare.timed("/notes", payload)
            ours, said = self._agent.timed("/api/v1/reports", job.report, **door.new_key())
            proposals.append(said["proposal"])
            if number >= WARM_UP:
                self.samples.add("bare insert", plain)
                self.samples.add("submission", ours)
        return proposals

    def staged(self, jobs: Sequence[Job], seconds: float) -> list[str]:
        """Return reports that a worker has assessed, without timing."""
        proposals = [
            self._agent.post("/api/v1/reports", job.report, **door.new_key())["proposal"]
            for job in within(seconds, jobs)
        ]
        wait_for_assessments(proposals)
        return proposals

    # -- from approval to effect ------------------------------------------------------------------

    def approvals(self, proposals: Sequence[str], seconds: float) -> None:
        """Time one approval at a time, each beside a bare round trip on the idle worker."""
        from tests.benchmarks import tasks  # needs the address of its results

        counted = []
        for number, proposal in enumerate(within(seconds, proposals)):
            ready = self._ready(proposal)
            whole, one_way = tasks.round_trip()
            post = door.sign(self._bob, ready)
            until(lambda: ended([proposal]) == 1, "an approval to be executed")  # noqa: B023
            if number >= WARM_UP:
                counted.append(proposal)
                self.samples.add("round trip", whole)
                self.samples.add("one way", one_way)
                self.samples.add("POST", post)
        approved, applied = self._approved_at(), self._called_at()
        for proposal in counted:
            self.samples.add("to apply", applied[proposal] - approved[proposal])

    def roles(self, proposals: Mapping[str, str], seconds: float) -> None:
        """`postgres.role.disable` on the second cluster: role by proposal."""
        counted = []
        for proposal in within(seconds, list(proposals)):
            post = door.sign(self._bob, self._ready(proposal))
            until(lambda: ended([proposal]) == 1, "a role to be disabled")  # noqa: B023
            counted.append(proposal)
            self.samples.add("role POST", post)
        approved, recorded = self._approved_at(), self._recorded_at()
        disabled = self._disabled_at()
        for proposal in counted:
            role = proposals[proposal]
            self.samples.add("to NOLOGIN", disabled[role] - approved[proposal])
            self.samples.add("to applied", recorded[proposal] - approved[proposal])

    def throughput(self, proposals: Sequence[str], seconds: float) -> float:
        """Approvals executed in a second: CLIENTS submit signatures as fast as they are
        answered; from the first POST to the last effect."""
        ready = [self._ready(proposal) for proposal in within(seconds, proposals)]
        proposals = [started.proposal for started in ready]
        doors = [door.person(self._house.web_port, self._cast.bob) for _ in range(CLIENTS)]
        began = time.time()

        def hand_in(client: int) -> None:
            for started in ready[client::CLIENTS]:
                self.samples.add("POST of four", door.sign(doors[client], started))

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(hand_in, range(CLIENTS)))
        until(lambda: ended(proposals) == len(proposals), "all approvals to be executed")
        applied = self._called_at()
        return len(proposals) / (max(applied[p] for p in proposals) - began)

    # -- parts ------------------------------------------------------------------------------------

    def parts(self, proposals: Sequence[str]) -> list[dict[str, list[float]]]:
        """Time the same services in one process, function by function.

        No worker runs. Signs here, to time the sending too; the rest is timed by
        tests.benchmarks.parts with a worker's login.
        """
        real = dispatch.wake

        def timed(kind: str, proposal_id: UUID) -> bool:
            began = time.perf_counter()
            sent = real(kind, proposal_id)
            self.samples.add("publish", time.perf_counter() - began)
            return sent

        with mock.patch.object(dispatch, "wake", timed):
            for proposal in proposals:
                started = json.loads(self._ready(proposal).body)
                began = time.perf_counter()
                _sign(self._cast.bob, started["session"], started["assertion"])
                self.samples.add("sign", time.perf_counter() - began)
        runs: list[dict[str, list[float]]] = json.loads(
            self._house.run_worker("tests.benchmarks.parts")
        )
        return runs

    # -- helpers ----------------------------------------------------------------------------------

    def _ready(self, proposal: str) -> door.Started:
        """Make all but the last signature. Alice's is not timed, so it needs no HTTP."""
        alice = self._cast.alice
        looked = door.conditions(proposal)
        started = sign.start(
            actor=alice.user,
            proposal_id=UUID(proposal),
            page=Page(1),
            decision="approve",
            verdicts=door.YES,
            reason={"code": "", "text": ""},
            slot=alice.role,
            opened=looked.artefacts,
            typed=looked.names,
        )
        _sign(alice, started.session_id, door.answer(alice, started.options))
        return door.start(self._bob, self._cast.bob, proposal)

    def _approved_at(self) -> dict[str, float]:
        """Return the commit time of the last approval, by proposal."""
        return self._commits(
            "SELECT proposal_id::text, pg_xact_commit_timestamp(xmin)"
            "  FROM remediation_transition WHERE to_state = 'approved'"
        )

    def _recorded_at(self) -> dict[str, float]:
        """Return the time of the recorded phase applied, by proposal."""
        return self._commits(
            "SELECT e.proposal_id::text, s.recorded_at FROM remediation_steprecord s"
            "  JOIN remediation_execution e ON e.id = s.execution_id WHERE s.phase = 'applied'"
        )

    def _disabled_at(self) -> dict[str, float]:
        """Return the commit time of NOLOGIN on the second cluster, by role."""
        with psycopg.connect(self._house.servers.target.superuser_dsn()) as connection:
            return _times(
                connection,
                "SELECT rolname, pg_xact_commit_timestamp(xmin) FROM pg_authid"
                " WHERE NOT rolcanlogin AND rolname LIKE 'svc%'",
            )

    def _called_at(self) -> dict[str, float]:
        """Return the time in the line of test.noop's call, by proposal."""
        lines = self._house.calls.read_text(encoding="utf-8").splitlines()
        calls = [json.loads(line) for line in lines]
        return {call["proposal"]: datetime.fromisoformat(call["at"]).timestamp() for call in calls}

    def _commits(self, query: str) -> dict[str, float]:
        with self._house.superuser() as connection:
            return _times(connection, query)


def within(seconds: float, items: Sequence[Item]) -> Iterator[Item]:
    """Yield items until the time is used up, but at least LEAST."""
    give_up = time.monotonic() + seconds
    for number, item in enumerate(items):
        if number >= LEAST and time.monotonic() > give_up:
            return
        yield item


def _sign(someone: Person, session: UUID | str, assertion: Mapping[str, Any]) -> None:
    sign.sign(actor=someone.user, session_id=UUID(str(session)), assertion=assertion)


def _times(connection: psycopg.Connection[Any], query: str) -> dict[str, float]:
    rows: Iterator[tuple[str, datetime]] = iter(connection.execute(query))
    return {name: at.timestamp() for name, at in rows}


def ended(proposals: Sequence[str]) -> int:
    """Return how many have succeeded. Raises if one ended otherwise."""
    states = list(Proposal.objects.filter(pk__in=proposals).values_list("state", flat=True))
    wrong = set(states) - {"submitted", "in_review", "approved", "executing", "succeeded"}
    if wrong:
        raise door.Refused(f"a proposal of the benchmark is {wrong}")
    return states.count("succeeded")


def wait_for_assessments(proposals: Sequence[str]) -> None:
    found = Proposal.objects.filter(pk__in=proposals, state="in_review")
    until(lambda: found.count() == len(proposals), "the assessments")


def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; raise with its name after the time limit."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(LOOK_S)
