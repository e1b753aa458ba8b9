"""Rules for calls that expose data: shares, resource policies, open ports."""

from __future__ import annotations

from hitlportal.demo.agent import grants, policies
from hitlportal.demo.agent.rules import EXFILTRATION, CallRule, calls, request

RULES = (
    CallRule(
        "resource_policy_opened",
        EXFILTRATION,
        55,
        calls("s3", "PutBucketPolicy")
        | calls("kms", "PutKeyPolicy")
        | calls("secretsmanager", "PutResourcePolicy")
        | calls("ecr", "SetRepositoryPolicy")
        | calls("sqs", "SetQueueAttributes"),
        "opened a resource to everyone or to another account",
        request("bucketName", "keyId", "secretId", "repositoryName", "queueUrl"),
        when=policies.policy_opened,
        attempt=25,
        after="Restore the resource's policy.",
    ),
    CallRule(
        "copy_shared",
        EXFILTRATION,
        60,
        calls("ec2", "ModifySnapshotAttribute", "ModifyImageAttribute")
        | calls("rds", "ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute"),
        "shared a snapshot or image with another account or everyone",
        (
            ("requestParameters", "snapshotId"),
            ("requestParameters", "imageId"),
            ("requestParameters", "createVolumePermission", "add", "items", 0, "userId"),
            ("requestParameters", "createVolumePermission", "add", "items", 0, "group"),
            ("requestParameters", "launchPermission", "add", "items", 0, "userId"),
            ("requestParameters", "launchPermission", "add", "items", 0, "group"),
            ("requestParameters", "valuesToAdd", 0),
        ),
        when=grants.shared_outside,
        attempt=30,
        after="Take the share back: the copy stays readable until then.",
    ),
    CallRule(
        "door_opened",
        EXFILTRATION,
        50,
        calls("ec2", "AuthorizeSecurityGroupIngress")
        | calls("rds", "AuthorizeDBSecurityGroupIngress"),
        "opened a port that is not a public web service's to every address",
        (
            ("requestParameters", "groupId"),
            ("requestParameters", "cidrIp"),
            ("requestParameters", "fromPort"),
            ("requestParameters", "ipPermissions", "items", 0, "fromPort"),
            ("requestParameters", "ipPermissions", "items", 0, "ipRanges", "items", 0, "cidrIp"),
        ),
        when=grants.open_to_the_world,
        attempt=25,
        after="Remove the ingress rule.",
    ),
    CallRule(
        "replication_added",
        EXFILTRATION,
        30,
        calls("s3", "PutBucketReplication"),
        "set a bucket to copy itself elsewhere",
        request("bucketName"),
        attempt=15,
        after="Remove the replication rule.",
    ),
)
