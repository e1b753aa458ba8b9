"""Deliver to AWS Secrets Manager.

[store.<name>]
kind = "aws_secrets_manager"
region, endpoint_url, simulated, observe_..., operate_...     as in [aws.<account>], aws_account.py
allow                                                         see stores/section.py

A place's path is the secret's name. The secret exists and has a value: a first value would be
promoted at once. Its value is a JSON object. Staged is the label AWSPENDING, promoted AWSCURRENT.
The identifier of a version is its name and a random part, since AWS takes no other value for an
identifier again. Another label of a staged version tells who made it and what was promoted then.
Discarded versions lose their labels; AWS deletes them later.

    observer  secretsmanager:DescribeSecret
    operator  secretsmanager:DescribeSecret, GetSecretValue, PutSecretValue,
              UpdateSecretVersionStage

Labels are not set under a condition, so two writers at the same moment are seen only afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors import aws_sessions as sessions
from remediation.executors.aws_account import AwsTarget, read_target
from remediation.executors.base import Deadline
from remediation.executors.errors import StepFailed
from remediation.executors.libraries import BOTO3
from remediation.executors.secret import SecretValue
from remediation.executors.section import Section
from remediation.executors.stores.store import (
    Held,
    PromotedByOther,
    Staged,
    StagedByOther,
    Store,
    StoreUnavailable,
    StoreUnknown,
)

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
CONNECT_SECONDS = 3
READ_SECONDS = 8
_OURS = re.compile(r"(hitl-[0-9a-f]{12}-[0-9]{1,3})-[0-9a-f]{32}\Z")
_LABEL = re.compile(r"hitl-by:(?P<made_by>[^:]*):(?P<base>[^:]*)\Z")


@dataclass(frozen=True)
class _Secret:
    """What DescribeSecret tells: labels by the version's identifier."""

    labels: Mapping[str, tuple[str, ...]]

    def with_label(self, label: str) -> str:
        """Return the identifier of the version with a label; "" if there is none."""
        return next((one for one, labels in self.labels.items() if label in labels), "")

    def identifier(self, version: str) -> str:
        """Return the identifier of a version by its name; "" if it is not kept."""
        return next((one for one in self.labels if _name(one) == version), "")

    @property
    def staged(self) -> str:
        """Return the identifier of the staged version; AWS may leave the label on the promoted."""
        found = self.with_label(PENDING)
        return found if found != self.with_label(CURRENT) else ""

    def note(self, identifier: str) -> tuple[str, str, str]:
        """Return a version's label of ours, who made it, and what was promoted then."""
        for label in self.labels.get(identifier, ()):
            found = _LABEL.match(label)
            if found:
                return label, found["made_by"], found["base"]
        return "", "", ""


@dataclass(frozen=True)
class SecretsManager(Store):
    """Secrets Manager in one region of an account."""

    kind: ClassVar[str] = "aws_secrets_manager"
    needs = (BOTO3,)
    at: AwsTarget

    def is_own(self, target: Target) -> bool:
        return target.fields.get("access_key_id") in self.at.own_keys

    def look(self, path: str) -> Held:
        try:
            secret = self._describe(self._client(*self.at.observe(), READ_SECONDS), path)
        except TargetUnobservable:
            raise
        except StoreUnavailable as error:
            raise TargetUnobservable(error.detail) from None
        except Exception as error:  # botocore's errors have no common base class
            raise TargetUnobservable(f"store {self.name}: {_words(error)}") from None
        staged = Staged(_name(secret.staged), secret.note(secret.staged)[1])
        return Held(
            _name(secret.with_label(CURRENT)),
            staged if secret.staged else None,
            _name(secret.with_label(PREVIOUS)),
        )

    def stage(
        self,
        clearance: Clearance,
        path: str,
        staged: Staged,
        value: SecretValue,
        deadline: Deadline,
    ) -> None:
        with self._calling(clearance, deadline, StoreUnknown) as client:
            secret = self._describe(client, path)
            if secret.staged:
                raise StagedByOther(
                    f"store {self.name}: {_name(secret.staged)} is staged at {path}"
                )
            base = secret.with_label(CURRENT)
            kept = self._fields(client, path, base)
            client.put_secret_value(
                SecretId=path,
                ClientRequestToken=f"{staged.version}-{uuid4().hex}",
                SecretString=json.dumps({**kept, **value.reveal_all()}),
                VersionStages=[PENDING, f"hitl-by:{staged.made_by}:{base}"],
            )

    def read_staged(
        self, clearance: Clearance, path: str, deadline: Deadline
    ) -> tuple[Staged, SecretValue] | None:
        with self._calling(clearance, deadline, StoreUnavailable) as client:
            secret = self._describe(client, path)
            if not secret.staged:
                return None
            staged = Staged(_name(secret.staged), secret.note(secret.staged)[1])
            return staged, _value(self._fields(client, path, secret.staged, empty=True))

    def read(
        self, clearance: Clearance, path: str, version: str, deadline: Deadline
    ) -> SecretValue | None:
        with self._calling(clearance, deadline, StoreUnavailable) as client:
            identifier = self._describe(client, path).identifier(version)
            return _value(self._fields(client, path, identifier)) if identifier else None

    def promote(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        with self._calling(clearance, deadline, StoreUnknown) as client:
            secret = self._describe(client, path)
            identifier, current = secret.identifier(version), secret.with_label(CURRENT)
            if not identifier:
                raise StoreUnavailable(f"store {self.name}: version {version} is not there")
            if current != identifier:
                self._refuse_to_promote(client, path, secret, identifier)
                # Refused if another version has the label by now.
                client.update_secret_version_stage(
                    SecretId=path,
                    VersionStage=CURRENT,
                    MoveToVersionId=identifier,
                    RemoveFromVersionId=current,
                )
            self._unlabel(client, path, secret, identifier, PENDING)

    def discard(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        with self._calling(clearance, deadline, StoreUnknown) as client:
            secret = self._describe(client, path)
            identifier = secret.identifier(version)
            if not identifier:
                return
            if secret.with_label(CURRENT) == identifier:
                raise StoreUnavailable(f"store {self.name}: version {version} is promoted")
            self._unlabel(client, path, secret, identifier, PENDING, PREVIOUS)

    def _unlabel(
        self, client: Any, path: str, secret: _Secret, identifier: str, *labels: str
    ) -> None:
        """Remove these labels and our own, which AWS leaves where they are."""
        for label in secret.labels.get(identifier, ()):
            if label in labels or _LABEL.match(label):
                client.update_secret_version_stage(
                    SecretId=path, VersionStage=label, RemoveFromVersionId=identifier
                )

    def _refuse_to_promote(self, client: Any, path: str, secret: _Secret, identifier: str) -> None:
        if _value(self._fields(client, path, identifier, empty=True)).is_empty:
            raise StoreUnavailable(f"store {self.name}: version {_name(identifier)} is empty")
        label, _, base = secret.note(identifier)
        if identifier == secret.staged and label and base != secret.with_label(CURRENT):
            raise PromotedByOther(
                f"store {self.name}: somebody promoted {_name(secret.with_label(CURRENT))} since"
                f" version {_name(identifier)} was staged"
            )

    def _describe(self, client: Any, path: str) -> _Secret:
        """Return the labels. Raises StoreUnavailable if somebody else owns the rotation."""
        found = client.describe_secret(SecretId=path)
        if found.get("DeletedDate"):
            raise StoreUnavailable(f"store {self.name}: {path} is being deleted")
        if found.get("RotationEnabled"):
            raise StoreUnavailable(f"store {self.name}: Secrets Manager rotates {path} itself")
        labels = found.get("VersionIdsToStages", {})
        if not any(CURRENT in each for each in labels.values()):
            raise StoreUnavailable(f"store {self.name}: {path} has no value yet; give it one first")
        # Versions without labels are deprecated: AWS deletes them.
        return _Secret({one: tuple(each) for one, each in labels.items() if each})

    def _fields(
        self, client: Any, path: str, identifier: str, *, empty: bool = False
    ) -> dict[str, Any]:
        """Return the fields of a version; with `empty`, none if it has no value."""
        try:
            found = client.get_secret_value(SecretId=path, VersionId=identifier)
        except client.exceptions.ResourceNotFoundException:
            if empty:  # RotateSecret makes such versions
                return {}
            raise
        try:
            fields = json.loads(found.get("SecretString", ""))
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise StoreUnavailable(f"store {self.name}: the value of {path} is no JSON object")
        return fields

    def _client(self, key_id: str, secret: str, seconds: float) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=max(1.0, min(seconds, READ_SECONDS)),
            retries={"total_max_attempts": 1, "mode": "standard"},
            ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL must not redirect calls
            proxies={} if self.at.simulated else None,
        )
        return sessions.client(
            "secretsmanager",
            key_id,
            secret,
            region=self.at.region,
            endpoint_url=self.at.endpoint_url,
            config=config,
        )

    @contextmanager
    def _calling(
        self, clearance: Clearance, deadline: Deadline, unanswered: type[StepFailed]
    ) -> Iterator[Any]:
        if deadline.passed:
            raise StoreUnavailable(f"store {self.name}: no time is left")
        try:
            yield self._client(*self.at.operate(clearance), deadline.left)
        except Refused:
            raise
        except ImportError:
            raise StoreUnavailable(BOTO3.missing) from None
        except Exception as error:  # botocore's errors have no common base class
            refused = StoreUnavailable if _is_refusal(error) else unanswered
            raise refused(f"store {self.name}: {_words(error)}") from None


def read_section(section: Section, name: str) -> SecretsManager:
    at = read_target(section, f"store {name}")
    return SecretsManager(name, at, simulated=at.simulated)


def _name(identifier: str) -> str:
    """Return the name of a version; one that the portal did not make has its identifier."""
    found = _OURS.match(identifier)
    return found[1] if found else identifier


def _value(fields: Mapping[str, Any]) -> SecretValue:
    return SecretValue({name: str(text) for name, text in fields.items()})


def _is_refusal(error: Exception) -> bool:
    """Return whether the call certainly changed nothing."""
    from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"].get("HTTPStatusCode", 500)) < 500
    return isinstance(error, ConnectTimeoutError | EndpointConnectionError)


def _words(error: Exception) -> str:
    """Return AWS's code for a refusal, and never its message: some quote parameters."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", type(error).__name__))
    return type(error).__name__
