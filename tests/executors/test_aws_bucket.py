"""Public access to a bucket is blocked, and what is not the approved bucket is left alone.

moto, simulated: it serves no public readers, so the tests look at the flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from remediation.domain.catalogue.aws_bucket import FLAGS
from remediation.domain.errors import TargetUnobservable
from remediation.executors import aws_bucket, aws_bucket_look, aws_client
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from tests.executors import moto
from tests.executors.aws_buckets import ALL_USERS, EARLIER, BucketWorld
from tests.executors.aws_trails import ELSEWHERE
from tests.executors.contract import clearance, make_plan
from tests.executors.test_aws_trail import Answers

BLOCK = "aws.bucket.block_public_access"
RESTORE = "aws.bucket.restore_public_access"
ALL = [*FLAGS]


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> BucketWorld:
    return BucketWorld(BLOCK, tmp_path, simulator)


def play(monkeypatch: pytest.MonkeyPatch, played: Mapping[str, Any]) -> list[str]:
    """Play answers; return the regions of the clients that are made."""
    regions: list[str] = []

    def client_of(*args: Any, **more: Any) -> Answers:
        regions.append(more.get("region", ""))
        return Answers(aws_client.client_of(*args, **more), played)

    monkeypatch.setattr(aws_bucket_look, "client_of", client_of)
    return regions


def test_who_loses_access_is_seen_and_then_kept_out(world: BucketWorld) -> None:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    by_acl = "everyone, by its ACL (READ)"
    assert seen.state == {"public_blocks": EARLIER, "region": "us-east-1"}
    assert seen.shown["policy_public"] is True and seen.shown["public_grants"] == [by_acl]
    assert seen.shown["open_now"] == [aws_bucket_look.BY_POLICY, by_acl]
    assert seen.shown["open_again"] == [] and seen.shown["website"] == ""
    [point] = executor_of(world.step).points(world.step, seen)
    assert point.without_access is False
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.flags() == ALL
    found = run_observe(world.step, targets)
    assert found.shown["open_again"] == [aws_bucket_look.BY_POLICY, by_acl]
    [point] = executor_of(world.step).points(world.step, found)
    assert point.without_access is True and found.shown["open_now"] == []
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.flags() == EARLIER


def test_a_bucket_without_a_configuration_counts_as_one_with_no_flag(world: BucketWorld) -> None:
    world.admins.delete_public_access_block(Bucket=world.name)
    world.admins.delete_bucket_policy(Bucket=world.name)
    page = {"IndexDocument": {"Suffix": "index.html"}}
    world.admins.put_bucket_website(Bucket=world.name, WebsiteConfiguration=page)
    plan, targets = make_plan(BLOCK, world.target, {"earlier_blocks": []}), world.targets()
    seen = run_observe(plan.steps[0], targets)
    assert seen.state["public_blocks"] == [] and seen.shown["policy_public"] is False
    assert seen.shown["policy_digest"] == ""
    assert seen.shown["website"] == "yes"
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.flags() == ALL
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.flags() == []


@pytest.mark.parametrize("earlier", [[], ["IgnorePublicAcls", "BlockPublicAcls"]])
def test_a_plan_that_names_other_earlier_flags_is_refused(
    world: BucketWorld, earlier: list[Any]
) -> None:
    plan = make_plan(BLOCK, world.target, {"earlier_blocks": earlier})
    with pytest.raises(NotApplied, match="earlier"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.flags() == EARLIER and not world.lines()


def test_flags_that_somebody_else_set_since_are_not_undone(world: BucketWorld) -> None:
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    run_apply(clearance(plan), plan.body, 0, targets, before)
    world.set_flags(ALL[:2])
    with pytest.raises(RollbackFailed, match="somebody else"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.flags() == ALL[:2]


def test_a_bucket_of_another_account_is_neither_read_nor_changed(world: BucketWorld) -> None:
    other = {**world.target, "account": moto.OTHER_ACCOUNT}
    plan = make_plan(BLOCK, other, {"earlier_blocks": EARLIER})
    text = world.toml().replace(moto.ACCOUNT, moto.OTHER_ACCOUNT)
    world.toml = lambda port=None: text  # type: ignore[method-assign]
    with pytest.raises(TargetUnobservable, match="AccessDenied"):
        run_observe(plan.steps[0], world.targets())
    with pytest.raises(NotApplied, match="AccessDenied"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.flags() == EARLIER


def test_calls_go_to_the_bucket_s_own_region(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions = play(monkeypatch, {"get_bucket_location": {"LocationConstraint": "EU"}})
    seen = run_observe(world.step, world.targets())
    assert seen.state["region"] == ELSEWHERE and regions == ["", ELSEWHERE]


GRANT = {
    "Grantee": {"Type": "Group", "URI": next(iter(aws_bucket_look.GROUPS))},
    "Permission": "READ",
}


@pytest.mark.parametrize(
    "played",
    [
        {"get_bucket_location": {"LocationConstraint": "evil.example.org/"}},
        {"get_public_access_block": {}},
        {"get_bucket_policy_status": {}},
        {"get_bucket_policy": {"Policy": 7}},
        {"get_bucket_acl": {"Grants": [GRANT] * 101}},
        {"get_bucket_acl": {"Grants": [{**GRANT, "Permission": "<b>"}]}},
    ],
)
def test_a_strange_answer_is_no_observation(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch, played: dict[str, Any]
) -> None:
    play(monkeypatch, played)
    with pytest.raises(TargetUnobservable):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.flags() == EARLIER and not world.lines()


def test_a_lost_answer_leaves_the_outcome_open_and_the_next_look_tells(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost:
        def put_public_access_block(self, **arguments: Any) -> None:
            world.admins.put_public_access_block(**arguments)
            raise ConnectionResetError

    monkeypatch.setattr(aws_bucket, "operating_client", lambda *_, **__: Lost())
    monkeypatch.setattr(aws_bucket, "stay", lambda client: client)
    plan, targets = world.plan(), world.targets()
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert run_observe(world.step, targets).state["public_blocks"] == ALL


@pytest.mark.parametrize("end", ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"])
def test_the_alias_of_an_access_point_is_not_taken_for_a_bucket(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    regions = play(monkeypatch, {})
    plan = make_plan(BLOCK, {**world.target, "bucket": f"prices{end}"}, {"earlier_blocks": []})
    with pytest.raises(TargetUnobservable, match="access point"):
        run_observe(plan.steps[0], world.targets())
    assert not regions, "nothing is asked"


def test_a_bucket_that_moved_to_another_region_is_not_followed_there(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner deletes it and makes one of its name elsewhere, between the look and the change."""
    sent: list[str] = []

    def moved(request: Any, **_: Any) -> Any:
        sent.append(request.url)
        raw = BytesIO(b"<Error><Code>PermanentRedirect</Code></Error>")
        raw.stream = lambda *_, **__: iter([raw.getvalue()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, 301, {"x-amz-bucket-region": ELSEWHERE}, raw)

    def operating(*args: Any, **more: Any) -> Any:
        client = aws_client.operating_client(*args, **more)
        client.meta.events.register("before-send.s3", moved)
        return client

    monkeypatch.setattr(aws_bucket, "operating_client", operating)
    plan = world.plan()
    with pytest.raises((NotApplied, OutcomeUnknown), match="PermanentRedirect"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert len(sent) == 1 and world.flags() == EARLIER


def opened_unseen(world: BucketWorld, what: str) -> None:
    """Change what the flags keep out, and leave flags and policy status as people saw them."""
    world.set_flags([])
    if what == "acl":
        world.admins.put_bucket_acl(Bucket=world.name, GrantWrite=ALL_USERS)
    else:
        world.set_policy("*", "s3:*")
    world.set_flags(ALL)


@pytest.mark.parametrize(("what", "why"), [("acl", "public_grants"), ("policy", "policy_digest")])
def test_what_nobody_saw_is_not_opened_by_a_restore(
    simulator: moto.Moto, tmp_path: Path, what: str, why: str
) -> None:
    world = BucketWorld(RESTORE, tmp_path, simulator)
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    opened_unseen(world, what)
    assert run_observe(world.step, targets).state != seen.state, "the gate finds it stale"
    with pytest.raises(NotApplied, match=why):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.flags() == ALL and not world.lines()


@pytest.mark.parametrize(("what", "why"), [("acl", "public_grants"), ("policy", "policy_digest")])
def test_what_nobody_saw_is_not_opened_by_undoing_a_block(
    world: BucketWorld, what: str, why: str
) -> None:
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    run_apply(clearance(plan), plan.body, 0, targets, before)
    opened_unseen(world, what)
    with pytest.raises(RollbackFailed, match=why):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.flags() == ALL


def test_what_is_opened_between_look_and_call_does_not_confirm_and_is_closed_again(
    simulator: moto.Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 has no call that changes the flags only if the ACL is still the one that was read."""
    monkeypatch.setattr("remediation.executors.aws_policy_action.VERIFY_SECONDS", 0.0)
    world = BucketWorld(RESTORE, tmp_path, simulator)
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))

    def operating(*args: Any, **more: Any) -> Any:
        opened_unseen(world, "acl")
        return aws_client.operating_client(*args, **more)

    monkeypatch.setattr(aws_bucket, "operating_client", operating)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    with pytest.raises(VerifyFailed, match="public_grants"):
        run_verify(clearance(plan), plan.body, 0, targets, before)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.flags() == ALL


def test_who_changes_policy_or_acl_cannot_hold_off_a_block(world: BucketWorld) -> None:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    world.set_policy({"AWS": f"arn:aws:iam::{moto.OTHER_ACCOUNT}:user/reader"})
    world.admins.put_bucket_acl(Bucket=world.name, GrantWrite=ALL_USERS)
    assert run_observe(world.step, targets).state == seen.state
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.flags() == ALL


def digests(world: BucketWorld, monkeypatch: pytest.MonkeyPatch, *policies: str) -> set[Any]:
    found = set()
    for policy in policies:
        play(monkeypatch, {"get_bucket_policy": {"Policy": policy}})
        found.add(run_observe(world.step, world.targets()).shown["policy_digest"])
    return found


def test_blanks_and_order_are_no_other_policy(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(digests(world, monkeypatch, '{"a":1,"b":2}', '{ "b": 2, "a": 1 }')) == 1


def test_a_policy_that_parsers_read_differently_has_a_digest_of_its_own(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who writes one could hold off a block, or be taken for what people saw."""
    odd = ('{"a":2}', '{"a":1,"a":2}', '{"a":2.0}', "{", f'{{"a":"{"x" * 30_000}"}}', '{"é":2}')
    assert len(digests(world, monkeypatch, *odd)) == len(odd)


def test_what_is_opened_while_a_block_is_undone_is_told(
    world: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    run_apply(clearance(plan), plan.body, 0, targets, before)

    def operating(*args: Any, **more: Any) -> Any:
        opened_unseen(world, "acl")
        return aws_client.operating_client(*args, **more)

    monkeypatch.setattr(aws_bucket, "operating_client", operating)
    with pytest.raises(RollbackFailed, match="public_grants"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
