"""No format raises on values of the wrong kind, in any member that it reads."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.formats.record import Event, Records
from tests.domain.formats.test_cloudtrail import CALL, ELASTIC
from tests.domain.formats.test_findings import ASFF, GUARDDUTY, OCSF
from tests.domain.formats.test_kubernetes import EXEC, MINTED

SAAS: tuple[dict[str, Any], ...] = (
    {"protoPayload": {"methodName": "a", "status": {"code": 7}, "authorizationInfo": [{}]}},
    {"operationName": "a", "category": "b", "properties": {"status": {"errorCode": 5}}},
    {"Operation": "a", "Workload": "b", "CreationTime": "c", "Target": [{"ID": "x"}]},
    {"eventType": "a", "published": "b", "outcome": {"result": "c"}, "target": [{}], "actor": {}},
    {"action": "a.b", "org": "c", "actor": "d"},
    {"action": "created", "alert": {"secret_type": "x"}, "repository": {"full_name": "a/b"}},
    {"author_id": 1, "entity_id": 2, "entity_type": "User", "details": {"add": "x"}},
    {"action": "a", "actor": {"user": {}}, "context": {}, "entity": {"type": "user", "user": {}}},
    {"USER_NAME": "a", "IS_SUCCESS": "NO", "CLIENT_IP": "b"},
    {"user": "a", "text": "b"},
)
WRONG: tuple[Json, ...] = (None, 7, "", "{", [], [[]], {}, [None, 1], True, {"": {"": []}})


def changed(value: Any) -> Iterator[Any]:
    """Yield the value with each of its members, at any depth, replaced by each wrong one."""
    paths: list[tuple[Any, ...]] = [()]
    for path in paths:
        here = value
        for step in path:
            here = here[step]
        if isinstance(here, dict | list):
            keys = here if isinstance(here, dict) else range(len(here))
            paths += [(*path, key) for key in keys]
    for path in paths[1:]:
        for wrong in WRONG:
            other = copy.deepcopy(value)
            holder = other
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = wrong
            yield other


def test_wrong_kinds_raise_nothing() -> None:
    read = [name for name, one in vars(Event).items() if hasattr(one, "__get__") and name[0] != "_"]
    read = [name for name in read if not callable(getattr(Event, name))]
    assert {"actor", "issuer", "objects", "obtained", "note"} <= set(read)
    for record in (CALL, ELASTIC, GUARDDUTY, ASFF, OCSF, MINTED, EXEC, *SAAS):
        assert len(Records.of("0" * 64, record).found) == 1
        for hostile in changed(record):
            for event in Records.of("0" * 64, hostile).found.values():
                for name in read:
                    getattr(event, name)
