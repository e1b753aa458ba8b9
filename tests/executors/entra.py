"""The simulated Entra as a target: two apps with the documented roles, and worlds."""

from __future__ import annotations

import base64
import copy
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from audit.tlog.canonical import Json
from hitlportal.demo.servers.entra import EntraServer
from hitlportal.demo.servers.entra_api import App, Thing, credential, federated, now
from hitlportal.demo.servers.ports import LOOPBACK
from tests.executors.contract import World

TENANT = "acme"
OBSERVE, OPERATE = (f"00000000-0000-4000-8000-00000000000{each}" for each in "12")
DOC = Path(__file__).parents[2] / "docs" / "entra.md"


def roles(app: str) -> set[str]:
    """Return an app's roles, as docs/entra.md has them."""
    section = DOC.read_text("utf-8").partition("## Least rights")[2]
    found = re.search(r"```json\n(.*?)```", section, re.S)
    assert found is not None
    return set(json.loads(found[1])[{OBSERVE: "hitl-observe", OPERATE: "hitl-operate"}[app]])


def pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate_of(key: RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hitl")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1)
    began = datetime.now(UTC) - timedelta(days=1)
    made = made.not_valid_before(began).not_valid_after(began + timedelta(days=30))
    return made.sign(key, SHA256())


class EntraPlace:
    """The server, and the keys and certificates of the apps."""

    def __init__(self, server: EntraServer) -> None:
        self.server, self.api = server, server.api
        self.keys = {name: generate_private_key(65537, 2048) for name in (OBSERVE, OPERATE)}
        self.certificates = {name: certificate_of(key) for name, key in self.keys.items()}
        for name, key in self.keys.items():
            print_ = self.certificates[name].fingerprint(SHA256())
            thumbprint = base64.urlsafe_b64encode(print_).decode().rstrip("=")
            self.api.apps[name] = App(name, key.public_key(), thumbprint, roles(name))

    @property
    def observer(self) -> App:
        return self.api.apps[OBSERVE]

    @property
    def operator(self) -> App:
        return self.api.apps[OPERATE]


class EntraWorld(World):
    """An application with two secrets, its service principal, and both of a deleted one."""

    def __init__(self, action: str, directory: Path, place: EntraPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.app_id = str(uuid4())
        self.secret, self.other = credential("ci"), credential("backup")
        self.certificate = {
            **credential("tls"), "type": "AsymmetricX509Cert", "usage": "Verify", "key": None,
        }  # fmt: skip
        self.federated = federated("ci")
        self.principal, self.application = self._make(self.app_id, not action.endswith(".enable"))
        self.gone_app = str(uuid4())
        self.deleted = self._make(self.gone_app, enabled=True)
        for each in self.deleted:
            place.api.things[each].deleted = now()
        for name, file in ((OBSERVE, "observe"), (OPERATE, "operate")):
            (directory / f"{file}.pem").write_text(pem(place.keys[name]))
            raw = place.certificates[name].public_bytes(Encoding.PEM)
            (directory / f"{file}.crt").write_bytes(raw)
        self._begins = len(place.api.requests)

    def _make(self, app_id: str, enabled: bool) -> tuple[str, str]:
        principal, application = str(uuid4()), str(uuid4())
        shared = {"appId": app_id, "displayName": "checkout", "signInAudience": "AzureADMyOrg"}
        tenant = self.place.api.tenant_id
        self.place.api.things[principal] = Thing(
            "servicePrincipals",
            {**shared, "id": principal, "accountEnabled": enabled, "appOwnerOrganizationId": tenant,
             "servicePrincipalType": "Application", "passwordCredentials": []},
            {OPERATE},
        )  # fmt: skip
        self.place.api.things[application] = Thing(
            "applications",
            {**shared, "id": application, "passwordCredentials": [self.secret, self.other],
             "keyCredentials": [self.certificate]},
            {OPERATE},
            federated=[self.federated],
        )  # fmt: skip
        return principal, application

    def close(self) -> None:
        for each in (self.principal, self.application, *self.deleted):
            self.place.api.things.pop(each, None)

    def _named(self, app_id: str, principal: str, application: str) -> dict[str, Json]:
        found: dict[str, Json] = {"tenant": TENANT, "app_id": app_id}
        if ".service_principal." in self.action:
            return {"kind": "entra.service_principal", **found, "object_id": principal}
        more: dict[str, Json] = {"object_id": application, "secret_key_id": self.secret["keyId"]}
        return {"kind": "entra.application_secret", **found, **more}

    @property
    def target(self) -> dict[str, Json]:
        return self._named(self.app_id, self.principal, self.application)

    @property
    def gone(self) -> dict[str, Json]:
        return self._named(self.gone_app, *self.deleted)

    @property
    def own(self) -> str:
        """Return the id of the object that the action changes."""
        return self.principal if ".service_principal." in self.action else self.application

    def toml(self, port: int | None = None) -> str:
        url = self.place.server.url if port is None else f"http://{LOOPBACK}:{port}"
        return (
            f'[entra.{TENANT}]\nauthority = "{url}"\ngraph = "{url}/v1.0"\nsimulated = true\n'
            f'tenant_id = "{self.place.api.tenant_id}"\n'
            f'observe_client_id = "{OBSERVE}"\nobserve_key_file = "observe.pem"\n'
            'observe_certificate_file = "observe.crt"\n'
            f'operate_client_id = "{OPERATE}"\noperate_key_file = "operate.pem"\n'
            'operate_certificate_file = "operate.crt"\n'
        )

    def look(self) -> object:
        things = self.place.api.things
        return copy.deepcopy([things[self.principal].shown, things[self.application].shown])

    def writes(self) -> list[str]:
        """Return the changing calls for this world's objects that took effect."""
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, answer in self.place.api.requests[self._begins :]
            if request.method != "GET"
            and {self.principal, self.application} & set(request.path.split("/"))
            and answer.status < 300
        ]

    def changes(self) -> int:
        return len(self.writes())
