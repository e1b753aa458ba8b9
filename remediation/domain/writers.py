"""Which database login writes which entries of the audit log.

`remediation/declarations.py` fills the table that the guard of entries reads, and
`remediation/management/bundle_rules.py` gives the same to verifiers. An operator's command runs
with the login of its `process`, so the operators' events are a closed list for each login.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.domain.events import Event

WEB, WORKER, ERASER, OWNER = "hitl_web", "hitl_worker", "hitl_eraser", "hitl_owner"
OPERATOR = "hitl_operator"

_BY_OPERATOR: Mapping[str, tuple[Event, ...]] = {
    WEB: (
        Event.OPERATOR_INVENTORY_CHANGED,
        Event.OPERATOR_INVENTORY_IMPORTED,
        Event.OPERATOR_REQUEST_REFUSED,
    ),
    # Power over people: somebody with the web login could otherwise take a role in an operator's
    # name, and no signature would be missing.
    OPERATOR: (
        Event.OPERATOR_USER_CREATED,
        Event.OPERATOR_USER_CHANGED,
        Event.OPERATOR_GROUP_CHANGED,
        Event.OPERATOR_RIGHT_CHANGED,
        Event.OPERATOR_PASSKEYS_REMOVED,
        Event.OPERATOR_INVITATION_MADE,
        Event.OPERATOR_REQUEST_REFUSED,
    ),
    WORKER: (
        Event.OPERATOR_APPROVER_ADDED,
        Event.OPERATOR_APPROVER_REMOVED,
        Event.OPERATOR_EVIDENCE_EXPORTED,
        Event.OPERATOR_BUNDLE_EXPORTED,
        Event.OPERATOR_FREEZE_SET,
        Event.OPERATOR_FREEZE_LIFTED,
        Event.OPERATOR_AUDIT_EXPORTED,
        Event.OPERATOR_LOG_KEY_ROTATED,
        Event.OPERATOR_LOG_REOPENED,
        Event.OPERATOR_REQUEST_REFUSED,
    ),
    ERASER: (
        Event.OPERATOR_SECRET_ERASED,
        Event.OPERATOR_EVIDENCE_ERASED,
        Event.OPERATOR_REQUEST_REFUSED,
    ),
}

# By login: an event, or `kind:*` for every event of a kind of actor. A login that is not here, such
# as the sequencer's, writes no entry. The owner writes only what triggers append: it runs
# migrations, which record nothing else.
WRITERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        WEB: (
            *("agent:*", "person:*", Event.SYSTEM_REFUSALS_COUNTED.value),
            *(event.value for event in _BY_OPERATOR[WEB]),
        ),
        WORKER: (
            *("worker:*", Event.SYSTEM_LOG_VERIFIED.value, Event.SYSTEM_LOG_BROKEN.value),
            *(event.value for event in _BY_OPERATOR[WORKER]),
        ),
        ERASER: tuple(event.value for event in _BY_OPERATOR[ERASER]),
        OPERATOR: tuple(event.value for event in _BY_OPERATOR[OPERATOR]),
        OWNER: ("database:*",),
    }
)


def may_write(login: str, event: Event) -> bool:
    """Return whether the login may write entries of this event."""
    return bool({event.value, f"{event.partition(':')[0]}:*"} & set(WRITERS.get(login, ())))
