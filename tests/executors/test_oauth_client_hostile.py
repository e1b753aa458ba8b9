"""An OAuth provider that answers a deletion wrongly: nothing is believed, followed or repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors import oauth_client, oauth_http
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed, VerifyFailed
from remediation.executors.oauth_kept import iso
from remediation.executors.run import run_apply, run_observe, run_verify
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.oauth import ISSUER, sha256
from tests.executors.oauth_hostile import Hostile, Send, drip, hostile, nothing, whole

TOKEN, BEARER = "leaked-token-0123456789", "registration-token-0123456789"
ODD = "a/b: c%2F+&="
ENDS = int(time.time()) + 3600
ACTIVE: dict[str, Any] = {"active": True, "client_id": ODD, "exp": ENDS}
DEAD = whole({"active": False})
PATH = "/c/a%2Fb%3A%20c%252F%2B%26%3D"


@pytest.fixture
def provider() -> Iterator[Hostile]:
    with hostile() as made:
        yield made


@pytest.fixture
def targets(tmp_path: Path, provider: Hostile) -> Targets:
    url = f"http://127.0.0.1:{provider.port}"
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / sha256(TOKEN)).write_text(TOKEN)
    (tmp_path / "secret").write_text("secret-of-the-observer")
    (tmp_path / "registration").write_text(BEARER)
    (tmp_path / "targets.toml").write_text(
        f'[oauth.{ISSUER}]\nintrospection_endpoint = "{url}/i"\nrevocation_endpoint = "{url}/r"\n'
        'tokens_dir = "tokens"\nobserve_client_id = "o"\nobserve_client_secret_file = "secret"\n'
        f'[oauth.{ISSUER}.clients."{ODD}"]\nclient_configuration_endpoint = "{url}{PATH}"\n'
        'registration_token_file = "registration"\n'
    )
    return Targets.load(tmp_path / "targets.toml", portal_system_identifier=None)


def plan() -> Plan:
    target: dict[str, Json] = {"kind": "oauth.client", "issuer": ISSUER, "client_id": ODD}
    return make_plan("oauth.client.delete", target, {"tokens": [sha256(TOKEN)]})


KEPT: dict[str, Json] = {
    "active": True,
    "active_tokens": [f"{sha256(TOKEN)} {iso(datetime.fromtimestamp(ENDS, UTC))}"],
}


def test_a_deletion_counts_by_its_status_alone(provider: Hostile, targets: Targets) -> None:
    """No body is read: it may hold a registration token. A second call is never made."""
    said = {"registration_access_token": BEARER, "error": TOKEN}
    slow: Send = whole(b"x" * (oauth_http.MOST_BYTES * 4), "204 No Content")
    cases: dict[str, tuple[Send, type[StepFailed] | None]] = {
        "done": (whole(b"", "204 No Content"), None),
        "done, with much behind": (slow, None),
        "200": (whole(said, "200 OK"), OutcomeUnknown),
        "200, much": (whole(b"x" * (oauth_http.MOST_BYTES * 4)), OutcomeUnknown),
        "202": (whole(b"", "202 Accepted"), OutcomeUnknown),
        "401": (whole(said, "401 Unauthorized"), NotApplied),
        "403": (whole(said, "403 Forbidden"), NotApplied),
        "404": (whole(said, "404 Not Found"), NotApplied),
        "405": (whole(b"", "405 Method Not Allowed"), NotApplied),
        "redirect": (whole(b"", "307 See", f"Location: {PATH}"), OutcomeUnknown),
        "redirect to another host": (whole(b"", "302 Found", "Location: /i"), OutcomeUnknown),
        "later": (whole(said, "503 Later"), OutcomeUnknown),
        "no HTTP": (lambda to: to.sendall(b"220 smtp\r\n\r\n"), OutcomeUnknown),
        "lost": (nothing, OutcomeUnknown),
    }
    for name, (answer, wanted) in cases.items():
        provider.calls.clear()
        provider.answers = {"/i": [whole(ACTIVE)], PATH: [answer]}
        try:
            run_apply(clearance(plan()), plan().body, 0, targets, KEPT)
            found: type[Exception] | None = None
        except StepFailed as error:
            found = NotApplied if isinstance(error, NotApplied) else type(error)
            assert TOKEN not in error.detail and BEARER not in error.detail, name
        assert found is wanted, name
        # A refused token is asked about once more: a proxy may have sent the DELETE twice.
        assert provider.calls == ["/i", PATH, *(["/i"] if name == "401" else [])], name


def test_204_while_a_token_stays_active_is_no_success(
    provider: Hostile, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_client, "VERIFY_SECONDS", 0.5)
    provider.answers = {"/i": [whole(ACTIVE)], PATH: [whole(b"", "204 No Content")]}
    run_apply(clearance(plan()), plan().body, 0, targets, KEPT)
    with pytest.raises(VerifyFailed, match="still calls a token"):
        run_verify(clearance(plan()), plan().body, 0, targets, KEPT)


def test_after_any_answer_the_introspection_decides(provider: Hostile, targets: Targets) -> None:
    provider.answers = {"/i": [DEAD]}
    assert run_verify(clearance(plan()), plan().body, 0, targets, KEPT).detail["active"] is False


def test_a_refused_token_after_which_the_client_s_tokens_end_says_nothing(
    provider: Hostile, targets: Targets
) -> None:
    """Its holder can end both; and a proxy's second DELETE is refused after a first one worked."""
    refused = whole(b"", "401 Unauthorized")
    provider.answers = {"/i": [whole(ACTIVE), DEAD], PATH: [refused]}
    with pytest.raises(OutcomeUnknown, match="only people can say"):
        run_apply(clearance(plan()), plan().body, 0, targets, KEPT)


def test_a_repeat_is_done_only_by_204(provider: Hostile, targets: Targets) -> None:
    cases: dict[str, object] = {
        "204 No Content": True,
        "401 Unauthorized": OutcomeUnknown,
        "403 Forbidden": NotApplied,
        "405 Method Not Allowed": NotApplied,
        "302 Found": OutcomeUnknown,
        "200 OK": OutcomeUnknown,
    }
    for status, wanted in cases.items():
        provider.answers = {"/i": [DEAD], PATH: [whole(b"", status)]}
        try:
            found: object = run_apply(clearance(plan()), plan().body, 0, targets, KEPT).detail[
                "deleted"
            ]
        except StepFailed as error:
            found = type(error)
        assert found is wanted, status


def test_what_it_says_of_a_token_must_fit_the_client(provider: Hostile, targets: Targets) -> None:
    for name, facts in {
        "another client": {**ACTIVE, "client_id": "shop"},
        "no client": {"active": True, "exp": ENDS},
        "one that looks like it": {**ACTIVE, "client_id": f"{ODD} "},
        "a list": {**ACTIVE, "client_id": [ODD]},
        "no truth": {**ACTIVE, "active": "true"},
        "no time": {**ACTIVE, "exp": "tomorrow"},
    }.items():
        provider.answers = {"/i": [whole(facts)]}
        with pytest.raises(TargetUnobservable):
            run_observe(plan().steps[0], targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan()), plan().body, 0, targets, KEPT)
        assert PATH not in provider.calls, name
    for name, ends in {"no end": None, "soon": int(time.time()) + 600, "past": 1}.items():
        provider.answers = {"/i": [whole({**ACTIVE, "exp": ends})]}
        with pytest.raises(NotApplied, match="15 minutes"):
            run_apply(clearance(plan()), plan().body, 0, targets, KEPT)
        assert PATH not in provider.calls, name


def test_a_slow_answer_ends_with_the_time_of_a_call(
    provider: Hostile, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_http.delete, "__defaults__", (1.0,))
    provider.answers = {
        "/i": [whole(ACTIVE)],
        PATH: [drip(b"HTTP/1.1 204 No Content\r\nX: ")],
    }
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan()), plan().body, 0, targets, KEPT)
    assert time.monotonic() - began < 300, "half of what the answer takes"
