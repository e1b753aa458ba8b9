"""Clients of AWS services, and what the worker's login may do with them in one call.

With `operate_role_arn` in the targets file, the login assumes that role for each changing call,
with a session policy that allows one action on one user, role or trail, for 15 minutes (the least
that AWS gives). Somebody who steals a session in the middle of a run can do this and no more. The
login's own key file can assume the role for any user that it covers. IAM knows no resource for
a single access key, so the policy names the user; it cannot name the key. Without the role, the
login's own rights count: every action that it has, on every user. moto, the simulator of the demo
and the tests, does not enforce session policies; the tests look at the policy that was sent.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors import aws_sessions as sessions
from remediation.executors.aws_account import AwsTarget, account
from remediation.executors.aws_errors import Spreading, words
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.libraries import BOTO3
from remediation.executors.targets import Targets

CONNECT_SECONDS = 3  # per address; the resolver has its own limit
READ_SECONDS = 5  # IAM answers in well under a second
# AWS gives no shorter session.
SESSION_SECONDS = 900
# In the user agent of every call, so that CloudTrail tells the portal's calls from a consumer's.
APP_ID = "hitlportal"


def client_of(
    target: AwsTarget, key_id: str, secret: str, token: str | None = None, *, service: str = "iam",
    region: str = "",
) -> Any:  # fmt: skip
    """Return a client that makes each call once, with exactly these credentials."""
    from botocore.config import Config  # extra "aws"; loaded here because it is slow

    # botocore logs answers at DEBUG, and one of them is a new key with its secret.
    logging.getLogger("botocore").setLevel(logging.INFO)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # A repeated change could follow someone else's change; services decide about retries.
        retries={"total_max_attempts": 1, "mode": "standard"},
        ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL must not redirect calls
        proxies={} if target.simulated else None,
        user_agent_appid=APP_ID,
    )
    return sessions.client(
        service,
        key_id,
        secret,
        token,
        region=region or target.region,
        endpoint_url=target.endpoint_url,
        config=config,
    )


def uncut(target: AwsTarget) -> tuple[str, ...]:
    """Return why the worker's login is not cut to one step, in words; empty if it is."""
    if not target.operate_role_arn:
        return ("the targets file has no operate_role_arn, so all rights of the login count",)
    return ("the simulator ignores session policies",) if target.simulated else ()


def longest_change(target: AwsTarget) -> float:
    """Return how long one change can take at most, with the call that assumes the role."""
    return (CONNECT_SECONDS + READ_SECONDS) * (2 if target.operate_role_arn else 1)


def operating_client(
    clearance: Clearance, step: Step, targets: Targets, action: str, deadline: Deadline, *,
    service: str = "iam", region: str = "", resources: Sequence[str] = (), passes: str = "",
) -> Any:  # fmt: skip
    """Return a client that may make this one change to the step's user or role, or to `resources`.

    `passes` is the ARN of a role that the change hands to an instance of EC2.

    Raises NotApplied, also when no time is left for the change.
    """
    from botocore.exceptions import BotoCoreError

    try:
        target = account(targets, step.target.fields["account"])
        key_id, secret = target.operate(clearance)
        if deadline.left < longest_change(target):
            raise NotApplied("no time is left for the call")
        if not target.operate_role_arn:
            return client_of(target, key_id, secret, service=service, region=region)
        policy = session_policy(target, step, action, resources, passes)
        sts = client_of(target, key_id, secret, service="sts")
        with _assuming():
            session = sts.assume_role(
                RoleArn=target.operate_role_arn,
                RoleSessionName=session_name(clearance),
                Policy=json.dumps(policy, separators=(",", ":")),
                DurationSeconds=SESSION_SECONDS,
            )["Credentials"]
        return client_of(
            target, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"],
            service=service, region=region,
        )  # fmt: skip
    except (TargetUnobservable, BotoCoreError, ValueError) as error:
        raise NotApplied(words(error)) from error


def session_name(clearance: Clearance) -> str:
    """Return the session's name, by which CloudTrail tells whose plan it was."""
    return f"hitl-{clearance.plan_digest[:12]}-{clearance.step}"


def session_policy(
    target: AwsTarget, step: Step, action: str, resources: Sequence[str] = (), passes: str = ""
) -> dict[str, Json]:
    """Return the policy that cuts a session to one action on `resources`, or one user or role.

    The path is not known here; `*/` stands for any, and a name is unique in its account whatever
    its path. The session can never do more than the role's own policy.
    """
    statements: list[Json] = [
        {
            "Sid": "HitlportalOneStep",
            "Effect": "Allow",
            "Action": action,
            "Resource": [*(resources or _holders(target, step))],
        }
    ]
    if passes:
        to_ec2: Json = {"StringLike": {"iam:PassedToService": "ec2.amazonaws.com*"}}
        statements.append(
            {
                "Sid": "HitlportalOneRole",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": [passes],
                "Condition": to_ec2,
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def _holders(target: AwsTarget, step: Step) -> tuple[str, ...]:
    """Return the ARNs that the step's user or role may have."""
    partition = target.operate_role_arn.split(":")[1]
    fields = step.target.fields
    noun = "role" if "role" in fields else "user"
    at = f"arn:{partition}:iam::{fields['account']}:{noun}"
    return f"{at}/{fields[noun]}", f"{at}/*/{fields[noun]}"


@contextmanager
def _assuming() -> Iterator[None]:
    """Turn errors of AssumeRole into NotApplied: it changes nothing at the target."""
    try:
        yield
    except Exception as error:  # botocore's errors have no common base class
        raise NotApplied(f"the role was not assumed: {words(error)}") from None


@contextmanager
def reading(step: Step) -> Iterator[None]:
    """Turn every error of a read call into TargetUnobservable."""
    try:
        yield
    except (TargetUnobservable, Spreading):
        raise
    except ImportError as error:
        raise TargetUnobservable(BOTO3.missing) from error
    except Exception as error:  # botocore's errors have no common base class
        raise TargetUnobservable(f"{step.target.locator}: {words(error)}") from error


@contextmanager
def changing() -> Iterator[None]:
    """Turn errors of a changing call into NotApplied or OutcomeUnknown."""
    from botocore.exceptions import (
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        ParamValidationError,
    )

    try:
        yield
    except (EndpointConnectionError, ConnectTimeoutError, ParamValidationError) as error:
        raise NotApplied(words(error)) from error  # no request left this machine
    except ClientError as error:
        # A 4xx is a refusal; after a 5xx the change may have happened.
        refused = 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        raise (NotApplied if refused else OutcomeUnknown)(words(error)) from error
    except Exception as error:  # the request may have arrived
        raise OutcomeUnknown(words(error)) from error
