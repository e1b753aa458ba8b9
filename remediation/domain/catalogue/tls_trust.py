"""TLS: the CA certificates that a client of servers trusts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    TargetSpec,
    Trust,
    gettext_noop,
    never_cut,
)

# The name of an entry of the targets file, which maps a certificate to all that serve and trust
# it, or of a client there.
NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
ANCHOR = r"[0-9a-f]{64}"

_PARAMETERS: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"anchor": {"type": "string", "pattern": f"^{ANCHOR}$", "maxLength": 64}},
        "required": ["anchor"],
        "additionalProperties": False,
    }
)
_EXAMPLE: Mapping[str, Json] = MappingProxyType({"anchor": "3f" * 32})

TRUST = TargetSpec(
    kind="tls.trust",
    title=gettext_noop("Trust of a TLS client"),
    fields={"certificate": NAME, "client": NAME},
    distinguishing="client",
    example={"certificate": "orders", "client": "billing"},
    names=("certificate", "client"),
    shown_fields=("trusted", "offered", "refused_servers", "unseen_servers"),
    live=(
        Live(
            "trusted",
            gettext_noop("It trusts these CA certificates:"),
            gettext_noop("It trusts no CA certificate."),
        ),
    ),
    no_secret_compared=gettext_noop("A CA certificate is no secret."),
)

_UNSEEN = Limit(
    "unseen_servers",
    gettext_noop("Servers of the map did not answer: {value}."),
    "",
    gettext_noop("The servers of the map were not looked at."),
)

_CREDENTIAL = never_cut(
    gettext_noop(
        "No credential of a target is used: the worker's account writes the file, and it can write"
        " each trust file that the targets file marks as managed."
    )
)

ADD = ActionSpec(
    kind="tls.trust.add",
    version=1,
    title="Add a CA certificate to what a TLS client trusts",
    sentence="Let client {client} of certificate {certificate} trust one more CA certificate.",
    done="Client {client} of {certificate} has one more CA certificate in its trust.",
    target_kind=TRUST.kind,
    rollback="tls.trust.remove",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("anchors",),
    ends_sessions=gettext_noop("It ends no connection: what was trusted stays trusted."),
    cannot=(
        gettext_noop(
            "It widens trust: the client believes every certificate of the new CA, for every name,"
            " until the CA certificate is removed."
        ),
        gettext_noop("It does not make a client load its trust anew."),
        gettext_noop("It does not change the public keys that a client pins."),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"anchors": Change(Op.ADD, parameter="anchor")}),
    grants_access=True,
    limits=(_UNSEEN,),
    parameters=_PARAMETERS,
    example=_EXAMPLE,
    headline="Let TLS client {client} trust one more CA for certificate {certificate}",
    undone=gettext_noop("the CA certificate is removed again, unless a server needs it"),
    credential=_CREDENTIAL,
    leaves=True,
    trust=Trust.WIDENS,
)

# The undoing of ADD. The other way does not exist: what people took trust from is trusted again
# only by a plan of its own.
REMOVE = ActionSpec(
    kind="tls.trust.remove",
    version=1,
    title="Remove a CA certificate from what a TLS client trusts",
    sentence="Let client {client} of certificate {certificate} no longer trust one of its CA"
    " certificates.",
    done="Client {client} of {certificate} has one CA certificate less in its trust.",
    target_kind=TRUST.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("anchors",),
    ends_sessions=gettext_noop(
        "It ends no connection. Sessions that were begun before may be resumed until they end."
    ),
    cannot=(
        gettext_noop("It cannot be undone: trust is widened again by a plan of its own."),
        gettext_noop("It does not make a client load its trust anew."),
        gettext_noop("A server that the map does not name is not seen, and may be refused."),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"anchors": Change(Op.REMOVE, parameter="anchor")}),
    limits=(
        _UNSEEN,
        Limit(
            "refused_servers",
            gettext_noop(
                "Without this CA certificate the client would refuse servers, so that it is not"
                " removed: {value}."
            ),
            gettext_noop("The client takes each server without this CA certificate."),
            gettext_noop("Nobody looked at which servers need this CA certificate."),
        ),
    ),
    parameters=_PARAMETERS,
    example=_EXAMPLE,
    headline="Take a CA from the trust of TLS client {client} (certificate {certificate})",
    credential=_CREDENTIAL,
    leaves=True,
    trust=Trust.NARROWS,
)
