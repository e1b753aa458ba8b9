"""The worker's own credentials from a real OpenBao, and tokens that are cut to a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from hitlportal.demo.servers.openbao import BaoRefused, BaoServer
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import ClearanceRefused, CredentialUnavailable
from remediation.executors.postgres_cluster import PostgresTarget, cluster
from remediation.executors.stores.store import StoreUnavailable
from remediation.executors.targets import Targets
from tests.executors.stores.killing import Target, deliver, open_place
from tests.executors.stores.worlds import BaoWorld, CutBaoWorld

WORKERS = "workers-of-test"
OBSERVER = f'path "secret/data/{WORKERS}/observe" {{ capabilities = ["read"] }}'
OPERATOR = f'path "secret/data/{WORKERS}/operate" {{ capabilities = ["read"] }}'


@pytest.fixture
def orders(bao: BaoServer, tmp_path: Path) -> PostgresTarget:
    """A cluster whose credentials lie in OpenBao, each readable by one login of the worker."""
    bao.mount("secret", "kv", version="2")
    text = f'[store.bao]\nkind = "openbao"\naddress = "{bao.url}"\n'
    for who, rules in (("observe", OBSERVER), ("operate", OPERATOR)):
        bao.policy(f"worker-{who}", rules)
        bao.ask("POST", f"secret/data/{WORKERS}/{who}", {"data": {"dsn": f"host={who}"}})
        role_id, secret_id = bao.approle(f"worker-{who}", f"worker-{who}")
        (tmp_path / who).write_text(secret_id)
        text += f'{who}_role_id = "{role_id}"\n{who}_secret_id_file = "{who}"\n'
    text += "[postgres.orders-db]\n" + "".join(
        f'{who}_dsn_from = "bao:{WORKERS}/{who}#dsn"\n' for who in ("observe", "operate")
    )
    (tmp_path / "targets.toml").write_text(text)
    return cluster(
        Targets.load(tmp_path / "targets.toml", portal_system_identifier=None), "orders-db"
    )


def test_the_worker_reads_its_credentials_at_run_time(
    orders: PostgresTarget, bao: BaoServer, given: Clearance
) -> None:
    assert (orders.observe(), orders.operate(given)) == ("host=observe", "host=operate")
    bao.ask("POST", f"secret/data/{WORKERS}/operate", {"data": {"dsn": "host=new"}})
    assert orders.operate(given) == "host=new"  # kept nowhere
    with pytest.raises(ClearanceRefused):
        orders.operate(cast("Clearance", None))
    assert "host" not in repr(orders) and "bao:" in repr(orders)


def test_a_credential_that_cannot_be_read_has_a_name(
    orders: PostgresTarget, bao: BaoServer, given: Clearance
) -> None:
    bao.ask("POST", f"secret/data/{WORKERS}/operate", {"data": {"other": "x"}})
    with pytest.raises(CredentialUnavailable, match="no such field"):
        orders.operate(given)
    bao.ask("DELETE", f"secret/data/{WORKERS}/operate")
    with pytest.raises(CredentialUnavailable, match="InvalidPath"):
        orders.operate(given)
    bao.policy("worker-observe", OPERATOR)
    with pytest.raises(TargetUnobservable, match="Forbidden"):
        orders.observe()


def _requests(bao: BaoServer, since: int) -> list[dict[str, Any]]:
    lines = bao.audit_log.read_bytes()[since:].decode().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("world", [BaoWorld, CutBaoWorld])
def test_tokens_end_with_the_call_and_the_cut_ones_have_one_policy(
    world: type[BaoWorld], bao: BaoServer, tmp_path: Path
) -> None:
    """Seen in the server's own audit log: no token of the worker outlives its call."""
    kept = world(tmp_path, bao)
    since = bao.audit_log.stat().st_size
    deliver(kept.targets(), kept.path, Target(tmp_path / "target.json"))
    seen = [line for line in _requests(bao, since) if line["type"] == "response"]
    made = {line["auth"]["accessor"] for line in seen if "login" in line["request"]["path"]}
    ended = {
        line["auth"]["accessor"]
        for line in seen
        if line["request"]["path"] == "auth/token/revoke-self"
    }
    assert made and made == ended
    values = [line for line in seen if line["request"]["path"].startswith("secret/data/")]
    policies = {tuple(sorted(line["auth"]["policies"])) for line in values}
    wide = ("default", "stores-operator")
    assert policies == {("stores-operator",) if kept.cut else wide}


def test_a_path_without_a_policy_is_refused(bao: BaoServer, tmp_path: Path) -> None:
    kept = CutBaoWorld(tmp_path, bao)
    kept.path = "billing/database"
    with pytest.raises(StoreUnavailable, match="no policy for"):
        open_place(kept.targets(), kept.path).read_staged()


def test_consumers_and_the_observer_cannot_read_what_is_staged(
    bao: BaoServer, tmp_path: Path
) -> None:
    kept = BaoWorld(tmp_path, bao)
    kept.stage_by_hand({"password": "theirs"})
    for policy in ("consumer", "stores-observer"):
        token = bao.token(policy)
        with pytest.raises(BaoRefused, match="permission denied"):
            bao.ask("GET", f"secret/data/hitl-staged/{kept.path}", token=token)


def test_a_server_that_is_away_changes_nothing(bao: BaoServer, tmp_path: Path) -> None:
    kept = BaoWorld(tmp_path, bao)
    text = kept.toml().replace(str(bao.port), "1")
    (tmp_path / "targets.toml").write_text(text)
    targets = Targets.load(tmp_path / "targets.toml", portal_system_identifier=None)
    target = Target(tmp_path / "target.json")
    with pytest.raises(StoreUnavailable):
        deliver(targets, kept.path, target)
    assert target.state()["sets"] == []
    with pytest.raises(TargetUnobservable):
        targets.stores["apps"].look(kept.path)
