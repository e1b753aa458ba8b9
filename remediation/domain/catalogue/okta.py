"""Okta: users of an organisation, suspended and let in again, and their sessions cleared."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

# The form of domain/instant.py.
_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"

USER = TargetSpec(
    kind="okta.user",
    title=gettext_noop("Okta user"),
    fields={
        "org": r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        # As Okta writes it. A login can be given to another user, the id never.
        "login": r"[^\s\x00-\x1f\x7f]+(?: [^\s\x00-\x1f\x7f]+)*",
        "user_id": r"00u[A-Za-z0-9]{17}",
    },
    escaped=MappingProxyType({"login": 100}),
    distinguishing="user_id",
    example={"org": "acme", "login": "ann@example.org", "user_id": "00u1a2b3c4d5e6f7g8h9"},
    names=("login",),
    account="org",
    shown_fields=(
        "status_changed",
        "last_login",
        "password_changed",
        "admin_roles",
        "cleared_since",
    ),
    live=(
        Live(
            "status",
            gettext_noop("Okta has the user as {status}."),
            values=MappingProxyType(
                {
                    "ACTIVE": gettext_noop("The user is active: it can sign in."),
                    "SUSPENDED": gettext_noop("The user is suspended: it cannot sign in."),
                    "LOCKED_OUT": gettext_noop("The user is locked out by failed sign-ins."),
                    "DEPROVISIONED": gettext_noop("The user is deactivated."),
                }
            ),
        ),
        Live(
            "admin_roles",
            gettext_noop("It is an administrator of Okta:"),
            gettext_noop("It has no role of an administrator of Okta."),
        ),
        Live(
            "last_login",
            gettext_noop("It last signed in at {last_login}."),
            gettext_noop("It never signed in."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "Okta shows no password and no token of a user: there is nothing to compare with."
    ),
)

_ADMIN = Limit(
    "admin_roles",
    present=gettext_noop(
        "The user is an administrator of Okta ({value}). Okta may refuse this to an app that is"
        " not a super administrator."
    ),
    absent="",
    unknown=gettext_noop("It was not seen whether the user is an administrator of Okta."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's token can do to each user of the organisation what the admin role of its"
        " app allows."
    )
)
_API_TOKENS = gettext_noop(
    "It does not revoke API tokens (SSWS) that the user made. Okta's description does not say"
    " whether it refuses them while the user is suspended."
)
_PIN = ("status", "user_type")
_BEFORE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"begun_before": {"type": "string", "pattern": f"^{_INSTANT}$"}},
        "required": ["begun_before"],
        "additionalProperties": False,
    }
)
# Okta names no time. Its log is the only sign of cleared sessions, and has them a little later.
_SPREADING_SECONDS = 60

SUSPEND = ActionSpec(
    kind="okta.user.suspend",
    version=1,
    title="Suspend an Okta user",
    sentence="Suspend user {login} ({user_id}) of Okta organisation {org}.",
    headline="Suspend Okta user {login} ({user_id}, organisation {org})",
    headlines=("Suspend {count} Okta users of organisation {org}",),
    done="User {login} of Okta organisation {org} is suspended.",
    undone=gettext_noop("the user can sign in again"),
    target_kind=USER.kind,
    rollback="okta.user.unsuspend",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=_SPREADING_SECONDS,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "SUSPENDED"}),
    leaves=True,
    removes_access=True,
    lives_on=(LivesOn(action="okta.user.clear_sessions", before="begun_before"),),
    ends_sessions=gettext_noop(
        "The user cannot sign in. Okta does not say that it ends open sessions and tokens: clear"
        " them in a step of its own."
    ),
    limits=(_ADMIN,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not end sessions that applications keep themselves."),
        _API_TOKENS,
        gettext_noop("It works on an active user only: Okta refuses it in any other status."),
        gettext_noop(
            "A directory that Okta imports from may lift the suspension at its next import."
        ),
    ),
)
UNSUSPEND = ActionSpec(
    kind="okta.user.unsuspend",
    version=1,
    title="Lift the suspension of an Okta user",
    sentence="Lift the suspension of user {login} ({user_id}) of Okta organisation {org}.",
    headline="Lift the suspension of Okta user {login} ({user_id}, organisation {org})",
    headlines=("Lift the suspension of {count} Okta users of organisation {org}",),
    done="User {login} of Okta organisation {org} is active.",
    undone=gettext_noop("the user is suspended again"),
    target_kind=USER.kind,
    rollback="okta.user.suspend",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=_SPREADING_SECONDS,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "ACTIVE"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends nothing."),
    limits=(_ADMIN,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It changes no password and no factor: who had them can sign in again."),
        gettext_noop("Sessions and tokens that were not cleared may work again."),
    ),
)
CLEAR_SESSIONS = ActionSpec(
    kind="okta.user.clear_sessions",
    version=1,
    title="Clear sessions and tokens of an Okta user",
    sentence=(
        "Clear all sessions and OAuth tokens of user {login} ({user_id}) of Okta organisation"
        " {org}, unless the portal did so after a given time."
    ),
    headline="Clear sessions of Okta user {login} ({user_id}, organisation {org})",
    headlines=("Clear sessions of {count} Okta users of organisation {org}",),
    done="Sessions and OAuth tokens of {login} in {org} were cleared after the given time.",
    target_kind=USER.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=_SPREADING_SECONDS,
    pin_fields=_PIN,
    leads_to=MappingProxyType({}),
    leaves=True,
    parameters=_BEFORE,
    example=MappingProxyType({"begun_before": "2026-01-01T00:00:00Z"}),
    ends_sessions=gettext_noop(
        "It ends all of the user's sessions at Okta, younger ones too, and revokes its OpenID"
        " Connect and OAuth tokens that Okta issued."
    ),
    limits=(_ADMIN,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It does not end sessions that applications keep themselves, on the web or on devices."
        ),
        gettext_noop("Who checks an access token without asking Okta takes it until it runs out."),
        gettext_noop("It does not revoke API tokens (SSWS) that the user made."),
        gettext_noop("An active user can sign in again at once: suspend it first."),
        gettext_noop("Okta does not show sessions: that they were cleared is seen in its log."),
    ),
)
PROVIDER = Provider(
    name="okta",
    title="Okta",
    tested="a simulated API only, made from Okta's description of its management API (2024.10.1)",
    targets=(USER,),
    actions=(SUSPEND, UNSUSPEND, CLEAR_SESSIONS),
    words=MappingProxyType(
        {
            "org": pgettext("field of a target", "organisation"),
            "login": pgettext("field of an observation", "login"),
            "user_id": pgettext("field of an observation", "unique id of the user"),
            "status": pgettext("field of an observation", "status"),
            "user_type": pgettext("field of an observation", "type of user"),
            "status_changed": pgettext("field of an observation", "status changed"),
            "last_login": pgettext("field of an observation", "last sign-in"),
            "password_changed": pgettext("field of an observation", "password changed"),
            "admin_roles": pgettext("field of an observation", "administrator's roles"),
            "cleared_since": pgettext(
                "field of an observation", "cleared by the portal after the given time"
            ),
            "begun_before": pgettext("parameter of an action", "sessions that began before"),
        }
    ),
)
