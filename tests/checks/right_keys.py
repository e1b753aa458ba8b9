"""Right stories about AWS keys: how they were used, and names that look alike."""

from __future__ import annotations

from hitlportal.demo.agent import postgres as postgres_agent
from remediation.domain.checks import Neighbour
from tests.checks.records import BENJAMIN, BERT_JAN, INVICTUS, LOG, PANTHER, by_key, case, of
from tests.checks.tale import Tale, aws, key, made_key, told


def reported_role() -> Tale:
    """The second detector of the reference agent, on the server's log."""
    (report,) = postgres_agent.reports(
        postgres_agent.read(LOG), "orders-db", "production", "2026-11-26T22:40:00Z"
    )
    return told(report)


def share() -> Tale:
    (record,) = case("exfiltration-ec2-share-ebs-snapshot")
    claim = (
        f"With key {key(record)['access_key_id']} of user christophe somebody shared snapshot "
        "snap-041993b54a9b3af6f with account 098797384747, at 2024-08-01T12:28:02Z from "
        "253.76.43.253."
    )
    return aws([record], [key(record)], [(claim, [0])])


def secrets() -> Tale:
    records = case("credential-access-secretsmanager-retrieve-secrets")
    shown = of(records, "GetSecretValue")
    claim = (
        f"20 secrets were read in four seconds (GetSecretValue, {shown[0]['eventTime']} – "
        f"{shown[-1]['eventTime']}) by {key(shown[0])['access_key_id']}, all from "
        "253.201.144.253; the same key listed them first (ListSecrets)."
    )
    return aws(records, [key(shown[0])], [(claim, [1, len(records) - 1])])


def stolen_instance() -> Tale:
    records = case("credential-access-ec2-steal-instance-credentials")
    owner = of(records, "SendCommand")[0]
    where = records.index(owner)
    stolen = records.index(of(records, "GetCallerIdentity")[0])
    claims = [
        (
            "User `christophe` ran a shell command on instance i-786a3A8B5C0d92eF4 (SendCommand).",
            [where],
        ),
        (
            "A minute later the instance's own role session (ASIAP5CT9NN8EYVU1FXV) was used from "
            "18.236.253.47, the address of christophe's calls: its credentials were taken.",
            [stolen, where],
        ),
        ("45 calls in all, 38 of them DescribeInstanceInformation while it waited.", [0, 1, 2]),
    ]
    return aws(records, [key(owner)], claims)


def denied() -> Tale:
    """Every attempt on the trail failed, and the claim says so."""
    records = [r for r in by_key(case(INVICTUS), BERT_JAN) if r.get("errorCode")]
    shown = [*of(records, "DeleteTrail")[:1], *of(records, "StopLogging")]
    claims = [
        (
            "The key tried to delete a trail (DeleteTrail at 2023-07-10T11:59:02Z); AWS answered "
            "TrailNotFoundException, nothing was deleted.",
            [0],
        ),
        (
            "Three StopLogging calls between 2023-07-10T12:00:42Z and 2023-07-10T12:01:27Z failed "
            "as well. Logging went on.",
            [1, 2, 3],
        ),
    ]
    return aws(shown, [key(shown[0])], claims)


def leave_denied() -> Tale:
    records = case(INVICTUS)
    leave = of(records, "LeaveOrganization")
    assume = [
        r
        for r in of(records, "AssumeRole", key=BERT_JAN)
        if "leave-org-role" in str(r["requestParameters"]) and not r.get("errorCode")
    ][-1]
    claims = [
        (f"{BERT_JAN} (bert-jan) assumed role stratus-red-team-leave-org-role.", [0]),
        ("That session called LeaveOrganization and was turned away: AccessDenied.", [1]),
    ]
    return aws([assume, *leave], [key(assume)], claims)


def nothing_there() -> Tale:
    """Reading calls whose "error" says only that nothing is configured."""
    records = [r for r in by_key(case(INVICTUS), BENJAMIN) if "10.248" in r["sourceIPAddress"]]
    claims = [
        (
            "The key walked through the buckets in ten seconds: GetBucketAcl, "
            "GetBucketPolicyStatus and GetBucketPublicAccessBlock, one bucket after the other; "
            "some of them have no policy (NoSuchBucketPolicy).",
            [6, 7, 9, 12],
        )
    ]
    return aws(records, [key(records[0])], claims)


def tracy() -> Tale:
    """The intruder's own user, whose name is one letter away from an employee's."""
    records = case(PANTHER)
    kept = [
        r
        for r in records
        if "tracy_stone" in str(r)
        and r["eventName"] in ("CreateUser", "CreateAccessKey", "RunInstances")
    ]
    target = made_key(of(kept, "CreateAccessKey")[0])
    like = "aws.iam.access_key:493859302102/tracey_stone/AKIASWJJJ66ZZZ1I4IYY"
    claims = [
        ("Root created user tracy_stone (without the e of the employee tracey_stone).", [0]),
        ("Root gave tracy_stone access key AKIASWJJJ66ZZZII4IYY (CreateAccessKey).", [1]),
        ("That key started a p2.8xlarge instance (RunInstances) from 92.55.146.245.", [2]),
    ]
    return aws(
        kept,
        [target],
        claims,
        neighbours=(Neighbour(like, "Tracey Stone"), Neighbour(_locator(target))),
    )


def bert_jan_beside_benjamin() -> Tale:
    """Two real keys that differ in two characters; the evidence holds both, the plan the right."""
    records = case(INVICTUS)
    mine = [*of(records, "GetSecretValue", key=BERT_JAN)[:8], *of(records, "SendCommand")[:1]]
    other = by_key(records, BENJAMIN)[:4]
    like = f"aws.iam.access_key:123837392027/benjamin/{BENJAMIN}"
    claims = [
        (f"{BERT_JAN} read one secret after the other (GetSecretValue).", range(8)),
        ("The same key ran a command on an instance through SSM.", [8]),
        (f"benjamin's key {BENJAMIN} only read bucket settings; it is left alone.", [9, 10]),
    ]
    return aws(
        [*mine, *other],
        [key(mine[0])],
        claims,
        neighbours=(Neighbour(like), Neighbour(_locator(key(mine[0])))),
    )


def _locator(target: dict[str, str]) -> str:
    return "aws.iam.access_key:{account}/{user}/{access_key_id}".format(**target)
