"""Token secrets of a simulated Kubernetes: one token ends, and what a secret holds is not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from hitlportal.demo.servers.kube_api import Answer, Request, new_token
from hitlportal.demo.servers.kube_cluster import Object
from hitlportal.demo.servers.kube_rights import Caller
from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Settled, Snapshot
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed
from remediation.executors.kubernetes_calls import ONLY_METADATA
from remediation.executors.kubernetes_token import ACCOUNT, ACCOUNT_UID, INVALID_SINCE, LAST_USED
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from tests.executors.contract import clearance
from tests.executors.kube import (
    PLANTED,
    KubePlace,
    KubeWorld,
    item,
    roles,
    token_secret,
)

DELETE = "kubernetes.token_secret.delete"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture
def make(tmp_path: Path, kube_place: KubePlace) -> Iterator[Callable[[], KubeWorld]]:
    made: list[KubeWorld] = []

    def world() -> KubeWorld:
        made.append(KubeWorld(DELETE, tmp_path, kube_place))
        return made[-1]

    yield world
    kube_place.api.before = None
    for each in made:
        each.close()


@pytest.fixture
def world(make: Callable[[], KubeWorld]) -> KubeWorld:
    return make()


def prepared(world: KubeWorld) -> Snapshot:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(plan.steps[0], targets)
    return run_prepare(clearance(plan), plan.body, 0, targets, seen)


def run(world: KubeWorld) -> None:
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets, snapshot)


def without(world: KubeWorld) -> list[bool | None]:
    seen = run_observe(world.step, world.targets())
    return [one.without_access for one in executor_of(world.step).points(world.step, seen)]


def held(world: KubeWorld) -> Object:
    found = world.find("secrets", world.secret)
    assert found is not None
    return found


def of(world: KubeWorld) -> Object:
    found = world.find("serviceaccounts", world.account)
    assert found is not None
    return found


def anew(world: KubeWorld, made: Object | None = None) -> None:
    """Delete the secret and make one of its name, as somebody else might."""
    with world.place.api._lock:
        world.place.api.cluster.delete("secrets", world.namespace, world.secret, {})
        world.place.api.cluster.add(made or token_secret(world.secret, of(world)))


def token_of(world: KubeWorld, secret: str = "") -> str:
    """Return a token of the account; with a secret, the one that is kept there."""
    token, uid = new_token(), of(world)["metadata"]["uid"]
    caller = Caller.service_account(world.namespace, world.account, uid, secret)
    world.place.api.tokens[token] = caller
    return token


def status(world: KubeWorld, token: str) -> int:
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/none"
    return world.place.api.answer(Request("GET", path, {}, token, "", None)).status


def test_the_one_token_ends_and_the_account_keeps_its_others(world: KubeWorld) -> None:
    world.place.api.add(token_secret("other-token", of(world)))
    leaked, bound, other = (token_of(world, name) for name in (world.secret, "", "other-token"))
    assert [status(world, one) for one in (leaked, bound, other)] == [404] * 3
    assert without(world) == [False]
    run(world)
    assert [status(world, one) for one in (leaked, bound, other)] == [401, 404, 404]
    assert without(world) == [True] and of(world) and world.changes() == 1


def test_what_the_secret_holds_comes_in_no_answer(world: KubeWorld) -> None:
    """`kubectl apply` notes a copy of the data in an annotation, which metadata has."""
    anew(world, token_secret(world.secret, of(world), annotations={LAST_APPLIED: PLANTED}))
    begins = len(world.place.api.requests)
    run(world)
    seen = run_observe(world.step, world.targets())
    assert PLANTED not in repr(seen)
    lists = 0
    for request, _, answer in world.place.api.requests[begins:]:
        if request.path.endswith("/secrets"):
            lists += 1
            assert request.accept == ONLY_METADATA and "'data'" not in repr(answer)
    assert lists


def test_it_shows_the_account_the_last_use_and_who_is_cut(world: KubeWorld) -> None:
    at, name = world.namespace, world.secret
    labels = {LAST_USED: "2026-11-30", "argocd.argoproj.io/instance": "billing"}
    made = token_secret(
        name, of(world), metadata={"labels": labels}, annotations={"meta.helm.sh/release-name": "x"}
    )
    anew(world, made)
    for kind, spec in (
        ("volume", {"volumes": [{"name": "v", "secret": {"secretName": name}}]}),
        ("projected", {"volumes": [{"projected": {"sources": [{"secret": {"name": name}}]}}]}),
        ("variable", {"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": name}}}]}),
        ("all", {"envFrom": [{"secretRef": {"name": name}}]}),
        ("none", {}),
    ):
        container = {"name": "a", "image": "b", **{k: v for k, v in spec.items() if k != "volumes"}}
        more = {"volumes": spec["volumes"]} if "volumes" in spec else {}
        world.place.api.add(item("Pod", kind, at, spec={"containers": [container], **more}))
    seen = run_observe(world.step, world.targets())
    assert seen.simulated and seen.state == {
        "status": "in force",
        "uid": held(world)["metadata"]["uid"],
        "service_account": world.account,
        "account_uid": of(world)["metadata"]["uid"],
    }
    pods: Any = seen.shown["pods"]
    assert [one.partition(" ")[0] for one in pods] == ["all", "projected", "variable", "volume"]
    assert seen.shown["last_used"] == "2026-11-30"
    assert seen.shown["bindings"] == ["role binding exporter-reads (Role reader)"]
    assert seen.shown["owners"] == ["Argo CD billing", "Helm x"]


def test_a_use_of_the_token_holds_nothing_up(world: KubeWorld) -> None:
    """The first use of a day changes the secret's version, also just before the call."""
    plan, snapshot, uses = world.plan(), prepared(world), list[str]()

    def used() -> None:
        held(world)["metadata"].setdefault("labels", {})[LAST_USED] = "2026-12-02"
        world.place.api.cluster.touch(held(world))

    def before(request: Request) -> None:
        if request.method == "DELETE" and not uses:
            uses.append(request.path)
            used()

    used()
    world.place.api.before = before
    run_apply(clearance(plan), plan.body, 0, world.targets(), snapshot)
    assert uses and without(world) == [True] and world.changes() == 1


def test_a_mark_of_the_cluster_does_not_count_as_gone(world: KubeWorld) -> None:
    held(world)["metadata"]["labels"] = {INVALID_SINCE: "2026-01-01"}
    seen = run_observe(world.step, world.targets())
    assert seen.state["status"] == "marked as invalid" and without(world) == [False]
    run(world)
    assert without(world) == [True]


def test_an_empty_mark_is_none(world: KubeWorld) -> None:
    """The API server looks at its value, so whoever sets an empty one hides nothing."""
    held(world)["metadata"]["labels"] = {INVALID_SINCE: ""}
    leaked = token_of(world, world.secret)
    seen = run_observe(world.step, world.targets())
    assert status(world, leaked) == 404 and seen.state["status"] == "in force"


def test_a_finalizer_keeps_the_secret_in_the_list_and_not_its_token(world: KubeWorld) -> None:
    """Else whoever may change the secret could hold the plan up for ever."""
    held(world)["metadata"]["finalizers"] = ["example.org/keep"]
    leaked = token_of(world, world.secret)
    seen = run_observe(world.step, world.targets())
    assert seen.state["status"] == "in force" and status(world, leaked) == 404
    assert seen.shown["finalizers"] == ["example.org/keep"]
    run(world)
    assert status(world, leaked) == 401 and without(world) == [True]
    assert held(world)["metadata"]["deletionTimestamp"] and world.changes() == 1
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 1


def test_a_secret_that_must_not_be_deleted_is_refused(make: Callable[[], KubeWorld]) -> None:
    for change, why in (
        ({"type": "Opaque"}, "no token of a service account"),
        ({"type": "kubernetes.io/tls"}, "no token of a service account"),
        ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "it is being removed"),
        ({"gone": True}, "no secret of this name"),
    ):
        world = make()
        more: dict[str, Any] = {**change}
        kind = more.pop("type", None)
        gone = more.pop("gone", False)
        made = token_secret(world.secret, of(world), **more)
        anew(world, {**made, "type": kind} if kind else made)
        if gone:
            world.place.api.cluster.delete("secrets", world.namespace, world.secret, {})
        before = world.look()
        with pytest.raises(NotApplied, match=why):
            run(world)
        assert world.look() == before and world.changes() == 0


def test_a_secret_that_names_no_account_is_refused(world: KubeWorld) -> None:
    seen = run_observe(world.step, world.targets())
    for name in ("service_account", "account_uid"):
        bare = type(seen)(True, {**seen.state, name: ""}, seen.shown, True)
        with pytest.raises(NotApplied, match="names no service account"):
            executor_of(world.step).precheck(world.step, bare)


def test_a_secret_that_was_made_again_is_left_and_its_token_counts_as_in_force(
    world: KubeWorld,
) -> None:
    """With the same names the same token is in force again; only a new plan ends it."""
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    leaked = token_of(world, world.secret)
    anew(world)
    with pytest.raises(NotApplied, match="not as it was"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    seen = run_observe(world.step, targets)
    assert executor_of(world.step).settled_from(world.step, seen, snapshot, {}) is None
    assert world.changes() == 0
    run(world)
    assert status(world, leaked) == 401
    world.place.api.add(token_secret(world.secret, of(world)))
    assert status(world, leaked) == 404 and without(world) == [False]


def test_a_secret_that_is_made_again_just_before_the_call_is_left(world: KubeWorld) -> None:
    plan, snapshot, done = world.plan(), prepared(world), list[bool]()

    def before(request: Request) -> None:
        if request.method == "DELETE" and not done:
            done.append(True)
            anew(world)

    world.place.api.before = before
    with pytest.raises(NotApplied, match="somebody else"):
        run_apply(clearance(plan), plan.body, 0, world.targets(), snapshot)
    assert held(world) and world.changes() == 0


def test_a_lost_answer_is_settled_by_reading_and_nothing_comes_back(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, targets, snapshot, api = world.plan(), world.targets(), prepared(world), world.place.api
    answer = api.answer

    def lost(request: Request) -> Any:
        found = answer(request)
        if request.method == "DELETE":
            raise ConnectionAbortedError
        return found

    with monkeypatch.context() as patch:
        patch.setattr(api, "answer", lost)
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    seen = run_observe(world.step, targets)
    settled = executor_of(world.step).settled_from(world.step, seen, snapshot, {})
    assert settled is Settled.APPLIED
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    with pytest.raises(RollbackFailed, match="cannot come back"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.changes() == 1


# -- rights ---------------------------------------------------------------------------------------


def test_with_one_right_less_it_refuses_and_with_these_no_other_secret_is_reached(
    world: KubeWorld,
) -> None:
    for name, error in (("observe", TargetUnobservable), ("operate", NotApplied)):
        role = world.find("roles", f"hitl-{name}-token")
        assert role is not None
        rules, role["rules"] = role["rules"], []
        with pytest.raises(error, match="may not"):
            run_observe(world.step, world.targets())
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        role["rules"] = rules
    assert held(world) and world.changes() == 0
    world.place.api.add(token_secret("other-token", of(world)))
    for name, method, path, query in (
        ("observe", "GET", "/other-token", {}),
        ("observe", "GET", "", {}),
        ("observe", "GET", "", {"fieldSelector": "type=Opaque"}),
        ("observe", "GET", "", {"fieldSelector": "metadata.name=other-token"}),
        ("operate", "GET", f"/{world.secret}", {}),
        ("operate", "DELETE", "/other-token", {}),
    ):
        assert ask(world, name, method, path, query).status == 403, (name, method, path, query)


def test_the_right_to_list_one_secret_is_the_right_to_read_it(world: KubeWorld) -> None:
    """Said in docs/kubernetes.md: asking for metadata is the portal's own restraint."""
    query = {"fieldSelector": f"metadata.name={world.secret}"}
    assert PLANTED in repr(ask(world, "observe", "GET", "", query))
    for role in roles("### One token secret"):
        [rule] = role["rules"]
        assert rule["resourceNames"] == ["exporter-token"] and role["kind"] == "Role"
        assert rule["verbs"] in (["list"], ["delete"])


def ask(world: KubeWorld, who: str, method: str, path: str, query: dict[str, str]) -> Answer:
    at = f"/api/v1/namespaces/{world.namespace}/secrets{path}"
    return world.place.api.answer(Request(method, at, query, world.place.tokens[who], "", None))


# -- hostile answers ------------------------------------------------------------------------------


def test_a_hostile_answer_is_a_clear_refusal(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, answer, kind = world.place.api, world.place.api.answer, "PartialObjectMetadataList"
    meta: dict[str, Any] = {"name": world.secret, "uid": "u", "resourceVersion": "1"}

    def listed(**more: Any) -> Object:
        return {"kind": kind, "metadata": {}, "items": [{"metadata": {**meta, **more}}]}

    whole = {"metadata": meta, "data": {"token": PLANTED}}
    for body, why in (
        # A server that sends what the secret holds all the same.
        ({"kind": "SecretList", "metadata": {}, "items": [whole]}, "no list of metadata"),
        ({"kind": kind, "metadata": {}, "items": [whole]}, "no list of metadata"),
        ({"kind": kind, "metadata": {"continue": PLANTED}, "items": []}, "no list of metadata"),
        ({"kind": kind, "items": [{"metadata": [PLANTED]}]}, "no list of metadata"),
        ({"kind": kind, "items": [PLANTED]}, "no list of objects"),
        ({"kind": kind, "items": [{"metadata": meta}] * 2}, "no secret of this name"),
        (listed(name="other"), "no secret of this name"),
        (listed(uid=5), "no secret of this name"),
        (listed(uid="two words"), "no secret of this name"),
        (listed(resourceVersion=""), "no secret of this name"),
        (listed(labels=[PLANTED]), "no secret of this name"),
        (listed(annotations={ACCOUNT: [PLANTED]}), "no secret of this name"),
        (listed(annotations={ACCOUNT: f"../{PLANTED}"}), "no secret of this name"),
        (listed(annotations={ACCOUNT_UID: f"{PLANTED} x"}), "no secret of this name"),
        (listed(ownerReferences={"a": PLANTED}), "no secret of this name"),
        (listed(finalizers=[{"a": PLANTED}]), "no secret of this name"),
    ):

        def hostile(request: Request, body: Json = body) -> Any:
            found = answer(request)
            return Answer(200, body) if request.path.endswith("/secrets") else found  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(api, "answer", hostile)
            with pytest.raises(TargetUnobservable, match=why) as said:
                run_observe(world.step, world.targets())
        assert PLANTED not in repr(said.value)
    assert world.changes() == 0


def test_a_server_that_cannot_leave_the_data_out_is_not_asked_for_it(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, answer = world.place.api, world.place.api.answer

    def old(request: Request) -> Any:
        found = answer(request)
        return Answer(406, {"kind": "Status"}) if "as=Partial" in request.accept else found

    monkeypatch.setattr(api, "answer", old)
    begins = len(api.requests)
    with pytest.raises(TargetUnobservable, match="no such form of answer"):
        run_observe(world.step, world.targets())
    assert len(api.requests) == begins + 1
