"""The four uses of the demo: its first lines, the third agent, its provider and its cluster."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import yaml

from hitlportal.demo import story, words
from hitlportal.demo.play import api_token, watch, workload
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.issuer import REVOKE, Issuer
from hitlportal.demo.servers.workloads import HITL, LABELS, REPLICAS, Workloads, rules
from hitlportal.demo.stack import Stack
from remediation.domain import report
from remediation.executors.kubernetes_server import Clusters
from remediation.executors.oauth_server import Issuers
from remediation.executors.targets import Targets
from tests.docs.pages import pages

PATIENCE = 60.0


def test_the_first_lines_name_four_uses_and_their_incidents() -> None:
    first, *told = words.uses(checked=True).splitlines()
    assert first.startswith("Four uses")
    assert [line.strip()[0] for line in told[::2]] == ["1", "2", "3", "4"]
    for line, (_, incident, checks) in zip(told[1::2], words.USES, strict=True):
        assert line.strip() == f"-> {incident} (checks {checks})"
    assert "checks" not in words.uses(checked=False)


def test_the_inventory_marks_what_isolating_cuts_and_not_the_token() -> None:
    assert workload.DIRECT.payment_path and workload.PARTNER.external_partner
    assert not (api_token.DIRECT.payment_path or api_token.DIRECT.external_partner)


@pytest.mark.parametrize("reports", [watch.token, watch.workload])
def test_the_portal_accepts_what_the_third_agent_reports(
    reports: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    class Client:
        def __init__(self, *_: object) -> None: ...

        def report(self, body: Any) -> SimpleNamespace:
            sent.append(body)
            return SimpleNamespace(body={"proposal": "p"})

    monkeypatch.setattr(watch, "Client", Client)
    issuer = Issuer(tmp_path)
    made = reports(cast(Stack, SimpleNamespace(issuer=issuer, origin="")), "an agent's token")
    parsed = report.parse(json.dumps(sent[0]).encode(), protected=frozenset())
    assert isinstance(made, Reported) and parsed.plan is not None
    (step,) = parsed.plan.steps
    assert step.target.locator in (issuer.locator, story.WORKLOAD_LOCATOR)
    (claim,) = parsed.diagnosis.claims
    found: Any = json.loads(sent[0]["evidence"][0]["content"])
    for part in claim.citations[0].pointer.split("/")[1:]:
        found = found[int(part)] if isinstance(found, list) else found[part]
    assert found == claim.citations[0].value
    assert issuer.token not in json.dumps(sent)


def test_the_provider_revokes_the_token_and_keeps_it_over_a_start(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "issuer")
    issuer.provider.start()
    try:
        issuer.provider.wait()
        targets = tmp_path / "targets.toml"
        targets.write_text(issuer.section(tmp_path / "worker"))
        places = Targets.load(targets, portal_system_identifier=None).of(Issuers)
        assert places is not None
        held = places.issuers[story.ISSUER]
        assert (held.tokens / issuer.sha256).read_text() == f"{issuer.token}\n"
        assert issuer.is_active()
        login = held.login_for(story.CLIENT)
        assert login is not None
        secret = (tmp_path / "worker" / f"oauth-{story.CLIENT}.secret").read_text()
        form = {"client_id": story.CLIENT, "client_secret": secret, "token": issuer.token}
        request = Request(f"{issuer.provider.url}{REVOKE}", data=urlencode(form).encode())
        build_opener(ProxyHandler({})).open(request, timeout=20).close()
        assert not issuer.is_active()
        assert [call["token"] for call in issuer.provider.calls(REVOKE)] == [issuer.sha256]
    finally:
        issuer.provider.stop()
    assert Issuer(tmp_path / "issuer").locator == issuer.locator


def test_the_cluster_runs_the_workload_and_its_accounts_are_in_the_targets_file(
    tmp_path: Path,
) -> None:
    made = Workloads(tmp_path / "kubernetes", tmp_path / "worker")
    child = made.start(tmp_path / "kubernetes.log")
    try:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                pods = made.pods()
                break
            except (URLError, ServerFailed):
                assert time.monotonic() < give_up
                time.sleep(0.05)
        assert [labels.items() >= LABELS.items() for _, labels, _ in pods] == [True] * REPLICAS
        assert (made.policies(), made.changes()) == ([], [])
        targets = tmp_path / "targets.toml"
        targets.write_text(made.section())
        places = Targets.load(targets, portal_system_identifier=None).of(Clusters)
        assert places is not None
        cluster = places.clusters[story.KUBERNETES]
        assert cluster.simulated and cluster.own_namespaces == (HITL,)
    finally:
        child.stop()


def test_its_accounts_may_do_no_more_than_the_page_says() -> None:
    section = pages()["docs/kubernetes.md"].partition("## Least rights")[2]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found is not None
    for role in yaml.safe_load_all(found[1]):
        for rule in rules()[role["metadata"]["name"]]:
            assert any(
                rule["apiGroups"] == one["apiGroups"]
                and {*rule["resources"]} <= {*one["resources"]}
                and {*rule["verbs"]} <= {*one["verbs"]}
                for one in role["rules"]
            )
