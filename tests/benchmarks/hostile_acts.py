"""What people do while an agent sends its largest reports: needs Django's settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from threading import Event
from typing import Any
from urllib.parse import urlencode

from audit.tlog.canonical import Json, encode
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.models import Proposal
from tests.benchmarks import door, measure
from tests.benchmarks.cast import PASSWORD, Cast, cast, operators
from tests.benchmarks.house import House

PATIENCE_S = 120.0


class Acts:
    """Each act of a round, on targets of its own, so that no round changes another's work."""

    def __init__(self, house: House, people: Cast, phases: Sequence[str], rounds: int) -> None:
        self._house, self._cast, self._phases, self._rounds = house, people, phases, rounds
        self._approving: dict[tuple[str, int], str] = {}
        self._halting: dict[tuple[str, int], str] = {}
        self._hostile: list[str] = []
        self._sent = 0

    @classmethod
    def make(cls, house: House, phases: Sequence[str], rounds: int, hostile: list[str]) -> Acts:
        names = [*hostile]
        for phase in phases:
            for number in range(rounds):
                names += [one for name in _names(phase, number) for one in name]
        targets = [("test.target", f"test.target:{name}") for name in names]
        people = cast(targets, operators(house.installation.login_url("operator")))
        house.approvers.write_bytes(people.approvers_file())
        return cls(house, people, phases, rounds)

    def stage(self) -> None:
        """Report all that is approved and halted later, by an agent of its own pace."""
        for phase in self._phases:
            for number in range(self._rounds):
                (one,), two = _names(phase, number)
                self._approving[phase, number] = self._report(one)
                self._halting[phase, number] = self._report(*two)
        measure.wait_for_assessments([*self._approving.values(), *self._halting.values()])
        for proposal in self._halting.values():
            self._approve(proposal)
            measure.until(lambda: _state(proposal) == "waiting", "a run to wait")  # noqa: B023

    def play(self, phase: str, number: int) -> Iterator[tuple[str, float]]:
        bob = door.person(self._house.web_port, self._cast.bob)
        approving, halting = self._approving[phase, number], self._halting[phase, number]
        yield "page", timed(lambda: self._page(f"/proposals/{approving}/"))
        yield "queue", timed(lambda: self._page("/queue/"))
        yield "sign-in", timed(self._sign_in)
        ready = self._ready(approving)
        yield "approval -> effect", timed(lambda: self._effect(bob, ready, approving))
        yield "halt -> stopped", timed(lambda: self._halt(bob, halting))
        bob.close()

    def send(self, report: Callable[[str], bytes], over: Event) -> None:
        """Send one report; wait where the agent's rate says so."""
        self._sent += 1
        body = report(f"h{self._sent}")
        answer = request(
            self._house.web_port, "POST", "/api/v1/reports", body,
            {"Authorization": f"Bearer {self._cast.token}", "Content-Type": "application/json",
             **door.new_key()},
        )  # fmt: skip
        if answer[0] == 201:
            self._hostile.append(answer[1]["proposal"])
        else:
            over.wait(1)

    def read(self, over: Event) -> None:
        """Open the review page of the newest hostile proposal."""
        if not self._hostile:
            over.wait(0.2)
            return
        self._page(f"/proposals/{self._hostile[-1]}/")
        over.wait(0.2)

    # -- parts ------------------------------------------------------------------------------------

    def _report(self, *names: str) -> str:
        agent = door.agent(self._house.web_port, self._cast.token)
        body = job(*names)
        while True:
            try:
                found = agent.post("/api/v1/reports", body, **door.new_key())
            except door.Refused as refused:
                if " 429 " not in str(refused):
                    raise
                time.sleep(1)
            else:
                agent.close()
                return str(found["proposal"])

    def _ready(self, proposal: str) -> door.Started:
        return measure.Measurement(self._house, self._cast)._ready(proposal)

    def _approve(self, proposal: str) -> None:
        bob = door.person(self._house.web_port, self._cast.bob)
        door.sign(bob, self._ready(proposal))
        bob.close()

    def _effect(self, bob: door.Door, ready: door.Started, proposal: str) -> None:
        door.sign(bob, ready)
        measure.until(lambda: _state(proposal) == "succeeded", "an approval to be executed")

    def _halt(self, bob: door.Door, proposal: str) -> None:
        path = f"/proposals/{proposal}/execution/halt/"
        said = bob.post(path, encode({"decision": "keep", "reason": "it looks wrong"}))
        answer = door.answer(self._cast.bob, said["options"])
        bob.post(f"{path}sign", encode({"session": said["session"], "assertion": answer}))
        measure.until(lambda: _state(proposal) == "stopped", "a run to stop")

    def _page(self, path: str) -> None:
        session = door.person(self._house.web_port, self._cast.alice)
        headers = session._headers
        session.close()
        status, _ = request(self._house.web_port, "GET", path, b"", headers)
        if status != 200:
            raise door.Refused(f"GET {path}: {status}")

    def _sign_in(self) -> None:
        body = urlencode({"login": "alice", "password": PASSWORD, "csrfmiddlewaretoken": door.CSRF})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"{_csrf_cookie()}={door.CSRF}",
            "Origin": f"http://localhost:{self._house.web_port}",
        }
        status, _ = request(self._house.web_port, "POST", "/account/login/", body.encode(), headers)
        if status != 302:
            raise door.Refused(f"POST /account/login/: {status}")


def job(first: str, second: str = "") -> bytes:
    """Return a report about one target; with a second one its run waits for a person between."""
    import json

    told: dict[str, Any] = json.loads(door.report("test.target", {"name": first}, "test.noop"))
    if second:
        steps: list[Json] = [
            {"action": "test.noop", "target": {"kind": "test.target", "name": name},
             "parameters": {}}
            for name in (first, second)
        ]  # fmt: skip
        wait: Json = {"conditions": [], "person": True, "within_s": 3600}
        steps[0] |= {"wait": wait}  # type: ignore[operator]
        told["proposal"]["plan"] |= {"version": 2, "order": "none", "steps": steps}
    return encode(told)


def request(
    port: int, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, Any]:
    """Return the status, and the JSON of an answer that has some."""
    import json

    connection = HTTPConnection(LOOPBACK, port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body or None, {"Host": "localhost", **headers})
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    is_json = "json" in answer.headers.get("Content-Type", "")
    return answer.status, json.loads(said) if is_json else None


def timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _names(phase: str, number: int) -> tuple[tuple[str], tuple[str, str]]:
    return (f"{phase}-a{number}",), (f"{phase}-b{number}", f"{phase}-c{number}")


def _state(proposal: str) -> str:
    return str(Proposal.objects.values_list("state", flat=True).get(pk=proposal))


def _csrf_cookie() -> str:
    from django.conf import settings

    return str(settings.CSRF_COOKIE_NAME)
