"""Read AWS's section of the targets file.

[aws."<account, 12 digits>"]
region = "eu-central-1"
endpoint_url = "..."           optional
simulated = false              true: the endpoint is a simulator, and pages say so
observe_access_key_id = "..."
observe_secret_access_key = "..."         or observe_secret_access_key_file
operate_access_key_id = "..."
operate_secret_access_key_file = "..."
operate_role_arn = "..."       optional: assumed for each call, cut to the call by a session policy
cloudtrail = false             true: the observer may look up events, so that consumers are
                               distinguished
isolation_groups = ["sg-..."]  optional: the groups without rules that isolate instances, one in
                               each VPC
own_instances = ["i-..."]      optional: the portal runs on them; no plan may name them
environment = "production"     optional, see targets.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar
from urllib.parse import urlsplit

from remediation.domain.catalogue.aws_instance import HEX
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.driver import Places
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

# With those of a plan they fit into one call of EC2.
MOST_IDS = 50
ROLE = r"arn:aws[a-z-]*:iam::{}:role/[\w+=,.@/-]{{1,512}}"


@dataclass(frozen=True)
class AwsTarget:
    """One account."""

    region: str
    endpoint_url: str | None
    simulated: bool
    observe_access_key_id: str
    observe_secret: Secret
    operate_access_key_id: str
    operate_secret: Secret
    environment: str = ""
    operate_role_arn: str = ""
    cloudtrail: bool = False
    isolation_groups: tuple[str, ...] = ()
    own_instances: tuple[str, ...] = ()

    @property
    def own_keys(self) -> frozenset[str]:
        """Return the access keys that the portal itself uses here."""
        return frozenset((self.observe_access_key_id, self.operate_access_key_id))

    def observe(self) -> tuple[str, str]:
        """Return the read-only key id and secret. Raises TargetUnobservable."""
        return self.observe_access_key_id, for_observing(self.observe_secret)

    def operate(self, clearance: Clearance) -> tuple[str, str]:
        """Return the key id and secret that can change keys.

        Raises ClearanceRefused or CredentialUnavailable.
        """
        return self.operate_access_key_id, for_operating(clearance, self.operate_secret)


@dataclass(frozen=True)
class Accounts(Places):
    """All accounts of a worker, by number."""

    provider: ClassVar[str] = "aws"
    accounts: Mapping[str, AwsTarget]

    def environment(self, target: Target) -> str:
        found = self.accounts.get(target.fields["account"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is a key, a role or an instance that the portal itself uses.

        Whether a user is one of its logins, only a look at the user's keys tells.
        """
        place = self.accounts.get(target.fields.get("account", ""))
        role = place.operate_role_arn.rpartition("/")[2] if place is not None else ""
        # Names of IAM are not distinguished by case.
        if role and target.fields.get("role", "").lower() == role.lower():
            return True
        if place is not None and target.fields.get("instance") in place.own_instances:
            return True
        return target.fields.get("access_key_id") in self.own_keys

    @property
    def own_keys(self) -> frozenset[str]:
        """Return the keys that the portal itself uses."""
        return frozenset[str]().union(*(each.own_keys for each in self.accounts.values()))


def read(section: Section) -> Accounts:
    return Accounts(section.each(_account))


def _account(section: Section, number: str) -> AwsTarget:
    if not re.fullmatch(r"[0-9]{12}", number):
        raise TargetsFileInvalid(f"{number!r} is not the number of an AWS account")
    target = read_target(section, f"account {number}")
    role = section.text("operate_role_arn") if section.has("operate_role_arn") else ""
    if role and not re.fullmatch(ROLE.format(number), role):
        raise TargetsFileInvalid(f"account {number}: operate_role_arn is no role of this account")
    return replace(
        target,
        operate_role_arn=role,
        cloudtrail=section.boolean("cloudtrail"),
        isolation_groups=_ids(section, "isolation_groups", "sg", number),
        own_instances=_ids(section, "own_instances", "i", number),
    )


def _ids(section: Section, name: str, prefix: str, number: str) -> tuple[str, ...]:
    named = section.texts(name) if section.has(name) else ()
    right = all(re.fullmatch(rf"{prefix}-{HEX}", each) for each in named)
    if not right or len(named) > MOST_IDS:
        raise TargetsFileInvalid(
            f"account {number}: {name} are at most {MOST_IDS} ids of the form {prefix}-0123abcd"
        )
    return named


def read_target(section: Section, at: str) -> AwsTarget:
    """Read the keys that every section with AWS credentials has. Raises TargetsFileInvalid."""
    endpoint = section.text("endpoint_url") if section.has("endpoint_url") else None
    target = AwsTarget(
        region=section.text("region"),
        endpoint_url=endpoint,
        simulated=section.boolean("simulated"),
        observe_access_key_id=section.text("observe_access_key_id"),
        observe_secret=section.secret("observe_secret_access_key"),
        operate_access_key_id=section.text("operate_access_key_id"),
        operate_secret=section.secret_file("operate_secret_access_key"),
        environment=section.environment(),
    )
    _refuse_false_label(at, target)
    return target


def _refuse_false_label(at: str, target: AwsTarget) -> None:
    """Refuse real AWS labelled as simulated, and a real endpoint without TLS."""
    address = urlsplit(target.endpoint_url or "https://iam.amazonaws.com")
    real = (address.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn", ".aws"))
    if target.simulated and (real or target.endpoint_url is None):
        raise TargetsFileInvalid(f"{at}: simulated, but the endpoint is AWS itself")
    if not target.simulated and address.scheme != "https":
        raise TargetsFileInvalid(f"{at}: an endpoint that is not simulated needs https")


def own_keys(targets: Targets) -> frozenset[str]:
    """Return the keys that this worker itself uses, also for stores in AWS."""
    places = targets.of(Accounts)
    found = places.own_keys if places is not None else frozenset[str]()
    stores = (getattr(store, "at", None) for store in targets.stores.values())
    return found.union(*(at.own_keys for at in stores if isinstance(at, AwsTarget)))


def account(targets: Targets, number: str) -> AwsTarget:
    """Return an account. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Accounts)
    if places is None or number not in places.accounts:
        raise TargetUnobservable(f"this worker has no credentials for AWS account {number}")
    return places.accounts[number]
