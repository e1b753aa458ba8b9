"""Entities, tokens, paths of leases, users and AppRoles of a real OpenBao, with few rights."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoRefused
from remediation.domain.catalogue import ACTIONS
from tests.executors.openbao import DOC, SERVER, BaoWorld, Place, registered, rules

USERPASS = "us er%+é"  # a server takes such a name, and so do its policies


def more_rules(of: str) -> str:
    """Return the rights that come to those of docs/openbao.md for the actions of this module."""
    found = re.search(
        rf"^The {of}'s, besides:\n\n```hcl\n(.*?)```", DOC.read_text("utf-8"), re.M | re.S
    )
    assert found is not None
    return found[1]


class AccessWorld(BaoWorld):
    """A user that signed in, its entity and token; an AppRole; leases below a path."""

    userpass = USERPASS

    def __init__(self, action: str, directory: Path, place: Place) -> None:
        self.user = f"u{uuid4().hex[:10]}"
        self.password = uuid4().hex
        ask = place.server.ask
        if f"{self.userpass}/" not in ask("GET", "sys/auth")["data"]:
            ask("POST", f"sys/auth/{quote(self.userpass)}", {"type": "userpass"})
        ask("POST", self.user_path, {"password": self.password, "token_policies": ["default"]})
        self.signed_in = self.sign_in(place)
        self.entity = str(self.signed_in["entity_id"])
        super().__init__(action, directory, place)
        if self.prefix:
            self.credential = place.lease(self.role)
            self.lease_ids = [self.credential["lease"]]
            self.lease_ids.append(ask("GET", self.prefix)["lease_id"])
        if action == "openbao.entity.enable":
            ask("POST", f"identity/entity/id/{self.entity}", {"disabled": True})
        if action == "openbao.user.enable":
            ask("POST", self.user_path, {"token_bound_cidrs": ["255.255.255.255/32"]})
        if action == "openbao.approle.enable":
            path = f"auth/approle/role/{self.role}/secret-id-bound-cidrs"
            ask("POST", path, {"secret_id_bound_cidrs": ["255.255.255.255/32"]})
        self._begins = place.server.audit_log.stat().st_size

    @property
    def prefix(self) -> str:
        """Return the path of which leases end; "" if the action is another."""
        return f"database/creds/{self.role}" if "lease_prefix" in self.action else ""

    @property
    def user_path(self) -> str:
        return f"auth/{quote(self.userpass)}/users/{self.user}"

    def sign_in(self, place: Place, name: str = "") -> dict[str, Any]:
        """Sign in as the user does."""
        path = f"auth/{quote(self.userpass)}/login/{name or self.user}"
        found = place.server.ask("POST", path, {"password": self.password}, token="")
        registered(found["auth"]["accessor"])
        return dict(found["auth"])

    def can_sign_in(self) -> bool:
        try:
            self.sign_in(self.place)
        except BaoRefused:
            return False
        return True

    def give_rights(self, without: str = "") -> None:
        """Write tokens with the documented rights, but for the lines that match; end others."""
        super().close()
        gone = "00000000-0000-4000-8000-000000000000"
        for name, of in (("observe", "observer"), ("operate", "operator")):
            kept = [
                line
                for line in (rules(of) + more_rules(of)).splitlines()
                # The path of the world's leases is given below, for PREFIX.
                if "lookup/database" not in line and not (without and re.search(without, line))
            ]
            policy = "".join(
                f"{line}\n".replace("ROLE", self.role + end)
                .replace("auth/userpass/users/USER", f"auth/{self.userpass}/users/{self.user}{end}")
                .replace("ENTITY", gone if end else self.entity)
                .replace("PREFIX", self.prefix or "none")
                for end in ("", "-gone")
                for line in kept
            )
            self.place.server.policy(f"{name}-{self.role}", policy)
            token = self.place.server.token(f"{name}-{self.role}")
            accessor = self._accessor(token)
            self.tokens.append(token)
            (self.directory / f"{name}.token").write_text(token)
            if name == "operate":
                self._operator = self._hashed(accessor)

    @property
    def target(self) -> dict[str, Json]:
        kind = self.action.rpartition(".")[0]
        fields: dict[str, dict[str, Json]] = {
            "openbao.entity": {"entity": self.entity},
            "openbao.token": {"mount": self.userpass, "accessor": self.signed_in["accessor"]},
            "openbao.lease_prefix": {"prefix": self.prefix},
            "openbao.user": {"mount": self.userpass, "user": self.user},
            "openbao.approle": {"mount": "approle", "role": self.role},
        }
        return {"kind": kind, "server": SERVER, **fields[kind]}

    @property
    def gone(self) -> dict[str, Json]:
        target = self.target
        other: dict[str, dict[str, Json]] = {
            "openbao.entity": {"entity": "00000000-0000-4000-8000-000000000000"},
            "openbao.token": {"mount": "no-such-method"},
            "openbao.lease_prefix": {"prefix": "no-such-mount/creds/x"},
            "openbao.user": {"user": f"{self.user}-gone"},
            "openbao.approle": {"role": f"{self.role}-gone"},
        }
        return {**target, **other[str(target["kind"])]}

    @property
    def parameters(self) -> dict[str, Json]:
        return dict(ACTIONS[self.action].example)

    def has_leases(self) -> int:
        try:
            found = self.place.server.ask("LIST", f"sys/leases/lookup/{self.prefix}")
        except BaoRefused:
            return 0
        return len(found["data"]["keys"])

    def look(self) -> object:
        ask = self.place.server.ask
        entity = ask("GET", f"identity/entity/id/{self.entity}")["data"]
        return (
            super().look(),
            {name: entity[name] for name in ("disabled", "policies", "metadata", "name")},
            ask("GET", self.user_path)["data"],
            ask("GET", f"auth/approle/role/{self.role}")["data"],
            self.has_leases() if self.prefix else 0,
            "openbao.token" not in self.action or self.is_listed(),
        )

    def is_listed(self) -> bool:
        listed = self.place.server.ask("LIST", "auth/token/accessors")["data"]["keys"]
        return self.signed_in["accessor"] in listed

    def close(self) -> None:
        """End what it made: each look reads every token of the server."""
        super().close()
        ask = self.place.server.ask
        for path in (f"auth/{self.userpass}/login/{self.user}", self.prefix):
            if path:
                with suppress(BaoRefused):
                    ask("POST", f"sys/leases/revoke-prefix/{quote(path)}", {"sync": True})


def is_access(action: str) -> bool:
    """Return whether the world of an action is one of this module."""
    kinds = ("entity", "token", "lease_prefix", "user")
    return action.split(".")[1] in kinds or action.startswith(
        ("openbao.approle.dis", "openbao.approle.en")
    )
