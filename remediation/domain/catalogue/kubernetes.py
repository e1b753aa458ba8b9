"""Kubernetes: service accounts and secrets of a cluster. Report-only: there is no action yet."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.domain.catalogue.spec import Provider, TargetSpec, gettext_noop, pgettext

# RFC 1123 names; limited to fewer than the allowed 253 characters to fit into a locator.
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "cluster": r"[a-z0-9][a-z0-9_-]{0,62}",
        "namespace": r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        "name": r"[a-z0-9](?:[a-z0-9.-]{0,126}[a-z0-9])?",
    }
)

SERVICE_ACCOUNT = TargetSpec(
    kind="kubernetes.service_account",
    title=gettext_noop("Kubernetes service account"),
    fields=_FIELDS,
    distinguishing="name",
    example={"cluster": "prod-eu", "namespace": "billing", "name": "exporter"},
    names=("name",),
    report_only=True,
)
SECRET = TargetSpec(
    kind="kubernetes.secret",
    title=gettext_noop("Kubernetes secret"),
    fields=_FIELDS,
    distinguishing="name",
    example={"cluster": "prod-eu", "namespace": "billing", "name": "db-password"},
    names=("name",),
    report_only=True,
)

PROVIDER = Provider(
    name="kubernetes",
    title="Kubernetes",
    targets=(SERVICE_ACCOUNT, SECRET),
    words={
        "cluster": pgettext("field of a target", "cluster"),
        "namespace": pgettext("field of a target", "namespace"),
    },
)
