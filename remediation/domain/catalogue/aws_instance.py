"""AWS: an instance of EC2. It is cut off from its network and its role, or as before."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_rotation import ACCOUNT
from remediation.domain.catalogue.aws_trail import REGION
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    TargetSpec,
    gettext_noop,
)

# Ids of EC2 have 8 hexadecimal digits, or 17 since 2016.
HEX = r"[0-9a-f]{8}(?:[0-9a-f]{9})?"
# An interface takes 16 groups at most, and an instance 15 interfaces, except a few large types
# ("Amazon VPC quotas", "Maximum IP addresses per network interface").
MOST_GROUPS, MOST_INTERFACES = 16, 16
GROUPS_OF = rf"eni-{HEX}: sg-{HEX}(?:,sg-{HEX}){{0,{MOST_GROUPS - 1}}}"
PROFILE = r"arn:aws[a-z-]*:iam::[0-9]{12}:instance-profile/[\w+=,.@/-]{1,640}"

INSTANCE = TargetSpec(
    kind="aws.instance",
    title=gettext_noop("AWS EC2 instance"),
    fields={"account": ACCOUNT, "region": REGION, "instance": rf"i-{HEX}"},
    distinguishing="instance",
    example={
        "account": "123456789012",
        "region": "eu-central-1",
        "instance": "i-0123456789abcdef0",
    },
    names=("instance",),
    account="account",
    shown_fields=(
        "status",
        "network_addresses",
        "auto_scaling",
        "earlier_rules",
        "isolation_trouble",
        "managed_interfaces",
        "missing_groups",
        "profile_role",
        "uncut",
    ),
    live=(
        Live("status", gettext_noop("EC2 calls it {status}.")),
        Live(
            "security_groups",
            gettext_noop("These interfaces are not isolated, and have these security groups:"),
            gettext_noop("Each of its interfaces has the isolation group and no other."),
        ),
        Live(
            "profile",
            gettext_noop("It gets credentials by the instance profile {profile}."),
            gettext_noop("It has no instance profile."),
        ),
        Live("network_addresses", gettext_noop("It has these addresses:")),
        Live("auto_scaling", gettext_noop("It belongs to the Auto Scaling group {auto_scaling}.")),
    ),
    no_secret_compared=gettext_noop("An instance has no secret that AWS compares."),
)

_PIN = ("security_groups", "profile", "interfaces", "isolation_group", "profile_role")
_EARLIER: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "earlier_groups": {
                "type": "array",
                "items": {"type": "string", "pattern": rf"^{GROUPS_OF}$"},
                "minItems": 0,
                "maxItems": MOST_INTERFACES,
                "uniqueItems": True,
            },
            "earlier_profile": {"type": "string", "pattern": rf"^(?:{PROFILE})?$"},
        },
        "required": ["earlier_groups", "earlier_profile"],
        "additionalProperties": False,
    }
)
_EXAMPLE: Mapping[str, Json] = MappingProxyType(
    {
        "earlier_groups": ["eni-0123456789abcdef0: sg-0123456789abcdef0"],
        "earlier_profile": "arn:aws:iam::123456789012:instance-profile/orders",
    }
)
_CREDENTIAL = Limit(
    "uncut",
    present=gettext_noop("The worker's login is not cut to this step: {value}."),
    absent=gettext_noop(
        "The worker's sessions are cut to the groups of these interfaces and to the profile of this"
        " instance, for 15 minutes. A thief of one could also undo the step."
    ),
    unknown=gettext_noop("It was not looked at whether the worker's login is cut to this step."),
)
_AUTO_SCALING = Limit(
    "auto_scaling",
    present=gettext_noop(
        "Auto Scaling group {value} may end the instance when its health checks fail, and start"
        " another one: what is only on it is lost."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at whether an Auto Scaling group may end it."),
)
_CLIENTS = Limit(
    "network_addresses",
    present=gettext_noop(
        "Services that reach it at these addresses get no answer, nor do load balancers: {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at at which addresses it is reached."),
    cuts=True,
)
_ROLE = Limit(
    "profile_role",
    present=gettext_noop(
        "Credentials that it got of this role stay valid until they end: {value}. Deny the role's"
        " older sessions (aws.iam_role.revoke_sessions)."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at of which role it has credentials."),
)

ISOLATE = ActionSpec(
    kind="aws.instance.isolate",
    version=1,
    title="Isolate an AWS EC2 instance",
    sentence="Give each network interface of instance {instance} in region {region} of AWS account"
    " {account} only the isolation group, and take its instance profile off.",
    headline="Isolate AWS instance {instance} (region {region}, account {account})",
    headlines=(
        "Isolate {count} instances in region {region} of AWS account {account}",
        "Isolate {count} instances in AWS account {account}",
        "Isolate {count} AWS instances",
    ),
    done="Instance {instance} has only the isolation group, and no instance profile.",
    undone=gettext_noop("the instance has its earlier security groups and profile"),
    target_kind=INSTANCE.kind,
    rollback="aws.instance.restore",
    reversible=True,
    hard_timeout_s=60,
    # "The Amazon EC2 API follows an eventual consistency model"; it names no time.
    propagation_s=300,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"security_groups": [], "profile": ""}),
    removes_access=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "Connections that are open go on until they are idle for too long (days, with EC2's"
                " usual setting). A network ACL of the subnet ends them at once."
            ),
        ),
        LivesOn(
            none=gettext_noop(
                "Credentials that its role handed out stay valid until they end. Deny the older"
                " sessions of the role (aws.iam_role.revoke_sessions)."
            ),
        ),
    ),
    parameters=_EARLIER,
    example=_EXAMPLE,
    ends_sessions=gettext_noop(
        "Open connections that EC2 tracks go on, others may end; new ones are refused both ways."
    ),
    limits=(_CLIENTS, _AUTO_SCALING, _ROLE),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "Security groups let it ask Amazon's DNS, and DNS can carry data out. They do not stop"
            " its metadata service, DHCP or time service either."
        ),
        gettext_noop("It ends no process, and changes nothing on its disks."),
        gettext_noop(
            "It does not stop access by Systems Manager, by the serial console or by another"
            " console that is open now."
        ),
        gettext_noop("It does not end credentials that lie on the instance itself."),
        gettext_noop(
            "Who may change its groups or its profile can undo it. Who changes one before each run"
            " holds it off: the plan is stale then."
        ),
        gettext_noop(
            "It takes the plan's word for the earlier groups of an interface that is isolated"
            " already, and for a profile that is off: undoing it gives what the instance had"
            " when the step began."
        ),
    ),
)
RESTORE_INSTANCE = ActionSpec(
    kind="aws.instance.restore",
    version=1,
    title="Give an AWS EC2 instance its earlier groups and profile",
    sentence="Give the interfaces of instance {instance} in region {region} of AWS account"
    " {account} the named security groups again, and the instance the named profile.",
    headline="Restore AWS instance {instance} (region {region}, account {account})",
    headlines=(
        "Restore {count} instances in region {region} of AWS account {account}",
        "Restore {count} instances in AWS account {account}",
        "Restore {count} AWS instances",
    ),
    done="Instance {instance} has its earlier security groups and profile.",
    undone=gettext_noop("the instance is isolated again"),
    target_kind=INSTANCE.kind,
    rollback=ISOLATE.kind,
    reversible=True,
    hard_timeout_s=60,
    propagation_s=300,
    pin_fields=(*_PIN, "earlier_rules"),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType(
        {
            "security_groups": Change(Op.SET, parameter="earlier_groups"),
            "profile": Change(Op.SET, parameter="earlier_profile"),
        }
    ),
    grants_access=True,
    parameters=_EARLIER,
    example=_EXAMPLE,
    ends_sessions=gettext_noop("It ends no session."),
    shows=("earlier_rules",),
    limits=(
        Limit(
            "profile_role",
            present=gettext_noop("It can get credentials of this role: {value}."),
            absent="",
            unknown=gettext_noop("It was not looked at of which role it gets credentials."),
        ),
        _AUTO_SCALING,
    ),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not say whether the instance is safe to use again."),
        gettext_noop(
            "It takes the plan's word that these groups and this profile are the earlier ones:"
            " compare them with the record of the isolation."
        ),
        gettext_noop(
            "It does not show what the rules of the groups let in. It stops if they change after"
            " people decided, so who changes them before each run holds it off."
        ),
        gettext_noop(
            "It does not look at the policies of the role: who may change them decides what the"
            " instance may do."
        ),
    ),
)
