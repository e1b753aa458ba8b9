"""Buckets of S3 in the simulated AWS (moto), which lets no public in whatever the flags say."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_bucket import FLAGS
from tests.executors import moto
from tests.executors.aws_policies import DeniedUserWorld

_NUMBERS = itertools.count()
EARLIER = ["BlockPublicAcls"]
ALL_USERS = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'


class BucketWorld(DeniedUserWorld):
    """A bucket that its policy and its ACL open to everyone."""

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        self.name, self.admins = f"prices-{next(_NUMBERS)}", self.moto.admin("s3")
        self.admins.create_bucket(Bucket=self.name)
        self.set_policy("*")
        self.admins.put_bucket_acl(Bucket=self.name, GrantRead=ALL_USERS)
        self.set_flags([*FLAGS] if action.endswith("restore_public_access") else EARLIER)

    def new_user(self) -> moto.User:
        return moto.User("", "", "")

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "aws.bucket", "account": moto.ACCOUNT, "bucket": self.name}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "bucket": "no-such-bucket"}

    @property
    def resources(self) -> list[str]:
        return [f"arn:aws:s3:::{self.name}"]

    def set_policy(self, principal: Any, action: str = "s3:GetObject") -> None:
        statement = {"Effect": "Allow", "Principal": principal, "Action": action}
        text = {"Version": "2012-10-17", "Statement": [statement | {"Resource": f"{self.arn}/*"}]}
        self.admins.put_bucket_policy(Bucket=self.name, Policy=json.dumps(text))

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    def set_flags(self, on: list[str]) -> None:
        self.admins.put_public_access_block(
            Bucket=self.name,
            PublicAccessBlockConfiguration={each: each in on for each in FLAGS},
        )

    def flags(self) -> list[str]:
        """Return the flags that are on, asked by the administrator."""
        found = self.admins.get_public_access_block(Bucket=self.name)
        held = found["PublicAccessBlockConfiguration"]
        return [each for each in FLAGS if held[each]]

    def look(self) -> object:
        try:
            flags = self.flags()
        except self.admins.exceptions.ClientError:
            flags = ["absent"]
        return flags, self.admins.get_bucket_policy(Bucket=self.name)["Policy"]

    def lines(self) -> list[dict[str, Any]]:
        """Return the portal's changing calls for this bucket in the target's own log."""
        return [
            line
            for line in self.moto.lines()
            if line["key"] != moto.ADMIN["id"]
            and line["parameters"].get("Bucket") == self.name
            and not line["call"].startswith("s3:Get")
        ]
