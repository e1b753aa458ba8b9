"""The worlds of AWS beside those of access keys, by the first part of an action's name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.executors.aws_buckets import BucketWorld
from tests.executors.aws_instances import InstanceWorld
from tests.executors.aws_policies import DeniedUserWorld, PasswordWorld, RoleWorld
from tests.executors.aws_trails import TrailWorld
from tests.executors.contract import AwsWorld

WORLDS: Mapping[str, type[AwsWorld]] = {
    "aws.iam_user": DeniedUserWorld,
    "aws.iam_role": RoleWorld,
    "aws.iam_login_profile": PasswordWorld,
    "aws.trail": TrailWorld,
    "aws.bucket": BucketWorld,
    "aws.instance": InstanceWorld,
}
