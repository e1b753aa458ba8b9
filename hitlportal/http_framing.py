"""Find where an HTTP/1.1 request ends, without judging it: gunicorn's parser does that.

A request that this module reads differently from gunicorn comes to its thread too early or with
too much; then the connection is closed after the answer (`Collecting.is_in_step`).
"""

from __future__ import annotations

import re

MAX_HEAD = 64 * 1024
# A report has 8 MiB. A longer body goes on at once, and the application refuses it by its length.
MAX_BODY = 9 * 1024 * 1024
END = b"\r\n\r\n"
LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,10})[ \t]*$", re.IGNORECASE | re.MULTILINE)
CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)
EXPECT = re.compile(rb"^expect:[ \t]*100-continue[ \t]*$", re.IGNORECASE | re.MULTILINE)
CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
MAX_CHUNK_LINE = 1024


class Framing:
    """Bytes of one connection, and whether they hold a whole request at their beginning."""

    def __init__(self) -> None:
        self._came = bytearray()
        self._begin_again()

    def feed(self, piece: bytes, *, is_last: bool = False) -> None:
        """Add bytes; ``is_last``: the client sends no more."""
        self._came += piece
        self._find_end()
        if is_last and not self.is_whole:
            self._end = len(self._came)

    @property
    def size(self) -> int:
        return len(self._came)

    @property
    def has_head(self) -> bool:
        return self._body > 0

    @property
    def is_whole(self) -> bool:
        return 0 < self._end <= len(self._came)

    @property
    def wants_continue(self) -> bool:
        return self.has_head and self._expects

    def take(self) -> bytes:
        """Return the whole request; what came behind it is the beginning of the next one."""
        found = bytes(self._came[: self._end])
        del self._came[: self._end]
        self._begin_again()
        return found

    def _begin_again(self) -> None:
        self._body = 0  # where the body begins, once the head is there
        self._end = 0  # where the request ends, once that is known
        self._chunk = 0  # where the next chunk begins, of a chunked body
        self._seen = 0
        self._expects = False

    def _find_end(self) -> None:
        if not self._body:
            self._find_head()
        if self._chunk and not self._end:
            self._walk_chunks()

    def _find_head(self) -> None:
        found = self._came.find(END, max(0, self._seen - len(END)))
        self._seen = len(self._came)
        if found < 0:
            # Too long: gunicorn refuses what there is.
            self._end = len(self._came) if len(self._came) > MAX_HEAD else 0
            return
        head = bytes(self._came[: found + 2]).replace(b"\r\n", b"\n")
        self._body = found + len(END)
        self._expects = bool(EXPECT.search(head))
        if CHUNKED.search(head):
            self._chunk = self._body
            return
        stated = LENGTH.search(head)
        length = int(stated[1]) if stated else 0
        self._end = self._body + (length if length <= MAX_BODY else 0)

    def _walk_chunks(self) -> None:
        """Step over the chunks that have come; malformed ones end the request where they begin."""
        while self._chunk < len(self._came) <= self._body + MAX_BODY:
            line = CHUNK.match(self._came, self._chunk, self._chunk + MAX_CHUNK_LINE)
            if line is None:
                rest = self._came[self._chunk : self._chunk + MAX_CHUNK_LINE]
                if b"\n" in rest or len(rest) == MAX_CHUNK_LINE:
                    self._end = len(self._came)
                return
            size = int(line[1], 16)
            if size == 0:
                self._find_trailer(line.end())
                return
            following = line.end() + size + 2
            if following > len(self._came):
                break
            self._chunk = following
        if len(self._came) > self._body + MAX_BODY:
            self._end = len(self._came)

    def _find_trailer(self, at: int) -> None:
        # The empty line may follow the last chunk's line at once.
        found = self._came.find(END, at - 2)
        if found >= 0:
            self._end = found + len(END)
        elif len(self._came) - at > MAX_HEAD:
            self._end = len(self._came)
