"""Rules for calls that run code, reach an instance or destroy data."""

from __future__ import annotations

from hitlportal.demo.agent import grants
from hitlportal.demo.agent.rules import EXECUTION, IMPACT, LATERAL, CallRule, calls, request

RULES = (
    CallRule(
        "shell_command",
        EXECUTION,
        30,
        calls("ssm", "SendCommand"),
        "ran shell text on instances",
        (
            ("requestParameters", "documentName"),
            ("requestParameters", "instanceIds", 0),
        ),
        when=grants.runs_a_shell,
        attempt=15,
        after="Examine or isolate the instances that ran the command.",
    ),
    CallRule(
        "remote_session",
        EXECUTION,
        15,
        calls("ssm", "StartSession"),
        "opened a remote session on an instance",
        request("target"),
        attempt=10,
    ),
    CallRule(
        "ssh_key_pushed",
        LATERAL,
        30,
        calls("ec2-instance-connect", "SendSSHPublicKey", "SendSerialConsoleSSHPublicKey"),
        "pushed an SSH key to an instance",
        request("instanceId", "instanceOSUser"),
        attempt=15,
        after="Examine the instances that were reached with the pushed SSH key.",
    ),
    CallRule(
        "hungry_instances",
        EXECUTION,
        45,
        calls("ec2", "RunInstances"),
        "asked for accelerated, very large or very many instances",
        (
            ("requestParameters", "instanceType"),
            ("requestParameters", "instancesSet", "items", 0, "maxCount"),
            ("errorCode",),
        ),
        when=grants.hungry_instances,
        attempt=45,
        after="Stop the instances that were launched, after preserving them.",
    ),
    CallRule(
        "serial_console_enabled",
        LATERAL,
        40,
        calls("ec2", "EnableSerialConsoleAccess"),
        "enabled serial consoles for the whole account",
        attempt=20,
        after="Disable serial console access again.",
    ),
    CallRule(
        "model_access_bought",
        EXECUTION,
        40,
        calls("bedrock", "PutFoundationModelEntitlement", "PutUseCaseForModelAccess")
        | calls("bedrock", "CreateFoundationModelAgreement"),
        "requested access to paid models with a user's own credential",
        request("modelId"),
        when=grants.by_a_person,
        attempt=25,
    ),
    CallRule(
        "keys_destroyed",
        IMPACT,
        45,
        calls("kms", "ScheduleKeyDeletion", "DisableKey"),
        "scheduled an encryption key for deletion or disabled it",
        request("keyId"),
        attempt=20,
        after="Cancel the key's deletion.",
    ),
    CallRule(
        "objects_encrypted",
        IMPACT,
        45,
        calls("s3", "CopyObject"),
        "rewrote objects under an encryption key that only the caller has",
        request("bucketName", "key"),
        when=grants.encrypted_by_caller,
        attempt=20,
        after="Restore the objects from versions or backups.",
    ),
    CallRule(
        "backups_destroyed",
        IMPACT,
        45,
        calls("rds", "DeleteDBInstanceAutomatedBackup", "DeleteDBClusterAutomatedBackup")
        | calls("backup", "DeleteRecoveryPoint", "DeleteBackupVault"),
        "deleted backups",
        request("dbiResourceId", "recoveryPointArn"),
        attempt=20,
    ),
)
