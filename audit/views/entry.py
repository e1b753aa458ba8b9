"""Show one entry: in words, as bytes, with its proof."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.translation import gettext

from audit import inclusion, log, reading
from audit.reading import Row
from audit.tlog import b64
from audit.tlog.errors import TlogError
from audit.tlog.policy import Policy
from audit.tlog.proof import Proof
from audit.views import door

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Shown:
    """A proof and its content, or the reason why there is none."""

    text: str = ""
    missing: str = ""
    size: int = 0
    witnesses: tuple[str, ...] = ()


@door.page
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the entry; the browser verifies the proof itself, from the same bytes."""
    found = _found(request, pk, "")
    policy = door.policy()
    shown = _proof(pk, policy)
    data = found.said.get("data")
    context = {
        "row": found,
        "sentence": door.describe(found.said),
        "data": _fields(data if isinstance(data, dict) else {}),
        "body": found.body.decode(),
        # A browser turns a carriage return in a page into a newline, which changes the bytes.
        "base64": b64.encode(found.body),
        "sha256": sha256(found.body).hexdigest(),
        "actor_query": urlencode({"actor": found.actor}),
        "object_query": urlencode({"object": found.object}),
        "proof": shown,
        "vkeys": [str(key) for key in policy.logs] if policy else [],
    }
    return render(request, "audit/entry.html", context)


@door.page
def proof(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the proof as a file (C2SP tlog-proof), for any verifier."""
    _found(request, pk, "proof")
    shown = _proof(pk, door.policy())
    if not shown.text:
        raise Http404
    return _file(shown.text.encode(), f"entry-{pk}.tlog-proof", "text/plain; charset=utf-8")


@door.page
def body(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the entry's exact bytes."""
    found = _found(request, pk, "body")
    return _file(found.body, f"entry-{pk}.json", "application/json")


def _found(request: HttpRequest, pk: int, what: str) -> Row:
    door.record(request, door.READ, f"entry:{pk}", {"as": what} if what else {})
    found = reading.entry(pk, door.ALIAS) if pk < 2**62 else None
    if found is None:
        raise Http404
    return found


def _proof(pk: int, policy: Policy | None) -> Shown:
    if policy is None:
        return Shown(
            missing=gettext("No proof: %(setting)s is not set for this process.")
            % {"setting": "HITL_AUDIT_POLICY_FILE"}
        )
    try:
        found = inclusion.prove([pk], policy=policy, seen=None, using=door.ALIAS)
        checked = policy.check(found.note)
    except inclusion.Unavailable:
        return Shown(missing=gettext("The entry is not in the tree yet. Try again in a moment."))
    except TlogError as error:
        return Shown(missing=gettext("No proof: %(error)s") % {"error": error})
    (one,) = found.entries
    return Shown(
        text=Proof(one.index, one.hashes, found.note).dump(),
        size=checked.checkpoint.size,
        witnesses=tuple(name for name, _ in checked.witnesses),
    )


def _file(content: bytes, name: str, kind: str) -> HttpResponse:
    answer = HttpResponse(content, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@dataclass(frozen=True)
class Field:
    """A value of an entry; for a commitment also the hidden value, or that it was erased."""

    name: str
    value: str
    commitment: str = ""
    erased: bool = False


def _fields(data: Mapping[str, Any]) -> list[Field]:
    hidden = {str(value[log.COMMITTED]) for value in data.values() if _is_commitment(value)}
    opened = {c: value for c, _, value in reading.secrets(sorted(hidden), door.ALIAS)}
    return list(_each(data, opened))


def _each(data: Mapping[str, Any], opened: Mapping[str, str]) -> Iterator[Field]:
    for name, value in data.items():
        if _is_commitment(value):
            commitment = str(value[log.COMMITTED])
            yield Field(name, opened.get(commitment, ""), commitment, commitment not in opened)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield Field(name, text)


def _is_commitment(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {log.COMMITTED}
        and bool(_HEX.fullmatch(str(value[log.COMMITTED])))
    )
