"""Show the log's state (head, witnesses, backlog, last verification) and download the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import render

from audit import export, formats, inclusion, reading
from audit.tlog import cosignature
from audit.tlog.errors import TlogError
from audit.tlog.note import SignatureLine
from audit.tlog.policy import Policy
from audit.views import door

VIEWS: dict[str, tuple[str, Callable[[Iterator[export.Line]], Iterator[bytes]]]] = {
    "jsonl": ("application/x-ndjson", formats.jsonl),
    "csv": ("text/csv; charset=utf-8", formats.csv_rows),
    "ocsf": ("application/x-ndjson", formats.ocsf),
}


@dataclass(frozen=True)
class Seen:
    """A witness of the policy, with the last head that it cosigned."""

    name: str
    key: str
    size: int | None
    at: datetime | None


@door.page
def state(request: HttpRequest) -> HttpResponse:
    """Show the page about the log itself."""
    door.record(request, door.READ, "page:log", {})
    policy = door.policy()
    before = request.GET.get("before", "")
    heads = reading.heads(
        door.ALIAS, int(before) if before.isdecimal() and len(before) < 19 else None
    )
    standing = reading.state(door.ALIAS)
    context = {
        "state": standing,
        "heads": heads,
        "older": heads[-1].size if len(heads) == 30 else None,
        "head": heads[0] if heads and not before else None,
        "policy": policy,
        "witnesses": list(_witnesses(policy)) if policy else [],
        "vkeys": [str(key) for key in policy.logs] if policy else [],
        "sizes": export.estimate(standing.size, door.ALIAS) if standing.size else None,
        "sentence": door.describe(standing.checked.said) if standing.checked else "",
    }
    return render(request, "audit/state.html", context)


@door.page
def download(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Stream the whole log, with its size in the header so that the browser shows progress."""
    policy = door.policy()
    if policy is None or kind not in {"tar", *VIEWS}:
        raise Http404
    try:
        head = export.head(policy, door.ALIAS)
    except inclusion.Unavailable:
        raise Http404 from None
    size = head.checkpoint.size
    # Recorded before the first byte is read.
    door.record(request, door.EXPORTED, "log:all", {"format": kind, "size": size})
    name = f"audit-log-{size}.{'tar' if kind == 'tar' else kind}"
    answer: HttpResponseBase
    if kind == "tar":
        answer = StreamingHttpResponse(
            export.tar_stream(head, policy, door.ALIAS), content_type="application/x-tar"
        )
        answer["Content-Length"] = str(export.tar_size(head, policy, door.ALIAS))
    else:
        content_type, make = VIEWS[kind]
        pieces = _chunks(make(export.lines(size, door.ALIAS)))
        answer = StreamingHttpResponse(pieces, content_type=content_type)
        if kind == "jsonl":
            answer["Content-Length"] = str(export.sizes(size, door.ALIAS).jsonl)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _chunks(pieces: Iterator[bytes], least: int = 64 * 1024) -> Iterator[bytes]:
    """Join lines into larger pieces: one write per line is slow for a million lines."""
    kept: list[bytes] = []
    octets = 0
    for piece in pieces:
        kept.append(piece)
        octets += len(piece)
        if octets >= least:
            yield b"".join(kept)
            kept, octets = [], 0
    yield b"".join(kept)


def _witnesses(policy: Policy) -> Iterator[Seen]:
    stored = reading.witnessed(door.ALIAS)
    for witness in policy.witnesses:
        size, line = stored.get(witness.name, (None, ""))
        at = None
        if line:
            try:
                at = datetime.fromtimestamp(cosignature.time_of(SignatureLine.parse(line)), UTC)
            except (TlogError, OverflowError, OSError, ValueError):
                at = None
        yield Seen(witness.name, str(witness.key), size, at)
