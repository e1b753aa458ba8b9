"""Format the log for other tools: JSON lines, CSV, OCSF.

These views are not evidence; the export with its proofs is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from audit.export import Line
from audit.log import severity
from audit.tlog.canonical import read
from audit.tlog.inert import csv_cell
from audit.tlog.writers import MEMBER

# OCSF 1.8.0: API Activity (category 6, class 6003); type_uid is class_uid * 100 + activity_id.
OCSF_VERSION = "1.8.0"
CLASS_UID, CATEGORY_UID = 6003, 6
CREATE, READ, UPDATE, DELETE, OTHER = 1, 2, 3, 4, 99
_ACTIVITY = {
    "created": CREATE, "submitted": CREATE, "opened": CREATE, "added": CREATE, "enrolled": CREATE,
    "signed": CREATE, "made": CREATE, "started": CREATE, "recorded": CREATE, "sent": CREATE,
    "read": READ, "exported": READ, "counted": READ, "verified": READ, "assessed": READ,
    "changed": UPDATE, "approved": UPDATE, "rejected": UPDATE, "returned": UPDATE,
    "executing": UPDATE, "succeeded": UPDATE, "failed": UPDATE, "rolled_back": UPDATE,
    "stopped": UPDATE, "settled": UPDATE, "waiting": UPDATE, "overdue": UPDATE,
    "begun": CREATE, "answered": CREATE,
    "expired": UPDATE, "refused": UPDATE, "withdrawn": UPDATE, "superseded": UPDATE,
    "rotated": UPDATE, "reopened": UPDATE, "set": UPDATE, "lifted": UPDATE, "contained": UPDATE,
    "closed": UPDATE, "cleared": UPDATE, "reassessed": UPDATE, "unknown": UPDATE, "asked": UPDATE,
    "removed": DELETE, "revoked": DELETE, "erased": DELETE, "ended": DELETE,
}  # fmt: skip
_ACTIVITY_NAME = {
    CREATE: "Create", READ: "Read", UPDATE: "Update", DELETE: "Delete", OTHER: "Other",
}  # fmt: skip
# Status: 1 success, 2 failure.

COLUMNS = ("index", "entry", "at", "action", "actor", "object", "data", "sha256", "writer")


def jsonl(lines: Iterator[Line]) -> Iterator[bytes]:
    """Yield the exact bytes, one entry per line."""
    for _, _, body in lines:
        yield body + b"\n"


def csv_rows(lines: Iterator[Line]) -> Iterator[bytes]:
    """Yield RFC 4180 rows with a header; no cell is a formula or contains control characters."""
    yield _csv(COLUMNS)
    for index, entry_id, body in lines:
        said = _said(body)
        data = json.dumps(said.get("data", {}), ensure_ascii=False, sort_keys=True)
        texts = [str(said.get(name, "")) for name in ("at", "action", "actor", "object")]
        writer = str(said.get(MEMBER, ""))
        yield _csv((index, entry_id, *texts, data, sha256(body).hexdigest(), writer))


def ocsf(lines: Iterator[Line]) -> Iterator[bytes]:
    """Yield OCSF 1.8.0 API Activity events, one per line."""
    for index, entry_id, body in lines:
        yield json.dumps(event(index, entry_id, body), separators=(",", ":")).encode() + b"\n"


def event(index: int, entry_id: int, body: bytes) -> dict[str, Any]:
    """Return one entry as an event; `raw_data` has its exact bytes, `raw_data_hash` the hash."""
    said = _said(body)
    action, actor = str(said.get("action", "")), str(said.get("actor", ""))
    verb = action.rpartition(":")[2]
    activity = _ACTIVITY.get(verb, OTHER)
    refused = verb in ("refused", "failed", "broken")
    source, _, name = actor.partition(":")
    return {
        "activity_id": activity,
        "activity_name": _ACTIVITY_NAME[activity],
        "category_uid": CATEGORY_UID,
        "category_name": "Application Activity",
        "class_uid": CLASS_UID,
        "class_name": "API Activity",
        "type_uid": CLASS_UID * 100 + activity,
        "severity_id": severity(action),
        "status_id": 2 if refused else 1,
        "time": _milliseconds(str(said.get("at", ""))),
        "metadata": {
            "version": OCSF_VERSION,
            "uid": str(entry_id),
            "sequence": index,
            "log_name": "hitlportal audit log",
            "product": {"name": "hitlportal", "vendor_name": "hitlportal"},
        },
        "actor": {"user": {"uid": actor, "name": name, "type": source, "type_id": 99}},
        "api": {"operation": action, "service": {"name": "hitlportal"}},
        "src_endpoint": {"name": "hitlportal"},
        "resources": [{"uid": str(said.get("object", ""))}],
        "raw_data": body.decode(),
        "raw_data_hash": {
            "algorithm_id": 3,
            "algorithm": "SHA-256",
            "value": sha256(body).hexdigest(),
        },
        "raw_data_size": len(body),
        "unmapped": {"data": said.get("data", {}), "writer": said.get(MEMBER)},
    }


def _said(body: bytes) -> dict[str, Any]:
    # Empty if the entry cannot be parsed; the event contains the bytes anyway.
    return read(body) or {}


def _milliseconds(at: str) -> int:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _csv(cells: tuple[object, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(
        [cell if isinstance(cell, int) else csv_cell(str(cell)) for cell in cells]
    )
    return out.getvalue().encode()
