"""Workloads and role bindings of a simulated Kubernetes: what is cut, what stays, which rights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from audit.tlog.canonical import Json, encode
from hitlportal.demo.servers.kube import KubeServer
from hitlportal.demo.servers.kube_api import Answer, Request
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.executors.base import Deadline, Settled
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_traces,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.kube import (
    CLUSTER,
    RBAC,
    KubePlace,
    KubeWorld,
    account,
    binding,
    certified,
    item,
    roles,
    workload,
)
from tests.executors.kube_described import operation_of, problems

ISOLATE, RELEASE = "kubernetes.workload.isolate", "kubernetes.workload.release"
TO_ZERO, BACK = "kubernetes.workload.scale_to_zero", "kubernetes.workload.scale_back"
REMOVE, RESTORE = "kubernetes.role_binding.remove", "kubernetes.role_binding.restore"
TAKE_OUT, PUT_BACK = (
    "kubernetes.role_binding.remove_subject",
    "kubernetes.role_binding.add_subject",
)
NO_ACCOUNT, ACCOUNT = "kubernetes.service_account.remove", "kubernetes.service_account.restore"
NO_TOKEN = "kubernetes.token_secret.delete"
UNDO, REDO = "kubernetes.workload.undo_rollout", "kubernetes.workload.redo_rollout"
EVERY = (
    ISOLATE, RELEASE, TO_ZERO, BACK, REMOVE, RESTORE, TAKE_OUT, PUT_BACK, NO_ACCOUNT, ACCOUNT,
    NO_TOKEN, UNDO, REDO,
)  # fmt: skip
# The rights of the operator that each action needs.
NEEDED = (
    (ISOLATE, "create"), (RELEASE, "delete"), (TO_ZERO, "patch"), (BACK, "patch"),
    (REMOVE, "delete"), (RESTORE, "create"), (RESTORE, "bind"), (TAKE_OUT, "patch"),
    (TAKE_OUT, "bind"), (PUT_BACK, "patch"), (PUT_BACK, "bind"),
    (NO_ACCOUNT, "delete"), (ACCOUNT, "create"),
)  # fmt: skip
POLICY = "hitlportal-deployment-checkout"
Make = Callable[[str], KubeWorld]


@pytest.fixture
def make(tmp_path: Path, kube_place: KubePlace) -> Iterator[Make]:
    """Return a function that makes the world of an action."""
    made: list[KubeWorld] = []

    def world(action: str) -> KubeWorld:
        made.append(KubeWorld(action, tmp_path, kube_place))
        return made[-1]

    yield world
    for each in made:
        each.close()


def run(world: KubeWorld, **parameters: Json) -> None:
    """Observe, check, apply and verify, as a run does."""
    plan = make_plan(world.action, world.target, {**world.parameters, **parameters})
    targets = world.targets()
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets, snapshot)


def refused(world: KubeWorld, why: str, **parameters: Json) -> None:
    """Assert that the step is refused with these words, and nothing changes."""
    before = world.look()
    with pytest.raises(NotApplied, match=why):
        run(world, **parameters)
    assert world.look() == before


@contextmanager
def between(world: KubeWorld, method: str, change: Callable[[], object]) -> Iterator[None]:
    """Let something happen just before the first request of this method is answered."""
    done: list[bool] = []

    def before(request: Request) -> None:
        if request.method == method and not done:
            done.append(True)
            change()

    world.place.api.before = before
    try:
        yield
    finally:
        world.place.api.before = None


def without(world: KubeWorld) -> list[bool | None]:
    executor = executor_of(world.step)
    seen = run_observe(world.step, world.targets())
    return [point.without_access for point in executor.points(world.step, seen)]


# -- cut off from the network ---------------------------------------------------------------------


def test_the_policy_selects_the_workloads_pods_and_those_to_come_and_allows_nothing(
    make: Make,
) -> None:
    world = make(ISOLATE)
    pods = copy.deepcopy(world.pods())
    run(world)
    made = world.find("networkpolicies", POLICY)
    assert made is not None
    assert made["spec"] == {
        "podSelector": {"matchLabels": {"app": "checkout"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert world.pods() == pods, "no pod is changed, and none is replaced"
    # The API does not show what the network plugin enforces: no incident is contained by it.
    assert without(world) == [True, None]


def test_a_pod_that_loses_its_label_is_replaced_so_the_portal_changes_none(make: Make) -> None:
    """The reason for a policy with the workload's own selector."""
    world = make(ISOLATE)
    pod = world.pods()[0]
    pod["metadata"]["labels"] = {"quarantine": "yes"}
    world.place.api.settle()
    assert len(world.pods()) == 3, "another pod of the same image took its place"
    assert world.find("pods", pod["metadata"]["name"]) is not None, "the first one is kept"


def test_one_direction_is_the_gentler_form(make: Make) -> None:
    world = make(ISOLATE)
    run(world, directions=["Egress"])
    made = world.find("networkpolicies", POLICY)
    assert made is not None and made["spec"]["policyTypes"] == ["Egress"]
    assert without(world) == [False], "clients still reach it"
    refused(world, "there already")


def test_policies_of_others_add_up_and_are_named(make: Make) -> None:
    world = make(ISOLATE)
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "front"}}}]}
    at = world.namespace
    for name, selector, spec in (
        ("allow-front", {}, {"policyTypes": ["Ingress"], "ingress": [rule]}),
        ("deny-all", {}, {"policyTypes": ["Ingress", "Egress"]}),
        ("not-me", {"matchLabels": {"app": "other"}}, {"ingress": [{}]}),
        (
            "names-me",
            {"matchLabels": {"app": "other"}},
            {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "checkout"}}}]}]},
        ),
    ):
        policy = item("NetworkPolicy", name, at, spec={"podSelector": selector, **spec})
        world.place.api.add(policy)
    seen = run_observe(world.step, world.targets())
    assert seen.shown["allowed_by"] == ["allow-front (Ingress)"]
    assert seen.shown["named_by"] == ["names-me (Ingress)"]
    run(world)
    assert without(world) == [False]


def test_it_shows_what_would_be_cut(make: Make) -> None:
    world = make(ISOLATE)
    elsewhere = item("Service", "elsewhere", world.namespace, spec={"selector": {"app": "x"}})
    world.place.api.add(elsewhere, item("Service", "outside", world.namespace, spec={}))
    seen = run_observe(world.step, world.targets())
    assert seen.simulated
    assert seen.shown["services"] == ["checkout (ClusterIP, port 80)"]
    assert seen.shown["ingresses"] == ["pay.example/pay to checkout (ingress shop)"]
    assert seen.shown["service_account"] == "checkout"
    assert len(seen.shown["pods"]) == 3  # type: ignore[arg-type]


def test_what_a_policy_would_not_cut_or_would_cut_too_much_is_refused(make: Make) -> None:
    for change, why in (
        (lambda at: workload("Deployment", "bare", at, hostNetwork=True), "network of their node"),
        (lambda at: workload("Deployment", "bare", at), "pods of others"),
    ):
        world = make(ISOLATE)
        world.name = "bare"
        world.place.api.add(change(world.namespace))
        if "others" in why:
            pod = item("Pod", "alone", world.namespace, spec={"containers": []})
            pod["metadata"]["labels"] = {"app": "bare"}
            pod["metadata"]["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x", "controller": True}
            ]
            world.place.api.add(pod)
        refused(world, why)


def test_a_policy_of_its_name_that_is_not_the_portals_is_left_alone(make: Make) -> None:
    for action in (ISOLATE, RELEASE):
        world = make(action)
        if action == RELEASE:
            world.place.api.cluster.delete("networkpolicies", world.namespace, POLICY, {})
        own = world.policy()
        own["metadata"]["labels"] = {}
        world.place.api.add(own)
        before = world.look()
        if action == ISOLATE:
            refused(world, "another one")
        else:
            run(world)  # it is not isolated by the portal: there is nothing to do
        assert world.look() == before


def test_a_policy_that_somebody_changed_is_not_removed(make: Make) -> None:
    world = make(RELEASE)
    policy = world.find("networkpolicies", POLICY)
    assert policy is not None
    policy["spec"]["ingress"] = [{}]
    seen = run_observe(world.step, world.targets())
    assert seen.state["isolated"] == ["changed by somebody"]
    refused(world, "changed by somebody")


def test_a_policy_made_in_between_is_not_removed_by_its_old_name(make: Make) -> None:
    """The call names the very object that was seen."""
    world = make(RELEASE)

    def again() -> None:
        world.place.api.cluster.delete("networkpolicies", world.namespace, POLICY, {})
        world.place.api.add(world.policy())

    with between(world, "DELETE", again), pytest.raises(NotApplied, match="somebody else"):
        run(world)
    assert world.find("networkpolicies", POLICY) is not None


def test_undoing_never_overwrites_what_somebody_else_set(make: Make) -> None:
    world = make(ISOLATE)
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    policy = world.find("networkpolicies", POLICY)
    assert policy is not None
    policy["spec"]["policyTypes"] = ["Egress"]
    with pytest.raises(RollbackFailed, match="somebody else"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.find("networkpolicies", POLICY) is not None


# -- scaled to zero -------------------------------------------------------------------------------


def test_pods_end_and_come_back_for_both_controllers(make: Make) -> None:
    for controller, name, count in (("deployment", "checkout", 3), ("statefulset", "ledger", 2)):
        world = make(TO_ZERO)
        world.controller, world.name = controller, name
        run(world, replicas=str(count))
        assert world.pods(name) == [] and without(world) == [True]
        assert run_observe(world.step, world.targets()).shown["pods"] == []
        world.action = BACK
        run(world, replicas=str(count))
        assert len(world.pods(name)) == count


def test_a_pod_that_has_ended_is_nothing_that_still_runs(make: Make) -> None:
    """Its object stays until it is collected; its controller does not delete it."""
    world = make(TO_ZERO)
    ended = copy.deepcopy(world.pods()[0])
    ended["metadata"]["name"], ended["metadata"]["uid"] = "evicted", "evicted"
    ended["status"]["phase"] = "Failed"
    del ended["metadata"]["resourceVersion"]
    world.place.api.add(ended)
    executor, seen = executor_of(world.step), run_observe(world.step, world.targets())
    assert not [one for one in seen.shown["pods"] if "evicted" in str(one)]  # type: ignore[union-attr]
    assert executor.left_open(world.step, seen) == ("3 pods still run",)


def test_it_waits_until_pods_that_are_ending_are_gone(make: Make) -> None:
    world = make(TO_ZERO)
    world.place.api.cluster.grace_s = 0.6
    try:
        plan, targets = world.plan(), world.targets()
        run_apply(clearance(plan), plan.body, 0, targets)
        with pytest.raises(VerifyFailed, match="3 pods still run"):
            executor_of(world.step).verify(clearance(plan), world.step, targets, Deadline.within(0))
        assert without(world) == [False]
        run_verify(clearance(plan), plan.body, 0, targets)
    finally:
        world.place.api.cluster.grace_s = 0.0


def test_another_count_than_the_plans_is_not_touched(make: Make) -> None:
    world = make(TO_ZERO)
    refused(world, "3 replicas", replicas="5")
    world = make(BACK)
    world.place.api.cluster.get("deployments", world.namespace, "checkout")["spec"]["replicas"] = 2
    world.place.api.settle()
    refused(world, "2 replicas")


def test_a_change_in_between_is_read_again_and_judged_again(make: Make) -> None:
    world = make(TO_ZERO)
    item_ = world.place.api.cluster.get("deployments", world.namespace, "checkout")
    with between(world, "PATCH", lambda: world.place.api.cluster.touch(item_)):
        run(world)  # only its version changed
    assert world.pods() == []
    other = make(TO_ZERO)

    def more() -> None:
        held = other.place.api.cluster.get("deployments", other.namespace, "checkout")
        held["spec"]["replicas"] = 4
        other.place.api.cluster.touch(held)

    with between(other, "PATCH", more), pytest.raises(NotApplied, match="somebody else changed"):
        run(other)
    assert len(other.pods()) == 4


def test_an_autoscaler_is_named(make: Make) -> None:
    world = make(TO_ZERO)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    world.place.api.add(
        item(
            "HorizontalPodAutoscaler",
            "checkout",
            world.namespace,
            spec={"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5},
        )
    )
    seen = run_observe(world.step, world.targets())
    assert seen.shown["autoscalers"] == ["checkout"]


def test_what_pods_show_is_kept_without_secrets(make: Make) -> None:
    world, key = make(TO_ZERO), "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    pod = world.pods()[0]["metadata"]["name"]
    text = "".join(f"line {n}\n" for n in range(500)) + f"token={key}\nlast line\n"
    world.place.api.cluster.logs[world.namespace, pod, "main"] = text
    found = run_traces(world.step, world.targets())
    encode(dict(found))
    assert key not in repr(found) and "last line" in repr(found)
    assert world.place.tokens["observe"] not in repr(found)
    assert len(repr(found)) < 32_768
    described: Any = found["pods"]
    assert len(described) == 3
    assert "@sha256:" in described[0]["containers"][0]["image_id"]
    rule = next(each for each in world.place.rules("observe") if "pods/log" in each["resources"])
    rule["resources"].remove("pods/log")
    try:
        described = run_traces(world.step, world.targets())["pods"]
        assert described[0]["containers"][0]["log"] is None
    finally:
        rule["resources"].append("pods/log")


# -- role bindings --------------------------------------------------------------------------------


def test_a_binding_is_removed_and_made_again_with_its_role_and_subjects(make: Make) -> None:
    world = make(REMOVE)
    before = copy.deepcopy(world.find("rolebindings", world.binding))
    run(world)
    assert world.find("rolebindings", world.binding) is None and without(world) == [True]
    world.action = RESTORE
    run(world)
    after = world.find("rolebindings", world.binding)
    assert before is not None and after is not None
    assert after["roleRef"] == before["roleRef"]
    assert sorted(after["subjects"], key=repr) == sorted(before["subjects"], key=repr)


def test_a_binding_that_is_not_as_the_plan_says_is_not_touched(make: Make) -> None:
    world = make(REMOVE)
    refused(world, "subjects are not", subjects=["Group:sre"])
    refused(world, "role are not", role="ClusterRole/admin")
    world = make(RESTORE)
    refused(world, "not in order", subjects=["User:b", "User:a"])
    other = binding(world.binding, world.namespace, "Role/other", account("a", "b"))
    world.place.api.add(other)
    refused(world, "another one")


def test_one_subject_is_taken_out_and_the_others_stay(make: Make) -> None:
    world = make(TAKE_OUT)
    run(world)
    held = world.find("rolebindings", world.binding)
    assert held is not None and [one["name"] for one in held["subjects"]] == ["sre"]
    world.action = PUT_BACK
    run(world)
    assert held["roleRef"]["name"] == "reader"
    seen = run_observe(world.step, world.targets())
    exporter = f"ServiceAccount:{world.namespace}/exporter"
    assert seen.state["subjects"] == ["Group:sre", exporter]
    assert seen.shown["rules"] == ["get on configmaps"]


def test_other_bindings_of_the_subject_are_named(make: Make) -> None:
    world = make(TAKE_OUT)
    exporter = account(world.namespace, "exporter")
    whole = item(
        "ClusterRoleBinding",
        f"whole-{world.namespace}",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "admin"},
        subjects=[exporter],
    )
    world.place.api.add(binding("more", world.namespace, "Role/writer", exporter), whole)
    run(world)
    seen = run_observe(world.step, world.targets())
    assert seen.shown["elsewhere"] == [
        f"cluster role binding whole-{world.namespace} (ClusterRole admin)",
        "role binding more (Role writer)",
    ]
    assert without(world) == [False]


def test_a_look_without_a_plan_never_calls_a_living_binding_gone(make: Make) -> None:
    """A look has no parameters; another subject that is still in it keeps the role."""
    for action in (REMOVE, TAKE_OUT):
        world = make(action)
        executor = executor_of(world.step)
        bare = replace(world.step, parameters={})
        seen = run_observe(bare, world.targets())
        assert [one.without_access for one in executor.points(bare, seen)] == [False]
    run(world)  # one subject is out, the other one stays
    assert without(world) == [False]


def test_the_other_names_of_a_service_account_are_looked_for(make: Make) -> None:
    """RBAC compares user name and groups; every account may read what the API is."""
    for other in (
        {"kind": "User", "name": "system:serviceaccount:{}:exporter", "apiGroup": RBAC},
        {"kind": "Group", "name": "system:serviceaccounts:{}", "apiGroup": RBAC},
        {"kind": "Group", "name": "system:authenticated", "apiGroup": RBAC},
        {"kind": "ServiceAccount", "name": "exporter"},
    ):
        world = make(REMOVE)
        named = {**other, "name": other["name"].format(world.namespace)}
        world.place.api.add(binding("more", world.namespace, "Role/writer", named))
        seen = run_observe(world.step, world.targets())
        assert seen.shown["elsewhere"] == ["role binding more (Role writer)"], other
    told = item(
        "ClusterRoleBinding",
        f"told-{world.namespace}",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:discovery"},
        subjects=[{"kind": "Group", "name": "system:authenticated", "apiGroup": RBAC}],
    )
    world.place.api.add(told)
    assert run_observe(world.step, world.targets()).shown["elsewhere"] == seen.shown["elsewhere"]


def test_a_binding_that_is_changed_between_the_judgement_and_the_call_is_left(make: Make) -> None:
    world = make(TAKE_OUT)
    plan, targets = world.plan(), world.targets()
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    held = world.find("rolebindings", world.binding)
    assert held is not None
    reads = []

    def before(request: Request) -> None:
        if request.path.endswith(f"/rolebindings/{world.binding}"):
            reads.append(request)
            if len(reads) == 2:  # after the judgement, before the change is prepared
                held["subjects"] = [account(world.namespace, "new")]

    world.place.api.before = before
    try:
        with pytest.raises(NotApplied, match="somebody else"):
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    finally:
        world.place.api.before = None
    assert [one["name"] for one in held["subjects"]] == ["new"]


def test_odd_names_are_targets_like_others(make: Make) -> None:
    for name in ("system:odd", "Ünïcode ☃", "a b?c=d#e&f", "..a", "{name}", "q\"'<b>", "x\ny"):
        world = make(REMOVE)
        world.binding = name
        subjects = [account(world.namespace, "exporter")]
        world.place.api.add(binding(name, world.namespace, "Role/reader", *subjects))
        run(world, subjects=[f"ServiceAccount:{world.namespace}/exporter"])
        assert world.find("rolebindings", name) is None
        assert world.find("rolebindings", "exporter-reads") is not None


def test_names_that_lead_elsewhere_cannot_be_named() -> None:
    at: dict[str, Json] = {"cluster": CLUSTER, "namespace": "billing"}
    for name in (".", "..", "a/b", "../x", "a%2fb", ""):
        target: dict[str, Json] = {"kind": "kubernetes.role_binding", **at, "binding": name}
        with pytest.raises(BadInput):
            make_plan(TAKE_OUT, target, {"subject": "User:a"})
    own: dict[str, Json] = {**at, "controller": "deployment", "name": "coredns"}
    target = {"kind": "kubernetes.workload", **own, "namespace": "kube-system"}
    with pytest.raises(BadInput):
        make_plan(ISOLATE, target, {"directions": ["Egress"]})


# -- rights, answers and addresses ----------------------------------------------------------------


def test_with_one_right_less_each_action_refuses_and_nothing_changes(make: Make) -> None:
    """With all of the documented rights each action works: see the contract test."""
    for action, verb in NEEDED:
        world = make(action)
        rules, before = world.place.rules("operate"), world.look()
        held = [rule for rule in rules if verb in rule["verbs"]]
        for rule in held:
            rule["verbs"].remove(verb)
        try:
            with pytest.raises(NotApplied, match="may not"):
                run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        finally:
            for rule in held:
                rule["verbs"].append(verb)
        assert world.look() == before, (action, verb)


def test_removing_a_binding_needs_no_right_to_bind(make: Make) -> None:
    world = make(REMOVE)
    rule = next(rule for rule in world.place.rules("operate") if rule["verbs"] == ["bind"])
    rule["verbs"] = []
    try:
        run(world)
    finally:
        rule["verbs"] = ["bind"]


def test_with_one_right_less_of_the_observer_nothing_is_said(make: Make) -> None:
    """But for logs, every documented right is needed by some action."""
    worlds = [make(action) for action in (ISOLATE, REMOVE, NO_ACCOUNT)]
    for rule in worlds[0].place.rules("observe"):
        for resource in list(rule["resources"]):
            if resource in ("pods/log", "statefulsets", "clusterroles"):
                continue  # other targets of the same kinds need them
            rule["resources"].remove(resource)
            try:
                failed = 0
                for world in worlds:
                    try:
                        run_observe(world.step, world.targets())
                    except TargetUnobservable as error:
                        failed += 1
                        assert "may not" in error.detail
                assert failed, resource
            finally:
                rule["resources"].append(resource)


def test_the_documented_rights_hold_no_secret_and_no_change_of_pods() -> None:
    observe, operate = roles()
    assert {verb for rule in observe["rules"] for verb in rule["verbs"]} == {"get", "list"}
    names = {resource for rule in operate["rules"] for resource in rule["resources"]}
    assert not names & {"pods", "secrets", "deployments", "clusterroles", "*"}
    assert all("secrets" not in rule["resources"] for rule in observe["rules"])


def test_a_lost_answer_is_unknown_and_settled_by_reading(make: Make) -> None:
    world = make(ISOLATE)
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    api = world.place.api
    answer = api.answer

    def lost(request: Request) -> Any:
        found = answer(request)
        if request.method == "POST":
            raise ConnectionAbortedError
        return found

    api.answer = lost  # type: ignore[method-assign]
    try:
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
    finally:
        api.answer = answer  # type: ignore[method-assign]
    assert world.changes() == 1, "it is not tried again"
    found = run_observe(world.step, targets)
    settled = executor_of(world.step).settled_from(world.step, found, seen.state, {})
    assert settled is Settled.APPLIED


def test_no_time_left_changes_nothing(make: Make) -> None:
    for action in (ISOLATE, TO_ZERO, REMOVE):
        world = make(action)
        plan, before = world.plan(), world.look()
        with pytest.raises(NotApplied, match="no time"):
            executor_of(plan.steps[0]).apply(
                clearance(plan), plan.steps[0], world.targets(), Deadline.within(1)
            )
        assert world.look() == before


def test_a_token_that_is_not_known_is_said_and_never_quoted(make: Make) -> None:
    world = make(ISOLATE)
    toml = world.toml().replace(world.place.tokens["observe"], "no-such-token")
    (world.directory / "other.toml").write_text(toml)
    targets = Targets.load(world.directory / "other.toml", portal_system_identifier=None)
    with pytest.raises(TargetUnobservable, match="token is not known") as said:
        run_observe(world.step, targets)
    assert "no-such-token" not in repr(said.value)
    for text in ("", "two words", "line\nbreak"):
        (world.directory / "operate.token").write_text(text)
        with pytest.raises(NotApplied, match="has none"):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def test_proxies_and_kubeconfigs_of_the_environment_are_not_read(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(ISOLATE)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    run(world)


def test_a_section_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "targets.toml"
    for server, more, why in (
        ("http://10.0.0.5:6443", "", "needs https"),
        ("https://10.0.0.5:6443", "", "give ca_file"),
        ("http://127.0.0.1:1", 'ca_file = "ca.pem"\n', "give ca_file"),
        ("https://u:p@10.0.0.5", 'ca_file = "ca.pem"\n', "https://host:port"),
        ("https://10.0.0.5/api", 'ca_file = "ca.pem"\n', "without a path"),
        ("https://10.0.0.5?x", 'ca_file = "ca.pem"\n', "without a path"),
        ("https://10.0.0.5:x", 'ca_file = "ca.pem"\n', "no address"),
        ("ftp://10.0.0.5", "", "https://host:port"),
        ("https://10.0.0.5", 'ca_file = "ca.pem"\nsimulated = true\n', "not on this host"),
        ("http://127.0.0.1:1", "insecure = true\n", "unknown insecure"),
    ):
        path.write_text(
            f'[kubernetes.a]\nserver = "{server}"\n{more}observe_token = "o"\n'
            'operate_token_file = "f"\n'
        )
        with pytest.raises(TargetsFileInvalid, match=why):
            Targets.load(path, portal_system_identifier=None)


def test_the_portals_own_namespaces_and_the_environment_are_known(make: Make) -> None:
    world = make(ISOLATE)
    more = f'own_namespaces = ["{world.namespace}"]\nenvironment = "production"\n'
    (world.directory / "own.toml").write_text(world.toml() + more)
    targets = Targets.load(world.directory / "own.toml", portal_system_identifier=None)
    assert targets.is_own(world.step.target)
    assert not world.targets().is_own(world.step.target)


def test_every_request_and_answer_is_as_the_api_is_described(make: Make) -> None:
    """All actions, and the requests that they make on the way, against the official description."""
    place, judged = make(ISOLATE).place, set[str]()
    for action in EVERY:
        world = make(action)
        begins, gone = len(place.api.requests), world.plan(world.gone)
        run(world)
        run_traces(world.step, world.targets())
        with pytest.raises(NotApplied):
            run_apply(clearance(gone), gone.body, 0, world.targets())
        for request, _, answer in place.api.requests[begins:]:
            kind = (request.method, operation_of(request), {*request.query}, answer.status)
            if repr(kind) not in judged:  # the others differ in names only
                judged.add(repr(kind))
                assert problems(request, answer) == []
    assert len(judged) > 20


def test_what_the_description_does_not_allow_is_found() -> None:
    answer = Answer(200, {"kind": "PodList", "items": []})
    pods = "/api/v1/namespaces/a/pods"
    asked = Request("GET", pods, {}, "", "", None)
    assert problems(asked, answer) == []
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"path": "/api/v2/namespaces/a/pods"}, "no such operation"),
        ({"query": {"labels": "a=b"}}, "no query labels"),
    )
    for change, found in changes:
        [said] = problems(replace(asked, **change), answer)
        assert found in said
    [said] = problems(asked, Answer(200, {"kind": "PodList", "items": [{"spek": {}}]}))
    assert "spek" in said
    patch = {"spec": {"replicas": "3"}}
    scale = "/apis/apps/v1/namespaces/a/deployments/b/scale"
    sent = Request("PATCH", scale, {}, "", "application/merge-patch+json", patch)
    assert any("replicas" in each for each in problems(sent, Answer(200, {"kind": "Scale"})))


def test_the_server_must_be_the_one_of_the_ca_file(make: Make, tmp_path: Path) -> None:
    world = make(ISOLATE)
    certificate, key = certified(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = certified(tmp_path / "other")
    server = KubeServer(tls=(certificate, key))
    server.api.cluster, server.api.tokens = world.place.api.cluster, world.place.api.tokens
    server.start()
    try:
        for ca_file, trusted in ((certificate, True), (other, False)):
            toml = world.toml().replace(world.place.server.url, server.url)
            path = world.directory / "secured.toml"
            path.write_text(f'{toml}ca_file = "{ca_file}"\n')
            targets = Targets.load(path, portal_system_identifier=None)
            if trusted:
                assert run_observe(world.step, targets).exists
                run_apply(clearance(world.plan()), world.plan().body, 0, targets)
                continue
            begins = len(server.api.requests)
            with pytest.raises(TargetUnobservable):
                run_observe(world.step, targets)
            assert len(server.api.requests) == begins, "no token was sent"
    finally:
        server.stop()


def test_a_redirect_is_not_followed_with_the_token(make: Make) -> None:
    world, asked = make(ISOLATE), list[str]()

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", f"{world.place.server.url}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Elsewhere)
    Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    begins = len(world.place.api.requests)
    try:
        with pytest.raises(TargetUnobservable, match="status 307"):
            run_observe(world.step, world.targets(listening.server_port))
    finally:
        listening.shutdown()
        listening.server_close()
    assert len(asked) == 1 and len(world.place.api.requests) == begins
