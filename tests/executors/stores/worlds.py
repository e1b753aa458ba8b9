"""Each kind of store with a real server behind it, as its consumers and strangers see it."""

from __future__ import annotations

import itertools
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from hitlportal.demo.servers.openbao import BaoRefused, BaoServer
from remediation.executors.stores.store import Store
from remediation.executors.targets import Targets
from tests.executors.moto import ACCOUNT, Moto

_numbers = itertools.count()
ALLOW = '[store.apps.allow]\n"test.target:*" = ["orders/*"]\n'
# What the docs ask for, for paths below orders/.
BAO_OPERATOR = """
path "secret/data/orders/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/orders/*" { capabilities = ["create", "read", "update"] }
path "secret/data/hitl-staged/orders/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/hitl-staged/orders/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "secret/destroy/orders/*" { capabilities = ["update"] }
"""
BAO_OBSERVER = """
path "secret/metadata/orders/*" { capabilities = ["read"] }
path "secret/metadata/hitl-staged/orders/*" { capabilities = ["read"] }
"""
BAO_CONSUMER = 'path "secret/data/orders/*" { capabilities = ["read"] }'
BAO_MINTER = """
path "auth/token/create" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
"""


class StoreWorld(ABC):
    """A place in a store, with nobody's value or with one that somebody wrote by hand."""

    kind: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = f"orders/database-{os.getpid()}-{next(_numbers)}"

    @abstractmethod
    def toml(self) -> str:
        """Return the store's section of the targets file, without `allow`."""

    @abstractmethod
    def consumer_reads(self) -> dict[str, str]:
        """Return what a plain read returns to a consumer."""

    @abstractmethod
    def by_hand(self, fields: Mapping[str, str]) -> str:
        """Let somebody promote this value; return the store's name of the version."""

    @abstractmethod
    def stage_by_hand(self, fields: Mapping[str, str] | None) -> None:
        """Let somebody else stage a value, or claim the place without one."""

    def targets(self) -> Targets:
        path = self.directory / "targets.toml"
        path.write_text(self.toml() + ALLOW, encoding="utf-8")
        return Targets.load(path, portal_system_identifier=None)

    @property
    def store(self) -> Store:
        return self.targets().stores["apps"]

    @property
    def place(self) -> str:
        return f"apps:{self.path}"


class FileWorld(StoreWorld):
    kind = "file"

    def __init__(self, directory: Path, _: None) -> None:
        super().__init__(directory)
        self.files = directory / "credentials"
        self.files.mkdir(mode=0o711, exist_ok=True)

    def toml(self) -> str:
        return f'[store.apps]\nkind = "file"\ndirectory = "{self.files}"\n'

    def consumer_reads(self) -> dict[str, str]:
        current = self.files / self.path / "current"
        return {each.name: each.read_text() for each in current.iterdir() if each.name[0] != "."}

    def by_hand(self, fields: Mapping[str, str]) -> str:
        version = f"by-hand-{next(_numbers)}"
        self._put(version, fields)
        link = self.files / self.path / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(f"versions/{version}")
        return version

    def stage_by_hand(self, fields: Mapping[str, str] | None) -> None:
        if fields is not None:
            self._put("theirs", fields)
        (self.files / self.path).mkdir(parents=True, exist_ok=True)
        (self.files / self.path / "staged").symlink_to("versions/theirs")

    def _put(self, version: str, fields: Mapping[str, str]) -> None:
        directory = self.files / self.path / "versions" / version
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in fields.items():
            (directory / name).write_text(text)


class BaoWorld(StoreWorld):
    kind = "openbao"
    cut = False

    def __init__(self, directory: Path, bao: BaoServer) -> None:
        super().__init__(directory)
        self.bao = bao
        bao.mount("secret", "kv", version="2")
        bao.policy("stores-operator", BAO_OPERATOR)
        bao.policy("stores-observer", BAO_OBSERVER)
        bao.policy("stores-minter", BAO_MINTER)
        bao.policy("consumer", BAO_CONSUMER)
        minter = ("stores-minter",) if self.cut else ()
        for who in ("operate", "observe"):
            policy = "stores-operator" if who == "operate" else "stores-observer"
            role_id, secret_id = bao.approle(f"{who}-{os.getpid()}", policy, *minter)
            setattr(self, f"{who}_role", role_id)
            file = directory / f"{who}.secret-id"
            file.touch(mode=0o600)
            file.write_text(secret_id)
        self._consumer = bao.token("consumer")

    operate_role: str
    observe_role: str

    def toml(self) -> str:
        text = (
            f'[store.apps]\nkind = "openbao"\naddress = "{self.bao.url}"\n'
            f'observe_role_id = "{self.observe_role}"\n'
            f'observe_secret_id_file = "observe.secret-id"\n'
            f'operate_role_id = "{self.operate_role}"\n'
            f'operate_secret_id_file = "operate.secret-id"\n'
        )
        return text + ('[store.apps.policies]\n"orders/*" = "stores-operator"\n' * self.cut)

    def consumer_reads(self) -> dict[str, str]:
        found = self.bao.ask("GET", f"secret/data/{self.path}", token=self._consumer)
        fields: dict[str, str] = found["data"]["data"]
        return fields

    def by_hand(self, fields: Mapping[str, str]) -> str:
        made = self.bao.ask("POST", f"secret/data/{self.path}", {"data": dict(fields)})
        return f"kv-{made['data']['version']}"

    def stage_by_hand(self, fields: Mapping[str, str] | None) -> None:
        at = f"secret/data/hitl-staged/{self.path}"
        self.bao.ask("POST", at, {"data": dict(fields or {})})
        if fields is None:
            self.bao.ask("DELETE", at)


class CutBaoWorld(BaoWorld):
    """With a token for each call that has one policy."""

    cut = True


class AwsWorld(StoreWorld):
    """SIMULATED by moto. The secret exists with a first value, as this store needs it."""

    kind = "aws_secrets_manager"

    def __init__(self, directory: Path, moto: Moto) -> None:
        super().__init__(directory)
        self.moto = moto
        (directory / "operate.key").write_text("operator")
        self.admin = moto.admin("secretsmanager")
        self.admin.create_secret(Name=self.path, SecretString=json.dumps({"host": "db"}))

    def toml(self) -> str:
        return (
            f'[store.apps]\nkind = "aws_secrets_manager"\nregion = "us-east-1"\n'
            f'simulated = true\nendpoint_url = "{self.moto.url}"\n'
            f'observe_access_key_id = "AKIAOBSERVER11111111"\n'
            f'observe_secret_access_key = "observer"\n'
            f'operate_access_key_id = "AKIAOPERATOR11111111"\n'
            f'operate_secret_access_key_file = "operate.key"\n'
        )

    def consumer_reads(self) -> dict[str, str]:
        found: dict[str, Any] = json.loads(
            self.admin.get_secret_value(SecretId=self.path)["SecretString"]
        )
        return {name: text for name, text in found.items() if name != "host"}

    def by_hand(self, fields: Mapping[str, str]) -> str:
        made = self.admin.put_secret_value(SecretId=self.path, SecretString=json.dumps(fields))
        return str(made["VersionId"])

    def stage_by_hand(self, fields: Mapping[str, str] | None) -> None:
        text = json.dumps(fields or {})
        self.admin.put_secret_value(
            SecretId=self.path, SecretString=text, VersionStages=["AWSPENDING"]
        )


WORLDS: Mapping[str, tuple[type[Any], str]] = {
    "file": (FileWorld, ""),
    "openbao": (BaoWorld, "bao"),
    "openbao-cut": (CutBaoWorld, "bao"),
    "aws_secrets_manager": (AwsWorld, "simulator"),
}
__all__ = ["ACCOUNT", "WORLDS", "BaoRefused", "StoreWorld"]
