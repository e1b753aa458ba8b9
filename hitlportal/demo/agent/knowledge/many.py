"""Rules for bursts: too many different things by one credential in ten minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hitlportal.demo.agent.bursts import BurstRule
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.rules import (
    CREDENTIALS,
    DISCOVERY,
    EXECUTION,
    IMPACT,
    LATERAL,
    calls,
    request,
)


def named(*path: str) -> Callable[[Record], Iterator[str]]:
    """Return a function that yields the string, or the list of strings, at ``path``."""

    def things(record: Record) -> Iterator[str]:
        value = record.value(*path)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and item:
                yield item

    return things


def decrypted_names(record: Record) -> Iterator[str]:
    """Return the parameters requested in clear text."""
    if record.value("requestParameters", "withDecryption") is True:
        yield from named("requestParameters", "names")(record)
        yield from named("requestParameters", "name")(record)


def instance_or_call(record: Record) -> Iterator[str]:
    """Return the requested instance; refused calls do not name it, so each counts separately."""
    yield record.text("requestParameters", "instanceId") or record.digest


def each_call(record: Record) -> Iterator[str]:
    """Count every call separately."""
    yield record.digest


def user_data_of(record: Record) -> Iterator[str]:
    """Return the instance whose user data is read."""
    if record.text("requestParameters", "attribute") == "userData":
        yield from instance_or_call(record)


BURST_RULES = (
    BurstRule(
        "secrets_read",
        CREDENTIALS,
        55,
        calls("secretsmanager", "GetSecretValue"),
        named("requestParameters", "secretId"),
        5,
        "read {count} different secrets within ten minutes",
        request("secretId"),
        "Rotate the secrets that were read: their contents are exposed.",
    ),
    BurstRule(
        "secrets_read_in_batches",
        CREDENTIALS,
        50,
        calls("secretsmanager", "BatchGetSecretValue"),
        each_call,
        2,
        "read secrets in {count} batches within ten minutes",
        request("maxResults"),
        "Rotate the secrets that were read: their contents are exposed.",
    ),
    BurstRule(
        "mail_probed",
        DISCOVERY,
        40,
        calls("ses", "GetAccount", "GetAccountSendingEnabled", "GetSendQuota", "ListIdentities")
        | calls("ses", "GetIdentityVerificationAttributes", "ListEmailIdentities"),
        lambda record: [record.call],
        3,
        "looked in {count} ways whether the account can send mail in bulk",
    ),
    BurstRule(
        "objects_deleted",
        IMPACT,
        45,
        calls("s3", "DeleteObject", "DeleteObjects"),
        each_call,
        20,
        "deleted objects in {count} calls within ten minutes",
        request("bucketName", "key"),
        "Restore the objects from versions or backups.",
    ),
    BurstRule(
        "parameters_decrypted",
        CREDENTIALS,
        55,
        calls("ssm", "GetParameter", "GetParameters"),
        decrypted_names,
        10,
        "read {count} different parameters in clear within ten minutes",
        (("requestParameters", "withDecryption"), ("requestParameters", "names", 0)),
        "Rotate what the parameters hold: their contents are exposed.",
    ),
    BurstRule(
        "passwords_of_instances",
        CREDENTIALS,
        55,
        calls("ec2", "GetPasswordData"),
        instance_or_call,
        5,
        "asked for the administrator password of instances {count} times within ten minutes",
        (("requestParameters", "instanceId"), ("errorCode",)),
    ),
    BurstRule(
        "user_data_read",
        DISCOVERY,
        40,
        calls("ec2", "DescribeInstanceAttribute"),
        user_data_of,
        5,
        "read the start-up scripts of instances {count} times within ten minutes",
        (("requestParameters", "attribute"), ("errorCode",)),
    ),
    BurstRule(
        "sessions_on_many",
        LATERAL,
        50,
        calls("ssm", "StartSession"),
        named("requestParameters", "target"),
        3,
        "opened remote sessions on {count} instances within ten minutes",
        request("target"),
        "Examine the instances that were reached by remote session.",
    ),
    BurstRule(
        "commands_on_many",
        EXECUTION,
        45,
        calls("ssm", "SendCommand"),
        named("requestParameters", "instanceIds"),
        3,
        "sent a command to {count} instances within ten minutes",
        (("requestParameters", "documentName"), ("requestParameters", "instanceIds", 0)),
        "Examine the instances that ran the command.",
    ),
    BurstRule(
        "ssh_keys_on_many",
        LATERAL,
        50,
        calls("ec2-instance-connect", "SendSSHPublicKey", "SendSerialConsoleSSHPublicKey"),
        named("requestParameters", "instanceId"),
        3,
        "pushed an SSH key to {count} instances within ten minutes",
        request("instanceId"),
        "Examine the instances that were reached with the pushed SSH key.",
    ),
)
