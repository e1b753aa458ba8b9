"""Disable and enable a service principal of Entra, and remove a secret of an application."""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.entra import (
    DISABLE,
    ENABLE,
    IN_FORCE,
    PROVIDER,
    REMOVE,
    REMOVED,
)
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import entra_calls as calls
from remediation.executors.base import Deadline, Settled, Snapshot
from remediation.executors.driver import Driver
from remediation.executors.entra_server import Tenant, read
from remediation.executors.entra_steps import EntraStep
from remediation.executors.errors import NotApplied
from remediation.executors.libraries import ENTRA_AUTHLIB, ENTRA_REQUESTS

_PRINCIPAL = (
    "id", "appId", "accountEnabled", "displayName", "servicePrincipalType", "signInAudience",
    "appOwnerOrganizationId",
)  # fmt: skip
_APPLICATION = (
    "id", "appId", "displayName", "signInAudience", "passwordCredentials", "keyCredentials",
)  # fmt: skip
MOST_NAMES = 50
_OTHERS = ("other_secrets", "certificate_ids", "federated_ids")


class _Step(EntraStep):
    def _key(self, at: Tenant, step: Step, clearance: Clearance) -> str:
        return calls.operator_key(at, clearance)


class _Principal(_Step):
    """Both directions of accountEnabled."""

    def _look(self, at: Tenant, step: Step) -> Observation:
        with calls.reading(at) as graph:
            found = graph.object("servicePrincipals", step.target.fields, _PRINCIPAL)
            if found is None:
                return Observation(False, {}, {}, at.simulated)
            shown: dict[str, Json] = {
                "title": calls.text(found, "displayName"),
                "principal_type": calls.text(found, "servicePrincipalType"),
                "sign_in_audience": calls.text(found, "signInAudience"),
                "home_tenant": calls.text(found, "appOwnerOrganizationId"),
            }
            enabled = found["accountEnabled"]
            if not isinstance(enabled, bool):
                raise TypeError("accountEnabled")
            return Observation(True, {"enabled": enabled}, shown, at.simulated)

    def _change(
        self,
        at: Tenant,
        step: Step,
        pem: str,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> None:
        path = f"/servicePrincipals/{step.target.fields['object_id']}"
        calls.change(at, pem, "PATCH", path, {"accountEnabled": wanted["enabled"]}, deadline)


class Disable(_Principal):
    """Disable a service principal; the next look decides whether that worked."""

    spec = DISABLE


class Enable(_Principal):
    """Enable it."""

    spec = ENABLE


class RemoveSecret(_Step):
    """Remove a secret by its key id."""

    spec = REMOVE
    no_way_back = "Entra cannot give a removed secret back: a new one has to be added"

    def _look(self, at: Tenant, step: Step) -> Observation:
        with calls.reading(at) as graph:
            found = graph.object("applications", step.target.fields, _APPLICATION)
            if found is None:
                return Observation(False, {}, {}, at.simulated)
            secrets = calls.credentials(found, "passwordCredentials")
            one = secrets.pop(step.target.fields["secret_key_id"], None)
            federated = graph.federated(step.target.fields)
            certificates = calls.credentials(found, "keyCredentials")
            state: dict[str, Json] = {
                "status": IN_FORCE if one is not None else REMOVED,
                "other_secrets": [*sorted(secrets)],
                "certificate_ids": [*sorted(certificates)],
                "federated_ids": [*sorted(federated)],
            }
            shown: dict[str, Json] = {
                "title": calls.text(found, "displayName"),
                "secret_name": calls.text(one or {}, "displayName"),
                "expires": calls.moment(one or {}, "endDateTime"),
                "sign_in_audience": calls.text(found, "signInAudience"),
                "remaining": _named(secrets),
                "certificates": _named(certificates),
                "federated": _named(federated, ("name", "issuer", "subject")),
            }
            return Observation(True, state, shown, at.simulated)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["status"] == REMOVED:
            raise NotApplied("the application has no such secret: it was removed, or never was one")

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """A credential that came meanwhile may be of whoever holds the application."""
        if observation.exists and _came(observation.state, before):
            return None
        return super().settled_from(step, observation, before, made)

    def _change(
        self,
        at: Tenant,
        step: Step,
        pem: str,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> None:
        fields = step.target.fields
        path = f"/applications/{fields['object_id']}/removePassword"
        calls.change(at, pem, "POST", path, {"keyId": fields["secret_key_id"]}, deadline)


def _came(state: Mapping[str, Json], before: Snapshot) -> bool:
    """Return whether there is a credential that was not there before; it is not if unknown."""
    for name in _OTHERS:
        now, then = state[name], before.get(name)
        if isinstance(now, list) and isinstance(then, list) and any(one not in then for one in now):
            return True
    return False


def _named(
    found: Mapping[str, calls.Object], said: tuple[str, ...] = ("displayName",)
) -> list[Json]:
    """Return ids and names of credentials, cut."""
    names = [
        " ".join((key, *(calls.text(one, each) for each in said))).strip()
        for key, one in sorted(found.items())
    ]
    more = len(names) - MOST_NAMES
    return [*names[:MOST_NAMES], *([f"and {more} more"] if more > 0 else [])]


DRIVER = Driver(
    PROVIDER.name, (Disable, Enable, RemoveSecret), read, needs=(ENTRA_AUTHLIB, ENTRA_REQUESTS)
)
