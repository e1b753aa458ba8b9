"""Rules over several records: refusals, enumerations, sequences, sign-ins, root.

Each takes one principal and its records in order of time, and returns a few signals at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitlportal.demo.agent.bursts import densest
from hitlportal.demo.agent.principal import Kind, Principal, instance_of
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.rules import ACCESS, DISCOVERY, EXECUTION, calls
from hitlportal.demo.agent.signals import Path, Signal

DENIED = ("AccessDenied", "UnauthorizedOperation", "Forbidden")
READS = ("Get", "List", "Describe")
# Calls about users and detectors, which a workload does not need.
RECONNAISSANCE = (
    calls("iam", "ListUsers", "ListRoles", "GetAccountSummary", "GetAccountAuthorizationDetails")
    | calls("cloudtrail", "DescribeTrails")
    | calls("guardduty", "ListDetectors", "GetDetector")
    | calls("organizations", "DescribeOrganization", "ListAccounts")
    | calls("secretsmanager", "ListSecrets")
    | calls("s3", "ListBuckets")
    | calls("sts", "GetCallerIdentity")
)


def denied(record: Record) -> Iterator[str]:
    """Return the key of a refused call; each call counts separately."""
    if any(word in record.text("errorCode") for word in DENIED):
        yield record.digest


def denied_burst(principal: Principal, records: Sequence[Record]) -> list[Signal]:
    """Signal many refusals: somebody tries what a credential can do."""
    count, kept = densest(records, denied)
    if count < 10:
        return []
    says = f"was refused {count} calls within ten minutes, as when rights are tried out"
    return [Signal("denied_burst", DISCOVERY, 25, principal, says, kept, (("errorCode",),))]


def enumeration(principal: Principal, records: Sequence[Record]) -> list[Signal]:
    """Signal many kinds of reading calls over several services; alone below the threshold."""
    reads = [r for r in records if r.event.startswith(READS)]
    count, kept = densest(reads, lambda r: [r.call])
    if count < 12 or len({r.service for r in kept}) < 3:
        return []
    says = f"made {count} different kinds of reading calls within ten minutes"
    return [Signal("enumeration", DISCOVERY, 15, principal, says, kept)]


def user_data_swapped(principal: Principal, records: Sequence[Record]) -> list[Signal]:
    """Signal stop, new start-up script, start on one instance: the script runs as root."""
    signals = []
    for change in records:
        instance = change.text("requestParameters", "instanceId")
        if change.call != "ec2:ModifyInstanceAttribute" or change.failed:
            continue
        if not change.value("requestParameters", "userData") or not instance:
            continue
        stop = _state_change(records, "ec2:StopInstances", instance, change, before=True)
        start = _state_change(records, "ec2:StartInstances", instance, change, before=False)
        around = tuple(r for r in (stop, change, start) if r is not None)
        weight = 60 if stop and start else 30
        says = "replaced the start-up script of an instance"
        says += ", which it stopped before and started after" if weight == 60 else ""
        cite: tuple[Path, ...] = (
            ("requestParameters", "instanceId"),
            ("requestParameters", "instancesSet", "items", 0, "instanceId"),
        )
        after = "Examine the instance whose start-up script was replaced, and its role."
        signals.append(
            Signal("user_data_swapped", EXECUTION, weight, principal, says, around, cite, after)
        )
    return signals[:1]


def _state_change(
    records: Sequence[Record], call: str, instance: str, change: Record, *, before: bool
) -> Record | None:
    """Return the nearest start or stop of ``instance`` before or after ``change``."""
    path = ("requestParameters", "instancesSet", "items", 0, "instanceId")
    hits = [
        r
        for r in records
        if r.call == call
        and r.text(*path) == instance
        and (r.time <= change.time if before else r.time >= change.time)
    ]
    return (hits[-1] if before else hits[0]) if hits else None


def sign_ins(principal: Principal, records: Sequence[Record]) -> list[Signal]:
    """Signal console sign-ins without a second factor from an unusual address.

    Only passwords that AWS checks: the factors of a federated sign-in are known to its provider.
    """
    if principal.kind not in (Kind.USER, Kind.ROOT):
        return []
    logins = [r for r in records if r.call == "signin:ConsoleLogin"]
    good = [r for r in logins if not r.failed]
    plain = [
        r
        for r in good
        if r.text("additionalEventData", "MFAUsed") == "No"
        and not r.text("additionalEventData", "SamlProviderArn")
    ]
    days: dict[str, set[str]] = {}
    for record in good:
        days.setdefault(record.address, set()).add(record.text("eventTime")[:10])
    fresh = tuple(r for r in plain if len(days[r.address]) < 2)
    signals = []
    if fresh:
        says = (
            "signed in to the console without a second factor, "
            "from an address not seen on another day"
        )
        cite: tuple[Path, ...] = (
            ("additionalEventData", "MFAUsed"),
            ("responseElements", "ConsoleLogin"),
        )
        after = "Deny everything to the identity and reset its password and second factor."
        signals.append(
            Signal("sign_in_without_mfa", ACCESS, 45, principal, says, fresh, cite, after)
        )
    return signals + _guessed(principal, logins)


def _guessed(principal: Principal, logins: Sequence[Record]) -> list[Signal]:
    """Signal failures followed by a success from one address."""
    for success in (r for r in logins if not r.failed):
        failures = [r for r in logins if r.failed and r.address == success.address]
        failures = [r for r in failures if r.time < success.time]
        if len(failures) >= 3:
            says = f"signed in after {len(failures)} failed attempts from the same address"
            kept = (*failures, success)
            cite: tuple[Path, ...] = (("responseElements", "ConsoleLogin"),)
            return [Signal("password_guessed", ACCESS, 40, principal, says, kept, cite)]
    return []


def root_used(principal: Principal, records: Sequence[Record]) -> list[Signal]:
    """Signal changes by the root user; AWS advises never to use it."""
    if principal.kind is not Kind.ROOT:
        return []
    changes = tuple(
        r for r in records if r.text("eventType") == "AwsApiCall" and not r.event.startswith(READS)
    )
    if not changes:
        return []
    says = "changed the account through its API as the root user"
    after = "Reset the root user's password and second factor, through the account's owner."
    return [Signal("root_used", ACCESS, 30, principal, says, changes, (), after)]


def workload_looks_around(principal: Principal, records: Sequence[Record]) -> list[Signal]:
    """Signal an instance's role that asks about users and detectors: workloads do not."""
    if not instance_of(principal):
        return []
    count, kept = densest([r for r in records if r.call in RECONNAISSANCE], lambda r: [r.call])
    if count < 3:
        return []
    says = f"asked in {count} ways about users, roles and detectors with an instance's credentials"
    after = f"Isolate instance {instance_of(principal)}: somebody acts with its credentials."
    return [Signal("workload_recon", DISCOVERY, 45, principal, says, kept, (), after)]


PATTERNS = (
    denied_burst,
    enumeration,
    user_data_swapped,
    sign_ins,
    root_used,
    workload_looks_around,
)
