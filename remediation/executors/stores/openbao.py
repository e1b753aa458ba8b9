"""Deliver to the key-value store (version 2) of OpenBao or Vault.

[store.<name>]
kind = "openbao"
mount = "secret"                optional: the engine's mount
staging = "hitl-staged"         optional: the folder for staged values in the same mount
policies                        optional: see below
address, ...                    see openbao_client.py
allow                           see stores/section.py

Consumers read `path` in the engine. A staged value lies at `staging/path`, which their policies
must not include: the engine has no version that a plain read does not return. The custom metadata
of both tell the versions' names, so that the observer needs no value:

    operator  data/PATH create read update     metadata/PATH create read update
              the same for STAGING/PATH, and delete on metadata/STAGING/PATH
              destroy/PATH update
    observer  metadata/PATH read               metadata/STAGING/PATH read

With [store.<name>.policies], for example `"orders/*" = "hitl-orders"`, each call has a token of its
own, with this one policy and for a minute. The operator's login needs these policies too, and
`update` on auth/token/create and auth/token/revoke-accessor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.errors import StepFailed
from remediation.executors.libraries import HVAC
from remediation.executors.openbao_client import BaoServer, is_refusal, read_server
from remediation.executors.secret import SecretValue
from remediation.executors.section import Section
from remediation.executors.stores.openbao_place import (
    MADE_BY,
    NOTHING,
    PREVIOUS,
    PREVIOUS_AT,
    PROMOTED,
    PROMOTED_AT,
    BaoPlace,
)
from remediation.executors.stores.store import (
    Held,
    PromotedByOther,
    Staged,
    StagedByOther,
    Store,
    StoreUnavailable,
    StoreUnknown,
    matches,
)


@dataclass(frozen=True)
class _Kept:
    """A staged value as it lies in the engine, and the number that was promoted at its time."""

    staged: Staged
    base: int
    fields: Mapping[str, Any]

    @property
    def value(self) -> SecretValue:
        return SecretValue(_texts(self.fields))


@dataclass(frozen=True)
class OpenBaoStore(Store):
    """One engine."""

    kind: ClassVar[str] = "openbao"
    needs = (HVAC,)
    server: BaoServer
    mount: str = "secret"
    staging: str = "hitl-staged"
    policies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def look(self, path: str) -> Held:
        try:
            with self.server.observing() as client:
                place = self._metadata(client, path)
                staging = self._metadata(client, self._staging(path))
        except TargetUnobservable:
            raise
        except Exception as error:
            raise TargetUnobservable(f"store {self.name}: {type(error).__name__}") from None
        staged = None
        if staging.number:
            staged = Staged(staging.custom.get(PROMOTED, ""), staging.custom.get(MADE_BY, ""))
        return Held(place.promoted, staged, place.custom.get(PREVIOUS, ""))

    def stage(
        self,
        clearance: Clearance,
        path: str,
        staged: Staged,
        value: SecretValue,
        deadline: Deadline,
    ) -> None:
        with self._changing(clearance, path, deadline) as client:
            base = self._metadata(client, path).number
            kept = (self._data(client, path) if base else None) or {}
            at = self._staging(path)
            if self._metadata(client, at).number:
                raise StagedByOther(f"store {self.name}: another version is staged at {path}")
            # Number 0: only one call can create it.
            self._write(
                client,
                at,
                {
                    "version": staged.version,
                    "made_by": staged.made_by,
                    "base": base,
                    "fields": {**kept, **value.reveal_all()},
                },
                0,
            )
            # After a crash here the observer sees a version without a name.
            self._note(client, at, {PROMOTED: staged.version, MADE_BY: staged.made_by})

    def read_staged(
        self, clearance: Clearance, path: str, deadline: Deadline
    ) -> tuple[Staged, SecretValue] | None:
        with self._reading(clearance, path, deadline) as client:
            kept = self._kept(client, path)
            return (kept.staged, kept.value) if kept is not None else None

    def read(
        self, clearance: Clearance, path: str, version: str, deadline: Deadline
    ) -> SecretValue | None:
        with self._reading(clearance, path, deadline) as client:
            number = self._metadata(client, path).number_of(version)
            if number is not None:
                return self._value(client, path, number)
            kept = self._kept(client, path)
            return kept.value if kept is not None and kept.staged.version == version else None

    def promote(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        with self._changing(clearance, path, deadline) as client:
            place = self._metadata(client, path)
            kept = self._kept(client, path)
            ours = kept if kept is not None and kept.staged.version == version else None
            if place.promoted != version:
                self._promote(client, path, version, place, ours)
            if ours is not None:
                self._delete_staging(client, path)

    def discard(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        with self._changing(clearance, path, deadline) as client:
            place = self._metadata(client, path)
            if place.promoted == version:
                raise StoreUnavailable(f"store {self.name}: version {version} is promoted")
            kept = self._kept(client, path)
            if kept is not None and kept.staged.version == version:
                self._delete_staging(client, path)
            number = place.number_of(version)
            if number is not None:
                client.secrets.kv.v2.destroy_secret_versions(
                    path, versions=[number], mount_point=self.mount
                )
                rest = {k: v for k, v in place.custom.items() if k not in (PREVIOUS, PREVIOUS_AT)}
                self._note(client, path, rest)

    def _promote(
        self, client: Any, path: str, version: str, place: BaoPlace, kept: _Kept | None
    ) -> None:
        fields = kept.fields if kept is not None else self._previous(client, path, version, place)
        number, before = place.number, place.number
        if kept is not None and place.number != kept.base:
            # A crash after the write and before the note, or somebody else.
            if self._data(client, path, place.number) != fields:
                raise PromotedByOther(
                    f"store {self.name}: somebody wrote {path} since {version} was staged"
                )
            before = kept.base
        else:
            number = self._write(client, path, fields, place.number)
        named = place.custom.get(PROMOTED_AT) == str(before)
        previous = place.custom[PROMOTED] if named else f"kv-{before}"
        names = {PROMOTED: version, PROMOTED_AT: str(number)}
        if before:
            names |= {PREVIOUS: previous, PREVIOUS_AT: str(before)}
        self._note(client, path, {**place.custom, **names})

    def _previous(self, client: Any, path: str, version: str, place: BaoPlace) -> Mapping[str, Any]:
        number = place.number_of(version)
        fields = self._data(client, path, number) if number is not None else None
        if not fields:
            raise StoreUnavailable(f"store {self.name}: version {version} is not there, or empty")
        return fields

    def _staging(self, path: str) -> str:
        return f"{self.staging}/{path}"

    def _metadata(self, client: Any, path: str) -> BaoPlace:
        import hvac.exceptions as refused

        try:
            found = client.secrets.kv.v2.read_secret_metadata(path, mount_point=self.mount)["data"]
        except refused.InvalidPath:
            return NOTHING
        number = int(found["current_version"])
        newest = found["versions"].get(str(number), {})
        deleted = bool(newest.get("deletion_time")) or bool(newest.get("destroyed"))
        return BaoPlace(number, found["custom_metadata"] or {}, deleted)

    def _value(self, client: Any, path: str, number: int) -> SecretValue | None:
        found = self._data(client, path, number)
        return SecretValue(_texts(found)) if found is not None else None

    def _data(self, client: Any, path: str, number: int | None = None) -> dict[str, Any] | None:
        import hvac.exceptions as refused

        try:
            found: dict[str, Any] = client.secrets.kv.v2.read_secret_version(
                path, version=number, mount_point=self.mount, raise_on_deleted_version=True
            )["data"]["data"]
        except refused.InvalidPath:
            return None
        return found

    def _kept(self, client: Any, path: str) -> _Kept | None:
        """Return the staged value; one by nobody known if it is not of our form."""
        found = self._data(client, self._staging(path))
        if found is None:
            # Claimed or deleted by hand: it blocks the place, and has no value.
            blocked = self._metadata(client, self._staging(path)).number > 0
            return _Kept(Staged("", ""), 0, {}) if blocked else None
        fields, base = found.get("fields"), found.get("base")
        if not isinstance(fields, dict) or not isinstance(base, int):
            return _Kept(Staged("", ""), 0, found)
        staged = Staged(str(found.get("version", "")), str(found.get("made_by", "")))
        return _Kept(staged, base, fields)

    def _write(self, client: Any, path: str, data: Mapping[str, Any], newest: int) -> int:
        """Write if `newest` is still the newest number; return the new one."""
        made = client.secrets.kv.v2.create_or_update_secret(
            path, dict(data), cas=newest, mount_point=self.mount
        )
        return int(made["data"]["version"])

    def _note(self, client: Any, path: str, custom: Mapping[str, str]) -> None:
        client.secrets.kv.v2.update_metadata(
            path, custom_metadata=dict(custom), mount_point=self.mount
        )

    def _delete_staging(self, client: Any, path: str) -> None:
        client.secrets.kv.v2.delete_metadata_and_all_versions(
            self._staging(path), mount_point=self.mount
        )

    @contextmanager
    def _reading(self, clearance: Clearance, path: str, deadline: Deadline) -> Iterator[Any]:
        """Yield a client for a call that changes nothing."""
        with self._calling(clearance, path, deadline, StoreUnavailable) as client:
            yield client

    @contextmanager
    def _changing(self, clearance: Clearance, path: str, deadline: Deadline) -> Iterator[Any]:
        with self._calling(clearance, path, deadline, StoreUnknown) as client:
            yield client

    @contextmanager
    def _calling(
        self, clearance: Clearance, path: str, deadline: Deadline, unanswered: type[StepFailed]
    ) -> Iterator[Any]:
        if deadline.passed:
            raise StoreUnavailable(f"store {self.name}: no time is left")
        try:
            with self.server.operating(
                clearance, policy=self._policy(path), seconds=deadline.left
            ) as client:
                yield client
        except ImportError:
            raise StoreUnavailable(HVAC.missing) from None
        except Refused:
            raise
        except Exception as error:
            refused = StoreUnavailable if is_refusal(error) else unanswered
            raise refused(f"store {self.name}: {type(error).__name__}") from None

    def _policy(self, path: str) -> str:
        """Return the policy for a path; "" if tokens are not cut here."""
        if not self.policies:
            return ""
        for pattern, policy in self.policies.items():
            if matches(pattern, path):
                return policy
        raise StoreUnavailable(f"store {self.name}: no policy for {path}")


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(text) for name, text in fields.items()}


def read_section(section: Section, name: str) -> OpenBaoStore:
    policies = section.section("policies")
    return OpenBaoStore(
        name,
        read_server(section, f"store {name}"),
        section.text("mount") if section.has("mount") else "secret",
        section.text("staging") if section.has("staging") else "hitl-staged",
        MappingProxyType({pattern: policies.text(pattern) for pattern in policies.names()}),
    )
