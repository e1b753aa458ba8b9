"""Ask witnesses to cosign a head: in parallel, in limited time.

Answers are verified before they are kept. A witness that hangs is waited for once, then asked in
the background until it answers in time again. The connection of one that sends wrong or too much
data is closed.
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

# Also Tessera's limit: an approval must not wait longer for another machine.
TIMEOUT_S = 1.0
# The limit in the background, for a distant machine that must wake up first.
BACKGROUND_S = 5.0
# How long a failed witness is not asked: after the first failure, and at most.
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
    """A witness and the results of asking it."""

    witness: Witness
    held: int = 0
    failed: int = 0
    again_at: float = 0.0
    # Whether its last answer was in time; otherwise nobody waits for it.
    prompt: bool = True
    asked: Asked | None = None

    def fail(self, now: float) -> None:
        self.prompt = False
        self.again_at = now + min(PAUSE_S * 2.0**self.failed, MOST_PAUSE_S)
        self.failed = min(self.failed + 1, 10)

    def answered(self, size: int, took: float) -> None:
        self.held, self.failed, self.again_at, self.prompt = size, 0, 0.0, took < TIMEOUT_S


class Cosigners:
    """The witnesses of a policy with an address, and the last size that each reported.

    There is at most one open request per witness.
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
        """Yield each line when it arrives, except lines under this head that exist already.

        ``prove(old)`` returns the consistency proof from that size; it is called in this thread. A
        witness that holds an unexpected size is asked once more. The answer to an earlier request
        may arrive now, under its older head. Takes `TIMEOUT_S` at most.
        """
        began, had = time.monotonic(), set(have)
        self._end_late(began)
        # Late witnesses are asked together: under load each would otherwise cosign another head,
        # and no head would get a quorum.
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
                    # If the witness is right, log and head file were both rolled back.
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
        """Close the connections of all witnesses that have not answered."""
        for known in self._known.values():
            if known.asked:
                known.asked.end()

    def _ask(self, known: _Known, note: str, size: int, prove: Prove) -> None:
        if known.asked is None:
            old = min(known.held, size)
            request = Request(old, tuple(prove(old)), note)
            known.asked = Asked(known.witness, request, size, self._answers.put)

    def _next(self, give_up: float) -> Answer | None:
        """Return the next answer; wait only for prompt witnesses and mark late ones."""
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
        """Close requests that exceed their limit; their threads then report a failure."""
        for known in self._known.values():
            if known.asked and now - known.asked.since > BACKGROUND_S:
                known.asked.end()
