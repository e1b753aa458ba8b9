"""Frames on a pipe: four bytes of length, then that many bytes. No pickle: both sides check JSON."""

from __future__ import annotations

import json
from typing import IO

from audit.tlog.canonical import Json

# The contents of a report's artefacts are a frame each, so nothing legitimate is near this.
MOST = 64 * 1024 * 1024


class Broken(Exception):
    """The pipe ended, or what came is no frame."""


def put(pipe: IO[bytes], content: bytes) -> None:
    """Write one frame; the caller flushes."""
    pipe.write(len(content).to_bytes(4, "big"))
    pipe.write(content)


def put_json(pipe: IO[bytes], value: Json) -> None:
    """Write JSON as one frame. ASCII, so that lone surrogates pass."""
    put(pipe, json.dumps(value, separators=(",", ":")).encode("ascii"))


def take(pipe: IO[bytes]) -> bytes:
    """Read one frame. Raises Broken."""
    size = int.from_bytes(_exactly(pipe, 4), "big")
    if size > MOST:
        raise Broken("a frame is too long")
    return _exactly(pipe, size)


def take_object(pipe: IO[bytes]) -> dict[str, Json]:
    """Read a frame that is a JSON object. Raises Broken."""
    try:
        value: Json = json.loads(take(pipe))
    except (ValueError, RecursionError):
        raise Broken("a frame is not JSON") from None
    if not isinstance(value, dict):
        raise Broken("a frame is not an object")
    return value


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    found = pipe.read(size)
    if len(found) != size:
        raise Broken("the pipe ended")
    return found
