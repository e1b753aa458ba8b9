"""Asking witnesses for their line under a head: in parallel, in bounded time.

What a witness sends is verified before it is kept; one that hangs, lies or sends too much costs
its time bound and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener
from urllib.request import Request as HttpRequest

from audit.tlog import cosignature
from audit.tlog.errors import TlogError
from audit.tlog.note import Note, SignatureLine
from audit.tlog.policy import Witness
from audit.tlog.witness import Request
from audit.verifying import verify

logger = logging.getLogger(__name__)

# Tessera's bound too: an approval must not wait longer for somebody else's machine.
TIMEOUT_S = 1.0
MAX_ANSWER = 64 * 1024

Prove = Callable[[int], Sequence[bytes]]


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True)
class _Answer:
    """A line, or the size that the witness holds, or neither."""

    line: SignatureLine | None = None
    held: int | None = None


class Cosigners:
    """The witnesses of a policy, and what each was seen to hold."""

    def __init__(self, witnesses: Iterable[Witness]) -> None:
        self._witnesses = [witness for witness in witnesses if witness.url]
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._witnesses)

    def collect(
        self, note: str, size: int, prove: Prove, have: Iterable[str] = ()
    ) -> dict[str, SignatureLine]:
        """Lines by the witness's name in the policy, without those that are there already.

        ``prove(old)`` gives the consistency proof from that size; it is called in this thread.
        A witness that holds another size than was thought is asked once more.
        """
        todo = [witness for witness in self._witnesses if witness.name not in set(have)]
        found: dict[str, SignatureLine] = {}
        for _ in range(2):
            requests = [
                (w, Request(old, tuple(prove(old)), note)) for w, old in self._from(todo, size)
            ]
            todo = []
            for witness, answer in self._ask(requests):
                if answer.line is not None:
                    found[witness.name] = answer.line
                    self._held[witness.name] = size
                elif answer.held is not None and answer.held <= size:
                    self._held[witness.name] = answer.held
                    todo.append(witness)
            if not todo:
                break
        return found

    def _from(self, witnesses: list[Witness], size: int) -> list[tuple[Witness, int]]:
        return [(w, min(self._held.get(w.name, 0), size)) for w in witnesses]

    def _ask(self, requests: list[tuple[Witness, Request]]) -> list[tuple[Witness, _Answer]]:
        if not requests:
            return []
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(lambda pair: _post(*pair), requests))
        return [(witness, answer) for (witness, _), answer in zip(requests, answers, strict=True)]


def _post(witness: Witness, request: Request) -> _Answer:
    opener = build_opener(_NoRedirect, ProxyHandler({}))
    url = witness.url.rstrip("/") + "/add-checkpoint"
    if not url.startswith(("https://", "http://")):
        logger.warning("witness %s has no http address", witness.name)
        return _Answer()
    try:
        asked = HttpRequest(url, data=request.dump())  # noqa: S310  (checked above)
        with opener.open(asked, timeout=TIMEOUT_S) as answer:
            return _Answer(line=_line(witness, request.note, answer.read(MAX_ANSWER)))
    except HTTPError as error:
        if error.code == 409:
            said = error.read(64).strip()
            if said.isdigit() and len(said) < 19:
                return _Answer(held=int(said))
        logger.warning("witness %s answers %s", witness.name, error.code)
    except (URLError, OSError, ValueError, TlogError) as error:
        logger.warning("witness %s: %s", witness.name, error)
    return _Answer()


def _line(witness: Witness, note: str, answer: bytes) -> SignatureLine:
    """The witness's own line among those that it sent. Raises TlogError."""
    for text in answer.decode().splitlines():
        line = SignatureLine.parse(text)
        if (line.name, line.key_id) == (witness.key.name, witness.key.key_id):
            cosignature.check(Note.parse(note).text, line, witness.key, verify)
            return line
    raise ValueError("the answer holds no line of the witness's key")
