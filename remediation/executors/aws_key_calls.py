"""Make a key, try it, and take it back: the calls to AWS of one delivery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from remediation.domain.catalogue.aws_rotation import CREATE_KEY
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    changing,
    client_of,
    longest_change,
    operating_client,
)
from remediation.executors.aws_iam import delete_key
from remediation.executors.aws_user_keys import look_at_user, slots_of
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied
from remediation.executors.secret import SecretValue
from remediation.executors.targets import Targets

# How many tries in a row must succeed, each over a connection of its own.
PROOFS = 3
# What must be left of the time for staging the key, after it was made, and for looking again.
RESERVE_SECONDS = 15.0
_REFUSALS = ("InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure", "UnrecognizedClient")


class KeyCalls:
    """The calls to AWS of one delivery. No text that leaves them has the secret."""

    def __init__(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
        made: list[str],
    ) -> None:
        self._clearance, self._step, self._targets = clearance, step, targets
        self._deadline, self._made = deadline, made

    def make(self) -> SecretValue:
        """Call CreateAccessKey once. Raises NotApplied or OutcomeUnknown."""
        target = account(self._targets, self._step.target.fields["account"])
        if self._deadline.left < longest_change(target) + RESERVE_SECONDS:
            raise NotApplied("no time is left to make a key and deliver it")
        client = operating_client(
            self._clearance, self._step, self._targets, "iam:CreateAccessKey", self._deadline
        )
        with changing():
            key = client.create_access_key(UserName=self._step.target.fields["user"])["AccessKey"]
            value = SecretValue(
                {
                    "access_key_id": key["AccessKeyId"],
                    "secret_access_key": key["SecretAccessKey"],
                }
            )
        self._made.append(value.reveal("access_key_id"))
        return value

    def unmake(self, value: SecretValue) -> None:
        """Delete the key that the store did not take; nobody has its secret any more."""
        key_id = value.reveal("access_key_id")
        delete_key(self._clearance, self._step, self._targets, key_id, self._deadline)
        self._made.clear()

    def proves(self, value: SecretValue) -> bool | None:
        """Return whether AWS takes the key; None while a refusal may be that of a fresh key."""
        from botocore.exceptions import ClientError

        fields = self._step.target.fields
        target = account(self._targets, fields["account"])
        try:
            for _ in range(PROOFS):
                if self._deadline.left < CONNECT_SECONDS + READ_SECONDS:
                    return None
                client = client_of(
                    target,
                    value.reveal("access_key_id"),
                    value.reveal("secret_access_key"),
                    service="sts",
                )
                found = client.get_caller_identity()
                client.close()
                if not _is_user(found, fields["account"], fields["user"]):
                    return False
        except ClientError as error:
            refused = error.response["Error"]["Code"] in _REFUSALS
            return False if refused and self._spread(value.reveal("access_key_id")) else None
        except Exception:  # not reached, or no answer that can be read
            return None
        return True

    def _spread(self, key_id: str) -> bool:
        """Return whether the key is older than a new key may take to be known everywhere."""
        if self._deadline.left < RESERVE_SECONDS:
            return False
        try:
            seen = look_at_user(self._step, self._targets)
        except TargetUnobservable:
            return False
        created = [
            datetime.fromisoformat(str(slot["created"]))
            for slot in slots_of(seen)
            if slot["id"] == key_id
        ]
        spreads = timedelta(seconds=CREATE_KEY.propagation_s)
        return bool(created) and datetime.now(UTC) - created[0] > spreads


def _is_user(found: Mapping[str, object], number: str, user: str) -> bool:
    arn = str(found.get("Arn", ""))
    return found.get("Account") == number and arn.rpartition("/")[2] == user
