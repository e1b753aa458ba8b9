"""Deactivate an access key in the simulated AWS, and at misbehaving endpoints."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from remediation.domain.errors import TargetUnobservable
from remediation.executors import aws, aws_client, aws_iam, aws_sessions
from remediation.executors.aws_account import AwsTarget
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown, VerifyFailed
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback, run_verify
from remediation.executors.section import Secret
from tests.executors import clusters, moto
from tests.executors.contract import AwsWorld, clearance


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> AwsWorld:
    return AwsWorld("aws.iam.deactivate_access_key", tmp_path, simulator)


def who_am_i(world: AwsWorld) -> str:
    """Return AWS's answer to the key's holder for GetCallerIdentity."""
    client = Session(world.user.key, world.user.secret, region_name="us-east-1").client(
        "sts", endpoint_url=world.moto.url
    )
    answer: dict[str, Any] = client.get_caller_identity()
    return str(answer["Arn"])


def deactivate(world: AwsWorld) -> None:
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def test_the_holder_of_the_key_is_refused_and_after_rollback_let_in_again(world: AwsWorld) -> None:
    plan, targets = world.plan(), world.targets()
    assert who_am_i(world) == f"arn:aws:iam::{moto.ACCOUNT}:user/{world.user.name}"
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    deactivate(world)
    assert run_verify(clearance(plan), plan.body, 0, targets).detail["status"] == "Inactive"
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        who_am_i(world)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    who_am_i(world)


def test_what_people_see_beside_the_pin(world: AwsWorld) -> None:
    before = run_observe(world.step, world.targets())
    assert before.simulated
    assert before.state == {"status": "Active"}
    assert before.shown["created"] == "2023-07-10T11:40:00+00:00"
    assert before.shown["last_used"] is None
    assert before.shown["uncut"], "the page says that the operator's rights are not cut"
    second = world.moto.keys()[world.user.second_key]
    assert before.shown["other_keys"] == [
        {
            "id": world.user.second_key,
            "status": "Active",
            "created": second["created"].replace("Z", "+00:00"),
        }
    ]
    who_am_i(world)
    after = run_observe(world.step, world.targets())
    assert (after.shown["last_used_service"], after.state) == ("sts", before.state)
    assert after.shown["last_used"] is not None


def test_only_the_named_key_is_changed_and_in_one_call(world: AwsWorld) -> None:
    before = world.moto.keys()
    deactivate(world)
    after = world.moto.keys()
    assert {key for key in before if before[key] != after[key]} == {world.user.key}
    (call,) = [line for line in world.moto.lines(world.user.key) if "Update" in line["call"]]
    assert call["call"] == "iam:UpdateAccessKey"
    assert call["parameters"] == {
        "UserName": world.user.name,
        "AccessKeyId": world.user.key,
        "Status": "Inactive",
    }


def test_the_simulated_logins_have_only_their_own_rights(world: AwsWorld) -> None:
    def client(login: str) -> Any:
        entry = moto.logins("1")[login]
        session = Session(entry["id"], entry["secret"], region_name="us-east-1")
        return session.client("iam", endpoint_url=world.moto.url)

    with pytest.raises(ClientError, match="AccessDenied"):
        client("observer").update_access_key(
            UserName=world.user.name, AccessKeyId=world.user.key, Status="Inactive"
        )
    for login, call in (
        ("operator", "list_access_keys"),
        ("observer", "create_access_key"),
        ("assumer", "list_access_keys"),
        ("assumer", "create_access_key"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(client(login), call)(UserName=world.user.name)


def test_a_key_is_looked_for_in_the_account_that_the_plan_names(world: AwsWorld) -> None:
    text = world.toml().replace(moto.ACCOUNT, moto.OTHER_ACCOUNT)
    for login in ("observer", "operator"):
        text = text.replace(moto.logins("1")[login]["id"], moto.logins("2")[login]["id"])
    world.toml = lambda port=None: text  # type: ignore[method-assign]
    plan = world.plan({**world.target, "account": moto.OTHER_ACCOUNT})
    assert not run_observe(plan.steps[0], world.targets()).exists
    with pytest.raises(NotApplied, match="NoSuchEntity"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.moto.keys()[world.user.key]["status"] == "Active"


def test_a_wrong_credential_is_a_refusal_that_changed_nothing(world: AwsWorld) -> None:
    (world.directory / "operate.secret").write_text("wrong")
    with pytest.raises(NotApplied, match="SignatureDoesNotMatch"):
        deactivate(world)
    assert run_observe(world.step, world.targets()).state == {"status": "Active"}


def test_a_key_with_a_status_that_is_not_ours_to_set_is_left_alone(world: AwsWorld) -> None:
    seen = run_observe(world.step, world.targets())
    expired = type(seen)(True, {"status": "Expired"}, seen.shown, simulated=True)
    with pytest.raises(NotApplied, match="Expired"):
        run_prepare(clearance(world.plan()), world.plan().body, 0, world.targets(), expired)


# --- An endpoint that misbehaves ---------------------------------------------------------------


ERROR = (
    b"<ErrorResponse><Error><Code>Throttling</Code><Message>no</Message></Error></ErrorResponse>"
)


@contextmanager
def endpoint(status: int | None, body: bytes = b"") -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything with this status and body, or never (None)."""
    seen: list[str] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if status is None:
                over.wait()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, seen
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (500, ERROR, OutcomeUnknown),
        (503, b"", OutcomeUnknown),
        (200, b"what?", OutcomeUnknown),
        (400, b"<not xml", OutcomeUnknown),
        (400, ERROR, NotApplied),
        (429, ERROR, NotApplied),
    ],
)
def test_a40_a_changing_call_is_made_once_whatever_the_answer(
    world: AwsWorld, status: int, body: bytes, outcome: type[Exception]
) -> None:
    with endpoint(status, body) as (port, seen), pytest.raises(outcome):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets(port))
    assert len(seen) == 1 and "UpdateAccessKey" in seen[0]


def test_a40_no_answer_is_an_unknown_outcome_and_not_waited_for_beyond_the_time_allowed(
    world: AwsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_client, "READ_SECONDS", 0.2)
    with endpoint(None) as (port, seen):
        targets = world.targets(port)
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(world.plan()), world.plan().body, 0, targets)
        clusters.until(lambda: seen != [])  # the client does not wait until its call is read
        assert len(seen) == 1
        with pytest.raises(TargetUnobservable):
            run_observe(world.step, targets)
        with pytest.raises(VerifyFailed):
            run_verify(clearance(world.plan()), world.plan().body, 0, targets)


@pytest.mark.parametrize("body", [b"", b"{}", b"<a/>"])
def test_a_garbled_answer_makes_the_target_unobservable(world: AwsWorld, body: bytes) -> None:
    with endpoint(200, body) as (port, _), pytest.raises(TargetUnobservable):
        run_observe(world.step, world.targets(port))


def test_no_call_is_begun_when_its_timeouts_reach_beyond_the_deadline(world: AwsWorld) -> None:
    longest = aws_client.CONNECT_SECONDS + aws_client.READ_SECONDS
    look = aws_iam.LOOK_SECONDS + longest
    assert aws.VERIFY_SECONDS + look < world.step.spec.hard_timeout_s
    assert longest + look < world.step.spec.hard_timeout_s  # undoing: the change, then one look
    with pytest.raises(NotApplied, match="no time is left"):
        aws.DeactivateAccessKey().apply(
            clearance(world.plan()), world.step, world.targets(), Deadline.within(longest - 0.5)
        )
    assert world.changes() == 0


def test_the_environment_leads_no_call_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMTHEENVIRONMENT")
    target = AwsTarget(
        region="eu-central-1",
        endpoint_url=None,
        simulated=False,
        observe_access_key_id="AKIAOBSERVER",
        observe_secret=Secret(None, "secret"),
        operate_access_key_id="AKIAOPERATOR",
        operate_secret=Secret(None, "secret"),
    )
    client = aws_client.client_of(target, *target.observe())
    assert client.meta.endpoint_url == "https://iam.amazonaws.com"
    assert client._get_credentials().access_key == "AKIAOBSERVER"


def test_without_boto3_a_target_is_unobservable_and_the_reason_says_what_to_install(
    world: AwsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_sessions._session.cache_clear()
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(TargetUnobservable, match=r"hitlportal\[aws\]"):
        run_observe(world.step, world.targets())
