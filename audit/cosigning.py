"""Asking witnesses for their line under a head: in parallel, in bounded time.

What a witness sends is verified before it is kept. One that hangs is waited for once, then asked
in the background until it answers in time again; one that lies or sends too much costs its
connection.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit.asking import Answer, Asked
from audit.tlog.note import SignatureLine
from audit.tlog.policy import Witness
from audit.tlog.witness import Request

logger = logging.getLogger(__name__)

# Tessera's bound too: an approval must not wait longer for somebody else's machine.
TIMEOUT_S = 1.0
# Where nobody waits: a machine on another continent that has to wake up first.
BACKGROUND_S = 5.0
# How long a witness that failed is left alone: the first time, and at the most.
PAUSE_S, MOST_PAUSE_S = 0.5, 60.0

Prove = Callable[[int], Sequence[bytes]]


@dataclass(frozen=True)
class Cosigned:
    """A verified line of a witness (by its name in the policy) under the head of this size."""

    name: str
    size: int
    line: SignatureLine


@dataclass
class _Known:
    """A witness, and what came of asking it."""

    witness: Witness
    held: int = 0
    failed: int = 0
    again_at: float = 0.0
    # Whether it was prompt when it was asked last; nobody waits for one that was not.
    prompt: bool = True
    asked: Asked | None = None

    def fail(self, now: float) -> None:
        self.prompt = False
        self.again_at = now + min(PAUSE_S * 2.0**self.failed, MOST_PAUSE_S)
        self.failed = min(self.failed + 1, 10)

    def answered(self, size: int, took: float) -> None:
        self.held, self.failed, self.again_at, self.prompt = size, 0, 0.0, took < TIMEOUT_S


class Cosigners:
    """The witnesses of a policy that have an address, and what each was seen to hold.

    At most one request to each is under way at any time.
    """

    def __init__(self, witnesses: Iterable[Witness]) -> None:
        self._known = {one.name: _Known(one) for one in witnesses if one.url}
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._known)

    def collect(
        self, note: str, size: int, prove: Prove, have: Iterable[str] = ()
    ) -> Iterator[Cosigned]:
        """Each line as it arrives, without those under this head that are there already.

        ``prove(old)`` gives the consistency proof from that size; it is called in this thread. A
        witness that holds another size than was thought is asked once more. A line that was asked
        for earlier may come now, under its own, older head. Takes `TIMEOUT_S` at the most.
        """
        began, had = time.monotonic(), set(have)
        self._end_late(began)
        # Who is late is asked together with the others who are: under load each would else have a
        # head of its own, and no head a quorum.
        together = not any(one.asked and not one.prompt for one in self._known.values())
        for known in self._known.values():
            wanted = known.witness.name not in had and known.again_at <= began
            if wanted and (known.prompt or together):
                self._ask(known, note, size, prove)
        again = set(self._known)
        while (answer := self._next(began + TIMEOUT_S)) is not None:
            known = self._known[answer.witness.name]
            known.asked = None
            if answer.line is not None:
                known.answered(max(answer.size, known.held), answer.took)
                yield Cosigned(answer.witness.name, answer.size, answer.line)
                retry = answer.size < size and answer.witness.name not in had and known.prompt
            else:
                retry = answer.held is not None and answer.held <= size
                if answer.held is not None and retry:
                    known.held = answer.held
                elif answer.held is not None:
                    # If it does not lie, the log was set back, and its own file with it.
                    logger.error(
                        "witness %s holds %s, more than the log has: was it rolled back?",
                        known.witness.name,
                        answer.held,
                    )
            if retry and answer.witness.name in again:
                again.discard(answer.witness.name)
                self._ask(known, note, size, prove)
            elif answer.line is None:
                known.fail(time.monotonic())

    def close(self) -> None:
        """Cut off whoever was not heard; nobody listens to them any more."""
        for known in self._known.values():
            if known.asked:
                known.asked.end()

    def _ask(self, known: _Known, note: str, size: int, prove: Prove) -> None:
        if known.asked is None:
            old = min(known.held, size)
            request = Request(old, tuple(prove(old)), note)
            known.asked = Asked(known.witness, request, size, self._answers.put)

    def _next(self, give_up: float) -> Answer | None:
        """The next answer; waits while somebody is prompt. Who is late is not, from here on."""
        if any(known.asked and known.prompt for known in self._known.values()):
            try:
                return self._answers.get(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                self._note_late()
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None

    def _note_late(self) -> None:
        for known in self._known.values():
            if known.asked and known.prompt:
                known.prompt = False
                logger.warning("witness %s is late", known.witness.name)

    def _end_late(self, now: float) -> None:
        """Whoever answers neither well nor badly is cut off; its thread then says so."""
        for known in self._known.values():
            if known.asked and now - known.asked.since > BACKGROUND_S:
                known.asked.end()
