"""Read request bodies: limit the size first, then parse strictly and once.

A body that is too long is refused by its Content-Length or, when sent in chunks, after the first
byte over the limit. Compressed bodies are refused unread, so nothing can expand (docs/attacks.md
A63).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from audit.tlog.canonical import Json
from remediation.api.problems import BodyUnreadable, LengthRequired, UnsupportedMediaType
from remediation.domain import strict
from remediation.domain.errors import TooLarge

# For all bodies except reports: a plan has at most 32 KiB, and JSON escapes make up to six bytes
# of one.
SMALL_BODY = 256 * 1024
PIECE = 64 * 1024


class StrictJSONParser(BaseParser):
    """Parse `request.data` strictly, in place of the framework's JSON parser.

    The views use `body()` instead, which also accepts chunked bodies.
    """

    media_type = "application/json"

    def parse(  # type: ignore[override]
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Json:
        return strict.parse(_read(stream, SMALL_BODY), max_bytes=SMALL_BODY)


def body(request: HttpRequest, limit: int = SMALL_BODY) -> bytes:
    """Return the bytes of a JSON request, at most ``limit``.

    Raises UnsupportedMediaType, LengthRequired, TooLarge or BodyUnreadable.
    """
    _check_type(request)
    stated = str(request.META.get("CONTENT_LENGTH") or "")
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        # Django reads up to Content-Length, which a chunked body does not have. The server must
        # decode the chunks and end its stream after them (as gunicorn does); otherwise the end of
        # the body is unknown.
        if not request.META.get("wsgi.input_terminated"):
            raise LengthRequired()
        return _read(request.META["wsgi.input"], limit)
    if not (stated.isascii() and stated.isdigit()):
        raise LengthRequired()
    # Ten digits exceed every limit; int() of thousands of digits would be slow.
    if len(stated) > 10 or int(stated) > limit:
        raise TooLarge(f"{stated[:20]} bytes, {limit} allowed")
    found = _read(request, limit)
    if len(found) != int(stated):
        raise BodyUnreadable(f"{len(found)} bytes came, Content-Length says {stated}")
    return found


def _check_type(request: HttpRequest) -> None:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type != "application/json" or charset.lower() != "utf-8":
        raise UnsupportedMediaType()
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("content codings are not accepted")


def _read(stream: Any, limit: int) -> bytes:
    """Read the whole stream. Raises TooLarge after the first byte over the limit."""
    pieces: list[bytes] = []
    size = 0
    while size <= limit:
        try:
            piece = stream.read(min(PIECE, limit + 1 - size))
        except Exception as error:  # each server raises another error when the client disconnects
            raise BodyUnreadable() from error
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    raise TooLarge(f"more than {limit} bytes")
