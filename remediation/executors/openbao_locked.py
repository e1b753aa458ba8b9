"""Lock users of userpass and AppRoles of OpenBao out of signing in, and let them in again.

OpenBao keeps the name at a sign-in as it was typed: the token of "BOB" was made at `login/BOB` and
is one of the user "bob". So tokens are found by their metadata, not by their path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_lock import (
    DISABLE_APPROLE,
    DISABLE_USER,
    ENABLE_APPROLE,
    ENABLE_USER,
)
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.errors import NotApplied
from remediation.executors.openbao_approle import life
from remediation.executors.openbao_lock import Account, Lock
from remediation.executors.openbao_role import batch, held_by, role_path
from remediation.executors.openbao_server import Api
from remediation.executors.openbao_standing import at_path
from remediation.executors.openbao_tokens import scan


class _UserLock(Lock):
    setting = "token_bound_cidrs"

    def _read(self, api: Api, step: Step) -> Account | None:
        mount = (api.get("sys/auth") or {}).get(f"{step.target.fields['mount']}/")
        if not isinstance(mount, dict) or mount.get("type") != "userpass":
            return None
        user = api.get(self._path(step))
        if user is None:
            return None
        every, unseen = scan(api)
        tokens = [one for one in every if self._owns(step, one)]
        return Account(
            user, user.get("token_bound_cidrs") or (), tokens, unseen, _batch(user, mount)
        )

    def _owns(self, step: Step, token: Mapping[str, Any]) -> bool:
        login, path = f"auth/{step.target.fields['mount']}/login/", str(token.get("path"))
        name = _metadata(token).get("username")
        return path.startswith(login) and str(name).lower() == step.target.fields["user"]

    def _path(self, step: Step) -> str:
        return at_path(self._right(step))

    def _right(self, step: Step) -> str:
        return f"auth/{step.target.fields['mount']}/users/{step.target.fields['user']}"


class _RoleLock(Lock):
    setting = "secret_id_bound_cidrs"

    def _read(self, api: Api, step: Step) -> Account | None:
        fields = step.target.fields
        role = api.get(role_path(fields))
        if role is None:
            return None
        secret_ids = [one.to_json() for one in held_by(api, fields)]
        every, unseen = scan(api)
        tokens = [one for one in every if self._owns(step, one)]
        more: dict[str, Json] = {
            "secret_ids": list[Json](secret_ids),
            "secret_id_life": life(role),
        }
        bound = role.get("secret_id_bound_cidrs") or ()
        return Account(role, bound, tokens, unseen, batch(role), more)

    def _owns(self, step: Step, token: Mapping[str, Any]) -> bool:
        fields = step.target.fields
        ours = _metadata(token).get("role_name") == fields["role"]
        return ours and token.get("path") == f"auth/{fields['mount']}/login"

    def _path(self, step: Step) -> str:
        return role_path(step.target.fields)

    def _state(self, account: Account) -> dict[str, Json]:
        asked = account.settings.get("bind_secret_id") is True
        return {**super()._state(account), "bind_secret_id": asked}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["bind_secret_id"] is not True:
            raise NotApplied("the role asks for no secret id at sign-in")


class DisableUser(_UserLock):
    """Lock a user out."""

    spec = DISABLE_USER
    status = "disabled"


class EnableUser(_UserLock):
    """Let a user in again."""

    spec = ENABLE_USER
    status = "enabled"


class DisableApprole(_RoleLock):
    """Lock a role out."""

    spec = DISABLE_APPROLE
    status = "disabled"


class EnableApprole(_RoleLock):
    """Let a role in again."""

    spec = ENABLE_APPROLE
    status = "enabled"


def _metadata(token: Mapping[str, Any]) -> Mapping[str, Any]:
    found = token.get("meta")
    return found if isinstance(found, dict) else {}


def _batch(user: Mapping[str, Any], mount: Mapping[str, Any]) -> str:
    """Return how long the user's batch tokens live; "" if it gets none. A mount may say so, too."""
    config = mount.get("config")
    said = str(config.get("token_type")) if isinstance(config, dict) else ""
    by_mount = said == "batch" or (said == "default-batch" and user.get("token_type") == "default")
    return batch({**user, "token_type": "batch"}) if by_mount else batch(user)
