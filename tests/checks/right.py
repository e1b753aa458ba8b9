"""Right proposals: what the reference agent reports, and tales in other words."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from hitlportal.demo.agent import postgres as postgres_agent
from remediation.domain.checks import Neighbour, OpenProposal
from tests.agent.cases import ATTACKS, reported
from tests.checks.records import BENJAMIN, BERT_JAN, INVICTUS, LOG, PANTHER, by_key, case, lines, of
from tests.checks.sample import Sample
from tests.checks.tale import Tale, aws, key, made_key, postgres, told

TELEMETRY = frozenset({"telemetry_switched_off"})
SIBLING = frozenset({"sibling_credential"})
# What really happened in the cases that the agent reports on.
HONEST = {
    INVICTUS: TELEMETRY,
    "stratus-defense-evasion-cloudtrail-delete": TELEMETRY,
    "stratus-defense-evasion-cloudtrail-stop": TELEMETRY,
    "stratus-defense-evasion-dns-delete-logs": TELEMETRY,
    "stratus-defense-evasion-vpc-remove-flow-logs": TELEMETRY,
    # The intruder made a key of the root user, and no action of the catalogue takes it away.
    PANTHER: SIBLING,
}


def _reported() -> list[Sample]:
    return [
        Sample(f"agent: {name}", partial(told, report), honest=HONEST.get(name, frozenset()))
        for name in ATTACKS
        for report in reported(name)
        if "proposal" in report
    ]


# --- tales of AWS keys


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
    """Every attempt on the trail failed, and is told so."""
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
    """AWS tells the last use a little later than the trail does."""
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
    """Two keys of one user, both in wrong hands, both in the plan."""
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
    """Names as people have them, not only in ASCII."""
    tale = share()
    (document,) = tale.documents()
    document["Records"][0]["requestParameters"]["description"] = "Przegląd – Łukasz Żółć, 東京支店"
    tale.rewrite([document])
    tale.claims[0]["text"] += " The snapshot's description is “Przegląd – Łukasz Żółć, 東京支店”."
    tale.report["proposal"]["rationale"] += " Ansprechpartnerin: José Müller-Großmann."
    return tale


def talks_of_approval() -> Tale:
    """Names of things that only look like orders to the reader."""
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
    """Naming what did not happen."""
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
    """Failed sign-ins before the one that worked, told apart."""
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
    """Some calls failed, others did not; the claim counts both."""
    records = of(by_key(case(INVICTUS), BERT_JAN), "RunInstances")
    claims = [
        (
            f"{len(records)} RunInstances calls; some were refused for a wrong instance profile, "
            "the others started instances.",
            range(len(records)),
        )
    ]
    return aws(records, [key(records[0])], claims)


# --- tales of database roles


def orders_role() -> Tale:
    said = lines("app_orders")
    at = {part: n for n, line in enumerate(said) for part in [line.message]}
    claims = [
        (
            "Role app_orders asked for the password hashes of roles and was refused.",
            [
                at["statement: select rolpassword from pg_authid"],
                at["permission denied for table pg_authid"],
            ],
        ),
        (
            "It tried to run a program on the server; PostgreSQL refused that too.",
            [at["statement: copy (select 1) to program 'id'"]],
        ),
        (
            "Three tables that it has no right to read were tried, each in vain.",
            [n for n, line in enumerate(said) if "permission denied for table c" in line.message],
        ),
    ]
    near = ("app_orders_ro", "app_orders_rw", "app_orders2")
    return postgres(
        said,
        "app_orders",
        claims,
        neighbours=tuple(
            Neighbour(f"postgres.role:orders-db/{name}") for name in ("app_orders", *near)
        ),
    )


def glass() -> Tale:
    """A service about glass that breaks, and one of an emergency room: no break-glass account."""
    said = lines("billing_sync")
    tale = postgres(
        said, "billing_sync", [("Role billing_sync ran psql, as it never did.", [0, 1])]
    )
    tale.world["neighbours"] = (
        Neighbour("postgres.role:orders-db/billing_sync", "Glass breakage claims, emergency room"),
        Neighbour("postgres.role:orders-db/break_glass", "Break-glass administrator"),
    )
    return tale


def few_sessions() -> Tale:
    """Seen minutes ago, in the evidence itself; no session is open now."""
    tale = orders_role()
    last = "2026-11-26 22:31:53+00"
    tale.world["assessed_at"] = datetime.fromisoformat("2026-11-26T22:36:00Z")
    return tale.see(sessions=0, last_activity=last)


def denied_setting() -> Tale:
    """It tried to switch statement logging off, without success."""
    said = lines("app_orders")
    numbers = [n for n, line in enumerate(said) if "log_statement" in line.message]
    claims = [
        ("It tried to switch statement logging off (ALTER SYSTEM); permission denied.", numbers)
    ]
    return postgres(said, "app_orders", claims)


RIGHT: tuple[Sample, ...] = (
    *_reported(),
    Sample("agent: a role's log", reported_role),
    Sample("a snapshot is shared", share),
    Sample("twenty secrets are read", secrets, hard=True),
    Sample("an instance's credentials are taken, 45 events", stolen_instance, hard=True),
    Sample("denied attempts are told as denied", denied, hard=True),
    Sample("leaving the organisation is denied", leave_denied, hard=True),
    Sample("errors that say only: nothing there", nothing_there, hard=True),
    Sample("tracy beside tracey", tracy, hard=True),
    Sample("bert-jan beside benjamin", bert_jan_beside_benjamin, hard=True),
    Sample("recent use is the intruder's", own_use, hard=True),
    Sample("recent use is the intruder's, told coarsely", own_use_coarse, hard=True),
    Sample("last used days ago", long_unused),
    Sample("the second key is off", second_key_off, hard=True),
    Sample("both keys are in the plan", both_keys, hard=True),
    Sample("the second key is the rotation's", rotation, honest=SIBLING, hard=True),
    Sample("made keys go first", made_first),
    Sample("names in other scripts", other_scripts, hard=True),
    Sample("names that talk of approval", talks_of_approval, hard=True),
    Sample("times as people write them", local_times, hard=True),
    Sample("a range of addresses", range_of_addresses, hard=True),
    Sample("naming what did not happen", absence, hard=True),
    Sample("looking at the trail", looks_at_the_trail, hard=True),
    Sample("an open proposal about a neighbour", other_open_proposal, hard=True),
    Sample("in use, in staging", staging_in_use, hard=True),
    Sample("failed sign-ins told apart", console_failures, hard=True),
    Sample("some calls failed", mixed_outcomes, hard=True),
    Sample("a role tries what it may not", orders_role, hard=True),
    Sample("glass that breaks", glass, hard=True),
    Sample("a role without sessions", few_sessions),
    Sample("a denied setting", denied_setting, hard=True),
)
