"""The targets file: strict parsing, and no operating credential without a clearance."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from remediation.domain.catalogue import TARGETS
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.aws_account import account
from remediation.executors.errors import ClearanceRefused, CredentialUnavailable
from remediation.executors.noop import NoopTarget
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_pooler import Pooler
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan

POSTGRES = '[postgres.orders-db]\nobserve_dsn = "host=o"\noperate_dsn_file = "secrets/p"\n'
AWS = """
[aws."218007301253"]
region = "eu-central-1"
observe_access_key_id = "AKIAOBSERVER"
observe_secret_access_key = "seen"
operate_access_key_id = "AKIAOPERATOR"
operate_secret_access_key_file = "secrets/a"
"""
SIMULATED = AWS + 'simulated = true\nendpoint_url = "http://127.0.0.1:5000"\n'


def load(directory: Path, text: str) -> Targets:
    path = directory / "targets.toml"
    path.write_text(text, encoding="utf-8")
    return Targets.load(path, portal_system_identifier=None)


@pytest.fixture
def given() -> Clearance:
    return clearance(make_plan("test.noop", {"kind": "test.target", "name": "alpha"}, {}))


def test_loading_opens_no_credential_file_and_operating_opens_it_each_time(
    tmp_path: Path, given: Clearance
) -> None:
    targets = load(tmp_path, POSTGRES + SIMULATED)  # there is no directory "secrets"
    orders, aws = cluster(targets, "orders-db"), account(targets, "218007301253")
    assert (orders.observe(), aws.observe()) == ("host=o", ("AKIAOBSERVER", "seen"))
    for operate in (orders.operate, aws.operate):
        with pytest.raises(CredentialUnavailable, match="FileNotFoundError"):
            operate(given)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "p").write_text("host=p\n")
    (tmp_path / "secrets" / "a").write_text("  key\n")
    assert orders.operate(given) == "host=p"
    assert aws.operate(given) == ("AKIAOPERATOR", "key")
    (tmp_path / "secrets" / "p").unlink()
    with pytest.raises(CredentialUnavailable):
        orders.operate(given)


@pytest.mark.parametrize("fake", [None, True, object()])
def test_no_operating_credential_without_a_clearance(tmp_path: Path, fake: object) -> None:
    targets = load(tmp_path, POSTGRES + SIMULATED)
    orders, aws = cluster(targets, "orders-db"), account(targets, "218007301253")
    for operate in (orders.operate, aws.operate):
        with pytest.raises(ClearanceRefused):
            operate(cast("Clearance", fake))


def test_an_observing_credential_that_cannot_be_read_makes_the_target_unobservable(
    tmp_path: Path,
) -> None:
    targets = load(tmp_path, POSTGRES.replace('observe_dsn = "host=o"', 'observe_dsn_file = "no"'))
    with pytest.raises(TargetUnobservable, match="FileNotFoundError"):
        cluster(targets, "orders-db").observe()
    (tmp_path / "no").write_bytes(b"\xff")
    with pytest.raises(TargetUnobservable, match="UnicodeDecodeError"):
        cluster(targets, "orders-db").observe()


def test_what_is_not_named_in_the_file_is_unobservable(tmp_path: Path) -> None:
    targets = load(tmp_path, "")
    assert targets.of(NoopTarget) is None and not targets.allows_test
    with pytest.raises(TargetUnobservable):
        cluster(targets, "orders-db")
    with pytest.raises(TargetUnobservable):
        account(targets, "218007301253")


def test_secrets_stand_in_no_repr(tmp_path: Path) -> None:
    assert "seen" not in repr(load(tmp_path, POSTGRES + SIMULATED))


def test_the_test_section_names_files_and_failures(tmp_path: Path) -> None:
    text = '[test]\nfile = "calls"\nstate_dir = "s"\n[test.inject.alpha]\nfail_apply = true\n'
    targets = load(tmp_path, text)
    test = targets.of(NoopTarget)
    assert test is not None and targets.allows_test
    assert (test.file, test.state_dir) == (tmp_path / "calls", tmp_path / "s")
    assert test.inject == {"alpha": {"fail_apply": True}}


def test_each_section_says_the_least_environment_of_its_own_targets(tmp_path: Path) -> None:
    production = 'environment = "production"\n'
    targets = load(
        tmp_path,
        POSTGRES + production + SIMULATED + 'environment = "staging"\n'
        '[test]\nfile = "calls"\nstate_dir = "s"\nenvironment = "development"\n',
    )
    floors = {
        "postgres.role": "",  # of another cluster
        "aws.iam.access_key": "staging",
        "aws.iam.role": "staging",
        "kubernetes.secret": "",
        "test.target": "development",
    }
    for kind, floor in floors.items():
        fields = {**TARGETS[kind].example}
        if "account" in fields:
            fields["account"] = "218007301253"
        assert targets.environment(Target(kind, fields)) == floor, kind
    role = Target("postgres.role", {"cluster": "orders-db", "role": "app"})
    assert targets.environment(role) == "production"
    with pytest.raises(TargetsFileInvalid, match="environment is one of"):
        load(tmp_path, POSTGRES + 'environment = "prod"\n')


def test_the_portals_own_keys_are_told_apart_from_all_others(tmp_path: Path) -> None:
    targets = load(tmp_path, POSTGRES + SIMULATED)
    spec = TARGETS["aws.iam.access_key"]
    for key, own in (("AKIAOBSERVER", True), ("AKIAOPERATOR", True), ("AKIAOTHER", False)):
        target = Target(spec.kind, {**spec.example, "access_key_id": key})
        assert targets.is_own(target) is own
    assert not targets.is_own(Target("postgres.role", {"cluster": "orders-db", "role": "app"}))
    assert not load(tmp_path, "").is_own(Target(spec.kind, {**spec.example}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("surprise = 1", "surprise"),
        ("postgres = 1", "must be a table"),
        ("[postgres]\norders-db = 1", "must be a table"),
        (POSTGRES + 'password = "x"', "unknown password"),
        (POSTGRES + 'operate_dsn = "inline"', "unknown operate_dsn"),
        (POSTGRES + 'observe_dsn_file = "x"', "one of observe_dsn and observe_dsn_file"),
        (POSTGRES.replace('"host=o"', "1"), "observe_dsn must be a text"),
        (POSTGRES.replace("operate_dsn_file", "#"), "operate_dsn_file must be a text"),
        (SIMULATED.replace("218007301253", "prod"), "not the number of an AWS account"),
        (SIMULATED.replace("true", '"yes"'), "must be true or false"),
        (SIMULATED.replace('region = "eu-central-1"', ""), "region must be a text"),
        (SIMULATED + 'operate_secret_access_key = "x"', "unknown operate_secret_access_key"),
        ('[test]\nfile = "x"', "state_dir must be a text"),
        ("not toml", "targets.toml"),
    ],
)
def test_anything_unknown_missing_or_inline_is_refused(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(TargetsFileInvalid, match=says):
        load(tmp_path, text)


STORE = '[store.apps]\nkind = "file"\ndirectory = "credentials"\n'
BAO = (
    '[store.bao]\nkind = "openbao"\naddress = "https://bao.example"\n'
    'observe_token_file = "o"\noperate_token_file = "p"\n'
)
SECRETS = '[store.aws]\nkind = "aws_secrets_manager"\n' + SIMULATED.partition("]\n")[2]


def test_stores_stand_beside_the_targets(tmp_path: Path) -> None:
    allow = '[store.apps.allow]\n"postgres.role:orders-db/*" = ["orders/*", "shared"]\n'
    targets = load(tmp_path, STORE + allow + BAO + SECRETS + POSTGRES)
    assert {name: store.kind for name, store in targets.stores.items()} == {
        "apps": "file", "bao": "openbao", "aws": "aws_secrets_manager",
    }  # fmt: skip
    assert targets.stores["aws"].simulated and not targets.stores["bao"].simulated
    role = Target("postgres.role", {"cluster": "orders-db", "role": "app"})
    other = Target("postgres.role", {"cluster": "billing-db", "role": "app"})
    apps, bao = targets.stores["apps"], targets.stores["bao"]
    assert apps.allows(role, "orders/database") and apps.allows(role, "shared")
    for target, path in ((role, "orders"), (role, "orders/a/b"), (role, "x/shared"),
                         (other, "orders/database")):  # fmt: skip
        assert not apps.allows(target, path)
    assert not bao.allows(role, "orders/database")  # nothing is allowed by itself


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STORE.replace("apps", "Apps"), "not the name of a store"),
        (STORE.replace("file", "drawer"), "kind is one of file, openbao, aws_secrets_manager"),
        (STORE + "surprise = 1", "unknown surprise"),
        (STORE + 'mode = "0444"', "mode lets others in"),
        (STORE + 'mode = "0600"', "mode lets others in, or lets files change"),
        (STORE + 'mode = "x"', "mode lets"),
        (STORE + '[store.apps.allow]\n"a:b" = "c"', "must be a list of texts"),
        (STORE + '[store.apps.allow]\n"a:b" = []', "must be a list of texts"),
        (BAO.replace("https", "http"), "needs https"),
        (BAO + 'operate_token = "inline"', "unknown operate_token"),
        (BAO.replace("operate_token_file", "#"), "operate_token_file must be a text"),
        (SECRETS.replace("http://127.0.0.1:5000", "https://iam.amazonaws.com"), "AWS itself"),
    ],
)
def test_a_store_that_is_not_understood_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TargetsFileInvalid, match=says):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("bao:workers/p", "names no field"),
        ("bao:workers/p#", "names no field"),
        ("apps:workers/p#dsn", "kind openbao"),
        ("gone:workers/p#dsn", "kind openbao"),
        ("workers/p#dsn", "store:path#field"),
        ("bao:../p#dsn", "store:path#field"),
    ],
)
def test_a_credential_comes_from_a_place_that_the_file_has(
    tmp_path: Path, place: str, says: str
) -> None:
    text = POSTGRES.replace('operate_dsn_file = "secrets/p"', f'operate_dsn_from = "{place}"')
    with pytest.raises(TargetsFileInvalid, match=says):
        load(tmp_path, STORE + BAO + text)


def test_a_credential_has_one_origin(tmp_path: Path) -> None:
    with pytest.raises(TargetsFileInvalid, match="cannot be used here"):
        load(tmp_path, BAO + POSTGRES + 'operate_dsn_from = "bao:workers/p#dsn"')
    with pytest.raises(TargetsFileInvalid, match="cannot be used here"):  # a store's own
        load(tmp_path, BAO.replace('operate_token_file = "p"', 'operate_token_from = "bao:w#t"'))


@pytest.mark.parametrize(
    ("endpoint", "simulated", "says"),
    [
        (None, True, "AWS itself"),
        ("https://iam.amazonaws.com", True, "AWS itself"),
        ("https://iam.eu-isoe-west-1.api.aws", True, "AWS itself"),
        ("http://10.0.0.1", False, "needs https"),
    ],
)
def test_nothing_is_called_simulated_that_is_not_nor_real_without_tls(
    tmp_path: Path, endpoint: str | None, simulated: bool, says: str
) -> None:
    text = AWS + (f'endpoint_url = "{endpoint}"\n' if endpoint else "")
    with pytest.raises(TargetsFileInvalid, match=says):
        load(tmp_path, text + f"simulated = {str(simulated).lower()}\n")


def test_the_real_aws_needs_no_endpoint(tmp_path: Path) -> None:
    real = account(load(tmp_path, AWS), "218007301253")
    assert (real.simulated, real.endpoint_url) == (False, None)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetsFileInvalid):
        Targets.load(tmp_path / "none.toml", portal_system_identifier=None)


def test_a_pooler_has_an_address_and_a_database_and_no_login(tmp_path: Path) -> None:
    pooler = '[postgres.orders-db.pooler.bouncer]\ndatabase = "orders"\n'
    found = load(tmp_path, POSTGRES + pooler + 'address = "[::1]:6432"\nca_file = "ca.pem"\n')
    assert cluster(found, "orders-db").poolers == {
        "bouncer": Pooler("::1", 6432, "orders", tmp_path / "ca.pem")
    }
    for wrong, why in {
        'address = "pooler"': "must be a host and a port",
        'address = "pooler:"': "must be a host and a port",
        'address = "pooler:65536"': "must be a host and a port",
        'address = "pooler:6432"\nca_file = "ca.pem"\nuser = "svc"': "unknown user",
        'address = "pooler:6432"': "needs ca_file",
    }.items():
        with pytest.raises(TargetsFileInvalid, match=why):
            load(tmp_path, POSTGRES + pooler + wrong + "\n")
