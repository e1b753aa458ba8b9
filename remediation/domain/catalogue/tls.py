"""TLS: certificates that servers show, issued by OpenBao's PKI engine."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)
from remediation.domain.catalogue.tls_trust import ADD, NAME, REMOVE, TRUST
from remediation.domain.store_place import MAX_PLACE, PATTERN, VERSION

# A serial number as OpenBao writes it, without the colons.
SERIAL = r"(?:[0-9a-f]{2}){8,20}"
PUBLIC_KEY = r"[0-9a-f]{64}"

CERTIFICATE = TargetSpec(
    kind="tls.certificate",
    title=gettext_noop("TLS certificate of servers"),
    fields={"certificate": NAME},
    distinguishing="certificate",
    example={"certificate": "orders"},
    names=("certificate",),
    shown_fields=("hostname", "servers", "unseen_servers", "relying", "expires", "promoted"),
    live=(
        Live(
            "servers",
            gettext_noop("What each server of the map shows:"),
            gettext_noop("No server of the map answered."),
        ),
        Live("unseen_servers", gettext_noop("Servers that did not answer: {unseen_servers}.")),
    ),
    no_secret_compared=gettext_noop(
        "The portal does not compare private keys. The public key of the certificate is above."
    ),
)

ISSUED = TargetSpec(
    kind="tls.issued",
    title=gettext_noop("Issued TLS certificate"),
    fields={"certificate": NAME, "serial": SERIAL},
    distinguishing="serial",
    example={"certificate": "orders", "serial": "1bd3d43b4cf3758e2873a8cb527ed9cc48a6b344"},
    names=("certificate",),
    holder="certificate",
    shown_fields=(
        "subject",
        "public_key",
        "expires",
        "served_by",
        "unseen_servers",
        "crl_problem",
        "crl_until",
    ),
    live=(
        Live(
            "revoked",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The certificate is revoked."),
                    "no": gettext_noop("The certificate is not revoked."),
                }
            ),
        ),
        Live(
            "served_by",
            gettext_noop("Servers of the map that show it: {served_by}."),
            gettext_noop("No server of the map shows it."),
        ),
        Live(
            "crl_until",
            gettext_noop("The list of revoked certificates is valid until {crl_until}."),
        ),
    ),
    no_secret_compared=CERTIFICATE.no_secret_compared,
)

ISSUE = ActionSpec(
    kind="tls.certificate.issue",
    version=1,
    title="Issue a TLS certificate with a new key, and deliver it",
    sentence="Issue a new certificate {certificate} with a new key, and put both into the store"
    " that its servers read.",
    done="A new certificate {certificate} is in the store.",
    target_kind=CERTIFICATE.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("serial", "public_key"),
    ends_sessions=gettext_noop("It ends no connection; the old certificate stays valid."),
    cannot=(
        gettext_noop("It does not make a server load the new certificate."),
        gettext_noop("It does not revoke the old certificate."),
        gettext_noop("It does not change what clients trust: they must trust the issuer before."),
        gettext_noop("It cannot be undone: revoke the new certificate instead."),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType(
        {
            "serial": Change(Op.SET, made="serial"),
            "public_key": Change(Op.SET, made="public_key"),
        }
    ),
    limits=(
        Limit(
            "unseen_servers",
            gettext_noop("Servers of the map did not answer: {value}."),
            "",
            gettext_noop("The servers of the map were not looked at."),
        ),
    ),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {"store": {"type": "string", "pattern": PATTERN, "maxLength": MAX_PLACE}},
            "required": ["store"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"store": "files:orders/tls"}),
    headline="Issue and deliver a new TLS certificate {certificate}",
    credential=never_cut(
        gettext_noop(
            "The operator's token is not cut to this step: it can have each certificate signed that"
            " the PKI role allows, and revoke each one of the engine."
        )
    ),
    rotation="Rotate TLS certificate {certificate}",
    leaves=True,
    makes=MappingProxyType({"serial": SERIAL, "public_key": PUBLIC_KEY, "version": VERSION}),
    delivers="store",
    conditions=("served_new",),
    replaces=MappingProxyType({"certificate": "{certificate}"}),
)

REVOKE = ActionSpec(
    kind="tls.issued.revoke",
    version=1,
    title="Revoke a TLS certificate that no server shows any more",
    sentence="Revoke certificate {serial} of {certificate}, and publish it in the list of revoked"
    " certificates.",
    done="Certificate {serial} of {certificate} is revoked.",
    target_kind=ISSUED.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("revoked",),
    ends_sessions=gettext_noop(
        "It ends no connection. Sessions that were begun with it may be resumed until they end."
    ),
    cannot=(
        gettext_noop("It cannot be undone: a revoked certificate stays revoked."),
        gettext_noop(
            "Clients that read neither the list of revoked certificates nor OCSP go on to trust it."
        ),
        gettext_noop("A server that neither the map nor the inventory names is not seen."),
        gettext_noop("A client that has the list keeps it until it ends."),
    ),
    leads_to=MappingProxyType({"revoked": True}),
    removes_access=True,
    limits=(
        Limit(
            "served_by",
            gettext_noop("Servers still show it, so that it is not revoked: {value}."),
            gettext_noop("No server of the map shows it."),
            gettext_noop("The servers of the map were not looked at."),
        ),
    ),
    headline="Revoke TLS certificate {serial} of {certificate}",
    headlines=("Revoke {count} TLS certificates of {certificate}",),
    credential=ISSUE.credential,
    retires=True,
    lives_on=(
        LivesOn(none=gettext_noop("Only the servers can end sessions that were begun with it.")),
    ),
)

PROVIDER = Provider(
    name="tls",
    tested="OpenBao 2.7 and TLS servers",
    title="TLS",
    targets=(CERTIFICATE, ISSUED, TRUST),
    actions=(ISSUE, REVOKE, ADD, REMOVE),
    words={
        "certificate": pgettext("field of a target", "certificate"),
        "serial": pgettext("field of a target", "serial number"),
        "store": pgettext("parameter of an action", "place in the store"),
        "public_key": pgettext("field of an observation", "SHA-256 of the public key"),
        "hostname": pgettext("field of an observation", "host name"),
        "servers": pgettext("field of an observation", "servers"),
        "unseen_servers": pgettext("field of an observation", "servers not looked at"),
        "relying": pgettext("field of an observation", "clients of the map"),
        "expires": pgettext("field of an observation", "expires"),
        "promoted": pgettext("field of an observation", "version in the store"),
        "subject": pgettext("field of an observation", "subject"),
        "served_by": pgettext("field of an observation", "shown by"),
        "crl_problem": pgettext("field of an observation", "list of revoked certificates"),
        "crl_until": pgettext("field of an observation", "list valid until"),
        "revoked": pgettext("field of an observation", "revoked"),
        "client": pgettext("field of a target", "client"),
        "anchor": pgettext("parameter of an action", "SHA-256 of the CA certificate"),
        "anchors": pgettext("field of an observation", "SHA-256 of the trusted CA certificates"),
        "trusted": pgettext("field of an observation", "trusted CA certificates"),
        "offered": pgettext("field of an observation", "issuers of OpenBao that are not trusted"),
        "refused_servers": pgettext("field of an observation", "servers that it would refuse"),
    },
)
