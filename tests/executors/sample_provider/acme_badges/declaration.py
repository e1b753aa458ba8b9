"""Acme: badges that open the doors of a site, and the readers beside the doors (report-only)."""

from __future__ import annotations

from remediation.domain.catalogue import (
    ActionSpec,
    Limit,
    Protected,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

_SITE = r"[a-z][a-z0-9-]{0,30}"
_CANNOT = (gettext_noop("It does not lock a door that is open."),)
_NO_SESSION = gettext_noop("A badge has no session.")

BADGE = TargetSpec(
    kind="acme.badge",
    title=gettext_noop("Acme badge"),
    # A guest's badge has any name.
    fields={"site": _SITE, "badge": r"B[0-9]{4,8}|guest [^\x00]+"},
    escaped={"badge": 40},
    distinguishing="badge",
    example={"site": "harbour", "badge": "B0017"},
    names=("badge",),
    protected=(Protected("badge", "the badge belongs to the fire brigade", r"B9{4,8}"),),
    shown_fields=("doors",),
)
READER = TargetSpec(
    kind="acme.reader",
    title=gettext_noop("Acme badge reader"),
    fields={"site": _SITE, "reader": r"R[0-9]{4}"},
    distinguishing="reader",
    example={"site": "harbour", "reader": "R0001"},
    report_only=True,
)

_CREDENTIAL = never_cut(
    gettext_noop("The worker's login is not cut to this step: it can block every badge.")
)

BLOCK = ActionSpec(
    kind="acme.badge.block",
    version=1,
    title="Block a badge",
    sentence="Block badge {badge} at site {site}.",
    target_kind=BADGE.kind,
    rollback="acme.badge.admit",
    reversible=True,
    hard_timeout_s=5,
    propagation_s=0,
    pin_fields=("admitted",),
    leads_to={"admitted": False},
    ends_sessions=_NO_SESSION,
    limits=(
        Limit(
            "doors",
            present=gettext_noop("Doors that it opened may still be open: {value}."),
            absent=gettext_noop("It opened no door."),
            unknown=gettext_noop("It was not looked at which doors it opened."),
        ),
    ),
    cannot=_CANNOT,
    credential=_CREDENTIAL,
    parameters={
        "type": "object",
        "properties": {"ticket": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"}},
        "required": ["ticket"],
        "additionalProperties": False,
    },
    example={"ticket": "SEC-17"},
)
ADMIT = ActionSpec(
    kind="acme.badge.admit",
    version=1,
    title="Admit a badge",
    sentence="Admit badge {badge} at site {site} again.",
    target_kind=BADGE.kind,
    rollback=BLOCK.kind,
    reversible=True,
    hard_timeout_s=5,
    propagation_s=0,
    pin_fields=("admitted",),
    leads_to={"admitted": True},
    ends_sessions=_NO_SESSION,
    cannot=_CANNOT,
    credential=_CREDENTIAL,
    grants_access=True,
    parameters=BLOCK.parameters,
    example=BLOCK.example,
)

PROVIDER = Provider(
    name="acme",
    title="Acme",
    targets=(BADGE, READER),
    actions=(BLOCK, ADMIT),
    words={
        "site": pgettext("field of a target", "site"),
        "badge": pgettext("field of a target", "number of the badge"),
        "reader": pgettext("field of a target", "reader"),
        "ticket": pgettext("parameter of an action", "ticket"),
        "admitted": pgettext("field of an observation", "let in"),
        "doors": pgettext("field of an observation", "doors that it opens"),
    },
)
