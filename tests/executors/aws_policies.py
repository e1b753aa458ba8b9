"""Users and roles in the simulated AWS, whose inline policies the portal puts and deletes.

moto judges what a policy denies, with two differences that test_aws_policies.py measures: a Deny
with a condition denies always, and a session policy is ignored.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from botocore.config import Config

from audit.tlog.canonical import Json
from remediation.executors import aws_revoke, aws_role_session, aws_sessions, aws_user_deny
from tests.executors import moto
from tests.executors.contract import AwsWorld

_NUMBERS = itertools.count()
BEFORE = "2026-01-01T00:00:00Z"
ALLOWED = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
# As AWS's console writes it.
CONSOLE = (
    '{\n    "Version": "2012-10-17",\n    "Statement": [\n        {\n'
    '            "Effect": "Deny",\n            "Action": [\n                "*"\n            ],\n'
    '            "Resource": [\n                "*"\n            ],\n'
    '            "Condition": {\n                "DateLessThan": {\n'
    '                    "aws:TokenIssueTime": "2025-06-01T10:00:00.123Z"\n'
    "                }\n            }\n        }\n    ]\n}"
)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})


class DeniedUserWorld(AwsWorld):
    """A user with a key and a right."""

    login = "operator"

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        self.name = self.user.name
        if action.endswith("allow_again"):
            self.put(aws_user_deny.POLICY, aws_user_deny.TEXT)

    def new_user(self) -> moto.User:
        """Make a user that may list the account's aliases."""
        name, admin = f"denied-{next(_NUMBERS)}", self.moto.admin()
        admin.create_user(UserName=name)
        may = {"Effect": "Allow", "Action": "iam:ListAccountAliases", "Resource": "*"}
        admin.put_user_policy(UserName=name, PolicyName="work", PolicyDocument=document(may))
        key = admin.create_access_key(UserName=name)["AccessKey"]
        return moto.User(name, key["AccessKeyId"], "", key["SecretAccessKey"])

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "aws.iam.user", "account": moto.ACCOUNT, "user": self.user.name}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "user": "no-such-user"}

    def toml(self, port: int | None = None) -> str:
        login = moto.logins("1")[self.login]["id"]
        text = super().toml(port).replace(moto.logins("1")["operator"]["id"], login)
        if self.login == "assumer":
            text += f'operate_role_arn = "arn:aws:iam::{moto.ACCOUNT}:role/hitl-operator"\n'
            (self.directory / "operate.secret").write_text("assumer\n")
        return text

    @property
    def resources(self) -> list[str]:
        """Return what the session's policy must name."""
        noun = "role" if "role" in self.target else "user"
        at = f"arn:aws:iam::{moto.ACCOUNT}:{noun}"
        return [f"{at}/{self.name}", f"{at}/*/{self.name}"]

    # The changing calls of one step; those of its undoing are as many.
    calls = 1

    def resources_of(self, line: dict[str, Any]) -> list[str]:
        """Return what the session of a call in the log must name."""
        return self.resources

    def reset(self) -> None:
        """Undo what a step of several calls did before it was refused."""
        assert self.calls == 1, "a world of several calls has to begin anew"

    def put(self, policy: str, text: str) -> None:
        """Put an inline policy as the account's administrator."""
        self.moto.admin().put_user_policy(
            UserName=self.user.name, PolicyName=policy, PolicyDocument=text
        )

    def policies(self) -> dict[str, str]:
        """Return the inline policies by name, as canonical texts."""
        admin, user = self.moto.admin(), self.user.name
        names = admin.list_user_policies(UserName=user)["PolicyNames"]
        return {
            name: json.dumps(
                admin.get_user_policy(UserName=user, PolicyName=name)["PolicyDocument"]
            )
            for name in names
        }

    def uses_key(self) -> None:
        """Call AWS as the user. Raises ClientError."""
        self.moto.client(self.user.key, self.user.secret).list_account_aliases()

    def look(self) -> object:
        return self.policies()

    def lines(self) -> list[dict[str, Any]]:
        """Return the portal's changing calls for this target in the target's own log."""
        admin = moto.ADMIN["id"]
        return [
            line
            for line in self.moto.lines()
            if line["key"] != admin
            and self.name
            in (line["parameters"].get("UserName"), line["parameters"].get("RoleName"))
            and not line["call"].startswith(("iam:Get", "iam:List"))
        ]

    def changes(self) -> int:
        return len(self.lines())


class PasswordWorld(DeniedUserWorld):
    """A user with a password for the console."""

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        self.moto.admin().create_login_profile(UserName=self.name, Password="Some-Passw0rd!")

    def look(self) -> object:
        admin = self.moto.admin()
        try:
            return admin.get_login_profile(UserName=self.name)["LoginProfile"], self.policies()
        except admin.exceptions.NoSuchEntityException:
            return None, self.policies()


class RoleWorld(DeniedUserWorld):
    """A role that an instance and an administrator can assume."""

    path = "/"
    session = "nightly"

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        admin, self.name = self.moto.admin(), f"role-{next(_NUMBERS)}"
        # moto fails over a statement without a principal of AWS.
        own = {"AWS": f"arn:aws:iam::{moto.ACCOUNT}:user/admin", "Service": "ec2.amazonaws.com"}
        trust = document({"Effect": "Allow", "Principal": own, "Action": "sts:AssumeRole"})
        made = admin.create_role(RoleName=self.name, Path=self.path, AssumeRolePolicyDocument=trust)
        self.role_id = made["Role"]["RoleId"]
        self.put("work", document({"Effect": "Allow", "Action": "iam:*", "Resource": "*"}))
        if action.endswith("restore_sessions"):
            self.put(aws_revoke.POLICY, aws_revoke.text_for([BEFORE]))
        if action.endswith("allow_session_name"):
            text = aws_role_session.text_for(self.role_id, self.session)
            self.put(aws_role_session.POLICY.format(self.session), text)

    @property
    def target(self) -> dict[str, Json]:
        found: dict[str, Json] = {"account": moto.ACCOUNT, "role": self.name}
        if self.action.endswith("session_name"):
            return {"kind": "aws.role_session", **found, "session": self.session}
        return {"kind": "aws.iam.role", **found}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "role": "no-such-role"}

    def put(self, policy: str, text: str) -> None:
        self.moto.admin().put_role_policy(
            RoleName=self.name, PolicyName=policy, PolicyDocument=text
        )

    def policies(self) -> dict[str, str]:
        admin, role = self.moto.admin(), self.name
        names = admin.list_role_policies(RoleName=role)["PolicyNames"]
        return {
            name: json.dumps(
                admin.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            )
            for name in names
        }

    def assume(self, session: str = "") -> Any:
        """Return a client of IAM with a session of the role."""
        made = self.moto.admin("sts").assume_role(
            RoleArn=f"arn:aws:iam::{moto.ACCOUNT}:role{self.path}{self.name}",
            RoleSessionName=session or self.session,
        )["Credentials"]
        return aws_sessions.client(
            "iam",
            made["AccessKeyId"],
            made["SecretAccessKey"],
            made["SessionToken"],
            region="us-east-1",
            endpoint_url=self.moto.url,
            config=Config(retries={"total_max_attempts": 1}),
        )
