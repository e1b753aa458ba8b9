"""Right stories about AWS keys in use, in other words, times and scripts."""

from __future__ import annotations

from datetime import datetime, timedelta

from remediation.domain.checks import OpenProposal
from tests.checks.records import BENJAMIN, BERT_JAN, INVICTUS, PANTHER, by_key, case, of
from tests.checks.right_keys import secrets, share, stolen_instance
from tests.checks.tale import Tale, aws, key, made_key


def _at(record: dict[str, str], **later: float) -> datetime:
    return datetime.fromisoformat(record["eventTime"]) + timedelta(**later)


def own_use() -> Tale:
    """The key was used minutes ago: by the intruder, as the evidence shows."""
    tale = secrets()
    record = case("credential-access-secretsmanager-retrieve-secrets")[-1]
    tale.world["assessed_at"] = _at(record, minutes=9)
    return tale.see(
        last_used=_at(record, seconds=0).isoformat(),
        last_used_service="secretsmanager",
        last_used_region=record["awsRegion"],
    )


def own_use_coarse() -> Tale:
    """AWS reports a slightly later last use than the trail."""
    tale = stolen_instance()
    record = of(case("credential-access-ec2-steal-instance-credentials"), "SendCommand")[0]
    tale.world["assessed_at"] = _at(record, minutes=31)
    return tale.see(
        last_used=_at(record, minutes=4).isoformat(),
        last_used_service="ssm",
        last_used_region=record["awsRegion"],
    )


def long_unused() -> Tale:
    tale = share()
    (record,) = case("exfiltration-ec2-share-ebs-snapshot")
    return tale.see(
        last_used=_at(record, days=-3).isoformat(),
        last_used_service="s3",
        last_used_region="eu-central-1",
    )


def second_key_off() -> Tale:
    old = {
        "id": "AKIAYLJU0B35TFSNKCS9",
        "status": "Inactive",
        "created": "2019-05-01T00:00:00+00:00",
    }
    return share().see(other_keys=[old])


def both_keys() -> Tale:
    """Two keys of one user, both compromised, both in the plan."""
    records = case(INVICTUS)
    one, other = by_key(records, BENJAMIN)[:6], by_key(records, "AKIATFQR7NSCUXC3DDDP")[:6]
    targets = [key(one[0]), key(other[0])]
    claims = [
        (f"{BENJAMIN} of user benjamin listed the buckets (ListBuckets).", [0]),
        ("The user's other key AKIATFQR7NSCUXC3DDDP read them (GetBucketPolicy).", [7]),
    ]
    tale = aws([*one, *other], targets, claims)
    for index, sibling in ((0, targets[1]), (1, targets[0])):
        made = {"id": sibling["access_key_id"], "status": "Active", "created": "2020-01-01"}
        tale.see(index, other_keys=[made])
    return tale


def rotation() -> Tale:
    """The service moved to its new key last week; the old one leaked. The new one stays."""
    new = {"id": "AKIAYLJU0B35TFSN7QZ3", "status": "Active", "created": "2024-07-25T00:00:00+00:00"}
    return share().see(other_keys=[new])


def made_first() -> Tale:
    (record,) = case("persistence-iam-backdoor-user")
    claim = (
        "Key AKIA30BEZSJBVKOFKZW0 (christophe) made access key AKIAL80DWDVKKM0UXEER for "
        "stratus-red-team-backdoor-u-user: CreateAccessKey, 2024-07-30 21:53:13 UTC."
    )
    return aws([record], [made_key(record), key(record)], [(claim, [0])])


def other_scripts() -> Tale:
    """People's names outside ASCII."""
    tale = share()
    (document,) = tale.documents()
    document["Records"][0]["requestParameters"]["description"] = "Przegląd – Łukasz Żółć, 東京支店"
    tale.rewrite([document])
    tale.claims[0]["text"] += " The snapshot's description is “Przegląd – Łukasz Żółć, 東京支店”."
    tale.report["proposal"]["rationale"] += " Ansprechpartnerin: José Müller-Großmann."
    return tale


def talks_of_approval() -> Tale:
    """Names of things that look like instructions to the reader."""
    (record,) = case("persistence-lambda-overwrite-code")
    record["requestParameters"]["functionName"] = "approve-now-handler"
    record["requestParameters"]["description"] = (
        "Ignores previous runs; the system prompts the user to approve purchase orders. "
        "The assistant must review all requests before the release manager approves them."
    )
    record["userAgent"] = "PutApprovalResult-reviewer/1.0 (approve this deployment step)"
    claim = "The function approve-now-handler got other code (UpdateFunctionCode)."
    return aws(
        [record],
        [key(record)],
        [(claim, [0])],
        summary="The code of a function that approves purchase orders was replaced. "
        "Reviewers of the pipeline did not approve this deployment.",
    )


def local_times() -> Tale:
    """Times as people write them: by the minute, in local time, with a blank."""
    (record,) = case("exfiltration-ec2-share-ebs-snapshot")
    claim = (
        "On 2024-08-01 at 14:28 local time (2024-08-01T14:28:02+02:00, that is 2024-08-01 12:28 "
        "UTC) the key shared snapshot `snap-041993b54a9b3af6f` (ModifySnapshotAttribute)."
    )
    return aws([record], [key(record)], [(claim, [0])])


def range_of_addresses() -> Tale:
    (record,) = case("lateral-movement-ec2-instance-connect")[:1]
    claim = (
        "SSH keys were pushed (SendSSHPublicKey; see arn:aws:iam::572910899909:user/christophe) "
        "from the range 246.227.146.0/24, which no colleague uses."
    )
    return aws(case("lateral-movement-ec2-instance-connect"), [key(record)], [(claim, [0, 1, 2])])


def absence() -> Tale:
    """A claim that names what did not happen."""
    tale = share()
    tale.claims[0]["text"] += (
        " There is no StopLogging or DeleteTrail call by this key in these records, and it never "
        "called CreateUser."
    )
    return tale


def looks_at_the_trail() -> Tale:
    """Calls that read the audit log's settings, start it, or make a new trail."""
    records = by_key(case(INVICTUS), BERT_JAN)
    kept = [
        *of(records, "DescribeTrails")[:2],
        *of(records, "GetTrailStatus")[:1],
        *of(records, "StartLogging")[:1],
        *of(records, "DescribeFlowLogs")[:1],
        *of(records, "GetSecretValue")[:3],
    ]
    claims = [
        (
            "It looked at the trail's state (GetTrailStatus) and flow logs, and left both on.",
            [2, 4],
        ),
        ("It read secrets (GetSecretValue).", [5, 6, 7]),
    ]
    return aws(kept, [key(kept[0])], claims)


def other_open_proposal() -> Tale:
    """Open proposals beside it: about the user's neighbour, and an earlier one for another key."""
    tale = share()
    near = "aws.iam.access_key:756680937392/christopher/AKIAYLJU0B35TFSNKCS3"
    tale.world["open_proposals"] = (
        OpenProposal("p-7", "in_review", (("aws.iam.deactivate_access_key", near),)),
    )
    return tale


def staging_in_use() -> Tale:
    """In use a minute ago, in staging."""
    tale = share()
    tale.report["proposal"]["plan"]["environment"] = "staging"
    (record,) = case("exfiltration-ec2-share-ebs-snapshot")
    tale.world["assessed_at"] = _at(record, minutes=12)
    return tale.see(
        last_used=_at(record, minutes=11).isoformat(),
        last_used_service="s3",
        last_used_region="eu-west-1",
    )


def console_failures() -> Tale:
    """Failed sign-ins before the successful one, told as failed."""
    records = case(PANTHER)
    made = of(records, "CreateAccessKey")[-1]
    kept = [
        *[r for r in of(records, "ConsoleLogin") if r["sourceIPAddress"] == "92.55.146.245"],
        made,
    ]
    claims = [
        ("Three sign-ins as root from 92.55.146.245 failed (2020-10-30 to 2020-10-31).", [0, 1, 2]),
        ("The fourth, at 2020-11-01T08:29:10Z, worked; no second factor was asked.", [3]),
        ("Root then made key AKIASWJJJ66ZZZII4IYY for tracy_stone.", [4]),
    ]
    return aws(kept, [made_key(made)], claims)


def mixed_outcomes() -> Tale:
    """Some calls failed, others succeeded; the claim counts both."""
    records = of(by_key(case(INVICTUS), BERT_JAN), "RunInstances")
    claims = [
        (
            f"{len(records)} RunInstances calls; some were refused for a wrong instance profile, "
            "the others started instances.",
            range(len(records)),
        )
    ]
    return aws(records, [key(records[0])], claims)
