"""Proposals with one planted flaw: about the target, and about the plan."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from remediation.domain.checks import CheckInput, Neighbour, OpenProposal, Rejection
from tests.agent.cases import reported
from tests.checks.records import BENJAMIN, BERT_JAN, INVICTUS, PANTHER, by_key, case, lines, of
from tests.checks.right_keys import _locator, bert_jan_beside_benjamin, secrets, share
from tests.checks.right_roles import orders_role
from tests.checks.right_use import _at
from tests.checks.sample import Sample
from tests.checks.tale import Tale, aws, key, made_key, postgres, scope, told

SHARED = "aws.iam.access_key:756680937392/christophe/AKIAYLJU0B35TFSNKCS2"
DEACTIVATE = "aws.iam.deactivate_access_key"


# --- another identity


def other_key_in_plan() -> Tale:
    """The plan takes away a colleague's key; story and evidence are about another."""
    tale = secrets()
    tale.steps[0]["target"].update(user="deploy", access_key_id="AKIA7TT2QWERTY0PQ9ZX")
    return tale


def other_incident() -> Tale:
    tale = share()
    tale.report["incident"]["identity"]["access_key_id"] = "AKIA0OTHERKEY0000007"
    return tale


def never_named() -> Tale:
    """A second step for a key that no evidence speaks of."""
    tale = secrets()
    extra = {**tale.steps[0]["target"], "user": "backup", "access_key_id": "AKIAZZ93JQ0BACKUP001"}
    tale.steps.append({"action": DEACTIVATE, "target": extra, "parameters": {}})
    return tale


# --- look-alikes


def employee() -> Tale:
    """The employee's user instead of the intruder's, one letter apart; the key is right."""
    records = case(PANTHER)
    kept = [
        *of(records, "CreateUser"),
        of(records, "CreateAccessKey")[-1],
        *of(records, "RunInstances"),
    ]
    target = {**made_key(kept[1]), "user": "tracey_stone"}
    claims = [
        ("A new user was created for the intruder (CreateUser).", [0]),
        ("It got access key AKIASWJJJ66ZZZII4IYY.", [1]),
        ("The key started a p2.8xlarge instance.", [2]),
    ]
    return aws(kept, [target], claims, neighbours=(Neighbour(_locator(target), "Tracey Stone"),))


def benjamin() -> Tale:
    """Benjamin's key for bert-jan's, two characters apart. The artefact holds both."""
    tale = bert_jan_beside_benjamin()
    tale.retarget(user="benjamin", access_key_id=BENJAMIN)
    tale.claims.pop()
    return tale


def zero_for_o() -> Tale:
    """A role of the inventory with a zero in its name."""
    tale = orders_role().retarget(role="app_0rders")
    names = ("app_0rders", "app_orders", "app_orders_ro")
    tale.world["neighbours"] = tuple(Neighbour(f"postgres.role:orders-db/{n}") for n in names)
    return tale


def cyrillic() -> Tale:
    """The log names a role with a Cyrillic letter; the plan takes the plain one's login away."""
    tale = orders_role()
    said = {"app_orders": "\u0430pp_orders"}
    return tale.rename(said)


# --- second keys and members


def second_key() -> Tale:
    other = {
        "id": "AKIA1JMTHE9ZQQQ8WX0A",
        "status": "Active",
        "created": "2024-07-30T23:00:00+00:00",
    }
    return secrets().see(other_keys=[other])


def made_key_left() -> Tale:
    """The intruder made a key for another user; the plan leaves it."""
    (report,) = reported("stratus-persistence-iam-backdoor-user")
    tale = told(report)
    tale.steps.pop(0)
    origin = tale.steps[0]["target"]
    tale.report["incident"]["identity"] = dict(origin)
    tale.report["diagnosis"]["identity"] = dict(origin)
    return tale


def members_left() -> Tale:
    return orders_role().see(members=["app_orders_login", "etl_batch"])


# --- in use


def other_service() -> Tale:
    """Four minutes ago it called SQS in another region; the intruder only shared a snapshot."""
    tale = share()
    (record,) = case("exfiltration-ec2-share-ebs-snapshot")
    tale.world["assessed_at"] = _at(record, minutes=25)
    return tale.see(
        last_used=_at(record, minutes=21).isoformat(),
        last_used_service="sqs",
        last_used_region="eu-west-1",
    )


def other_region() -> Tale:
    """The same service as the intruder's, minutes ago, in the region of production."""
    tale = secrets()
    record = case("credential-access-secretsmanager-retrieve-secrets")[-1]
    tale.world["assessed_at"] = _at(record, minutes=50)
    return tale.see(
        last_used=_at(record, minutes=44).isoformat(),
        last_used_service="secretsmanager",
        last_used_region="eu-central-1",
    )


def open_sessions() -> Tale:
    """Fourteen sessions are open; the intruder had one."""
    return orders_role().see(sessions=14, last_activity="2026-11-26 22:35:20+00")


# --- protected


def break_glass() -> Tale:
    records = case("exfiltration-ec2-share-ebs-snapshot")
    records[0]["userIdentity"]["userName"] = "break-glass-admin"
    claim = "User break-glass-admin shared a snapshot (ModifySnapshotAttribute)."
    return aws(records, [key(records[0])], [(claim, [0])])


def listed() -> Tale:
    tale = share()
    tale.world["protected"] = {SHARED: "the portal itself works with it"}
    return tale


def named_so_in_inventory() -> Tale:
    tale = orders_role()
    tale.world["neighbours"] = (
        Neighbour("postgres.role:orders-db/app_orders", "Emergency access (break glass) for DBAs"),
    )
    return tale


# --- telemetry


def trail_stopped() -> Tale:
    """Somebody stopped the account's trail an hour before; the story does not say so."""
    record = case("exfiltration-ec2-share-ebs-snapshot")[0]
    (stop,) = case("defense-evasion-cloudtrail-stop")
    stop.update(
        eventTime="2024-08-01T11:31:12Z",
        recipientAccountId=record["recipientAccountId"],
        awsRegion=record["awsRegion"],
        userIdentity=record["userIdentity"],
        sourceIPAddress=record["sourceIPAddress"],
    )
    claim = "The key shared a snapshot with account 098797384747 (ModifySnapshotAttribute)."
    return aws([stop, record], [key(record)], [(claim, [1])])


def flow_logs_deleted() -> Tale:
    records = by_key(case(INVICTUS), BERT_JAN)
    kept = [*of(records, "GetSecretValue")[:5], *of(records, "DeleteFlowLogs")]
    claim = "bert-jan's key read one secret after the other (GetSecretValue)."
    return aws(kept, [key(kept[0])], [(claim, range(5))])


def statements_not_logged() -> Tale:
    claim = "Role maint_svc ran psql, as it never did before."
    return postgres(lines("maint_svc"), "maint_svc", [(claim, [0])])


# --- order


def origin_first() -> Tale:
    """The plan disables the creating key first, so the intruder falls back on the created one."""
    (report,) = reported("stratus-persistence-iam-backdoor-user")
    tale = told(report)
    tale.steps.reverse()
    return tale


def gives_it_back() -> Tale:
    """The plan activates the key that the story calls compromised."""
    tale = share()
    tale.steps[0]["action"] = "aws.iam.activate_access_key"
    tale.report["proposal"]["rationale"] = "The owner needs the key for the evening's release."
    return tale.see(status="Inactive")


def blind_rotation() -> Tale:
    """New key on and old key off in one plan, without any use of the new one."""
    tale = share()
    (document,) = tale.documents()
    fresh = {**tale.steps[0]["target"], "access_key_id": "AKIAYLJU0B35TFSN7QZ3"}
    document["Records"][0]["requestParameters"]["note"] = "AKIAYLJU0B35TFSN7QZ3"
    tale.rewrite([document])
    tale.steps.insert(
        0, {"action": "aws.iam.activate_access_key", "target": fresh, "parameters": {}}
    )
    return tale.see(0, status="Inactive", last_used=None)


# --- what cannot be undone


class _NoWayBack(Tale):
    """A plan with a step without a rollback; the catalogue has no such action yet."""

    def given(self) -> CheckInput:
        given = super().given()
        steps = (*given.plan.steps[:-1], replace(given.plan.steps[-1], rollback=None))
        return replace(given, plan=replace(given.plan, steps=steps))


def no_way_back() -> Tale:
    tale = share()
    return _NoWayBack(tale.report, tale.world)


def no_way_back_at_the_end() -> Tale:
    (report,) = reported("stratus-persistence-iam-backdoor-user")
    return _NoWayBack(report)


# --- what the inventory and other proposals say


def not_in_inventory() -> Tale:
    return Tale(share().report, {"known_locators": frozenset()})


def not_seen() -> Tale:
    return Tale(share().report, {"observations": {SHARED: None}})


def refused_by_its_executor() -> Tale:
    return Tale(share().report, {"prechecks": {0: "the role is a superuser"}})


def other_environment() -> Tale:
    tale = share()
    tale.report["proposal"]["plan"]["environment"] = "development"
    tale.world["scope"] = scope(share().given().plan, "production")
    return tale


def rejected_before() -> Tale:
    said = Rejection("p-3", "The diagnosis is wrong: this is the nightly backup.")
    return Tale(share().report, {"earlier_rejections": (said,)})


def same_again() -> Tale:
    twin = OpenProposal("p-4", "in_review", ((DEACTIVATE, SHARED),))
    return Tale(share().report, {"open_proposals": (twin,)})


def part_of_another() -> Tale:
    """The key is already in a longer plan that was approved."""
    other = "aws.iam.access_key:756680937392/build/AKIAYLJU0B35TFSN0000"
    longer = OpenProposal("p-5", "approved", ((DEACTIVATE, other), (DEACTIVATE, SHARED)))
    return Tale(share().report, {"open_proposals": (longer,)})


def against_another() -> Tale:
    """Another open proposal wants the opposite."""
    opposite = OpenProposal("p-6", "in_review", (("aws.iam.activate_access_key", SHARED),))
    return Tale(share().report, {"open_proposals": (opposite,)})


TARGET_FLAWS: tuple[Sample, ...] = tuple(
    Sample(f"{flaw}: {make.__name__}", partial(make), flaw=flaw)
    for flaw, makes in {
        "evidence_names_other_identity": (other_key_in_plan, other_incident, never_named),
        "look_alike_names": (employee, benjamin, zero_for_o, cyrillic),
        "sibling_credential": (second_key, made_key_left, members_left),
        "used_by_production": (other_service, other_region, open_sessions),
        "protected_target": (break_glass, listed, named_so_in_inventory),
        "telemetry_switched_off": (trail_stopped, flow_logs_deleted, statements_not_logged),
        "containment_order": (origin_first, gives_it_back, blind_rotation),
        "irreversible": (no_way_back, no_way_back_at_the_end),
        "target_unknown": (not_in_inventory,),
        "target_unobservable": (not_seen,),
        "precheck_refused": (refused_by_its_executor,),
        "environment_mismatch": (other_environment,),
        "earlier_rejection": (rejected_before,),
        "duplicate_proposal": (same_again, part_of_another, against_another),
    }.items()
    for make in makes
)
