"""Service accounts of a simulated Kubernetes: every token ends, and the account comes back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from hitlportal.demo.servers.kube_api import Request, new_token
from hitlportal.demo.servers.kube_cluster import Object
from hitlportal.demo.servers.kube_rights import Caller
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.store_place import version_name
from remediation.executors.base import Settled, Snapshot
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from tests.executors.contract import clearance, make_plan
from tests.executors.kube import (
    RBAC,
    KubePlace,
    KubeWorld,
    account,
    binding,
    item,
    service_account,
    workload,
)

REMOVE, RESTORE = "kubernetes.service_account.remove", "kubernetes.service_account.restore"
SETTINGS = ["automount:false", "label:app=exporter", "pull_secret:registry"]
MADE_BY = "hitlportal/made-by"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ROLE_ARN = "eks.amazonaws.com/role-arn"
# The form of a token of GitHub.
KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
Make = Callable[[str], KubeWorld]


@pytest.fixture
def make(tmp_path: Path, kube_place: KubePlace) -> Iterator[Make]:
    made: list[KubeWorld] = []

    def world(action: str) -> KubeWorld:
        made.append(KubeWorld(action, tmp_path, kube_place))
        return made[-1]

    yield world
    kube_place.api.before = None
    for each in made:
        each.close()


def prepared(world: KubeWorld) -> Snapshot:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(plan.steps[0], targets)
    return run_prepare(clearance(plan), plan.body, 0, targets, seen)


def run(world: KubeWorld, settings: list[Json] | None = None) -> None:
    parameters = {"settings": settings} if settings is not None else world.parameters
    plan, targets = make_plan(world.action, world.target, parameters), world.targets()
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets, snapshot)


def refused(world: KubeWorld, why: str, settings: list[Json] | None = None) -> None:
    before = world.look()
    with pytest.raises(NotApplied, match=why):
        run(world, settings)
    assert world.look() == before


def held(world: KubeWorld) -> Object:
    found = world.find("serviceaccounts", world.account)
    assert found is not None
    return found


def anew(world: KubeWorld, made: Object | None = None) -> None:
    """Remove the account and make one of its name, as somebody else might."""
    made = made or service_account(world.account, world.namespace)
    cluster = world.place.api.cluster
    cluster.delete("serviceaccounts", world.namespace, world.account, {})
    cluster.add(made)


def token_of(world: KubeWorld) -> str:
    """Return a token that names the account with its identifier of now."""
    token, uid = new_token(), held(world)["metadata"]["uid"]
    caller = Caller.service_account(world.namespace, world.account, uid)
    world.place.api.tokens[token] = caller
    return token


def status(world: KubeWorld, token: str) -> int:
    path = f"/api/v1/namespaces/{world.namespace}/serviceaccounts"
    return world.place.api.answer(Request("GET", path, {}, token, "", None)).status


def test_every_token_ends_and_the_account_comes_back_with_its_settings(make: Make) -> None:
    world = make(REMOVE)
    reads = [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list"]}]
    legacy = item(
        "Secret",
        "exporter-token",
        world.namespace,
        metadata={
            "annotations": {
                "kubernetes.io/service-account.name": world.account,
                "kubernetes.io/service-account.uid": held(world)["metadata"]["uid"],
            }
        },
        type="kubernetes.io/service-account-token",
        data={"token": "cGxhbnRlZA=="},
    )
    exporter = account(world.namespace, world.account)
    role = item("Role", "lists", world.namespace, rules=reads)
    world.place.api.add(role, binding("lists", world.namespace, "Role/lists", exporter), legacy)
    old, before = token_of(world), copy.deepcopy(held(world))
    assert status(world, old) == 200
    begins = len(world.place.api.requests)
    run(world)
    assert world.find("serviceaccounts", world.account) is None and status(world, old) == 401
    assert world.find("secrets", "exporter-token") is None, "the cluster deletes it by itself"
    world.action = RESTORE
    run(world)
    after = held(world)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    for name in ("uid", "resourceVersion", "creationTimestamp"):
        before["metadata"].pop(name), after["metadata"][name]
        after = {**after, "metadata": {k: v for k, v in after["metadata"].items() if k != name}}
    assert after["metadata"].pop("annotations").keys() == {MADE_BY}
    assert after == before
    assert status(world, old) == 401, "the name is the same, the identifier is not"
    assert status(world, token_of(world)) == 200, "bindings name an account by its name"
    for request, _, answer in world.place.api.requests[begins:]:
        assert "secrets" not in request.path and "cGxhbnRlZA" not in repr(answer)


def test_it_shows_who_is_cut_and_who_gets_rights_again(make: Make) -> None:
    world = make(REMOVE)
    whole = item(
        "ClusterRoleBinding",
        f"whole-{world.namespace}",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
        subjects=[account(world.namespace, world.account)],
    )
    world.place.api.add(
        workload("Deployment", "exporter", world.namespace, 2),
        whole,
    )
    seen = run_observe(world.step, world.targets())
    pods: Any = seen.shown["pods"]
    assert len(pods) == 2 and all(one.startswith("exporter-") for one in pods)
    assert seen.shown["bindings"] == [
        f"cluster role binding whole-{world.namespace} (ClusterRole view)",
        "role binding exporter-reads (Role reader)",
    ]
    assert seen.simulated
    points = executor_of(world.step).points(world.step, seen)
    assert [one.without_access for one in points] == [False]
    run(world)
    seen = run_observe(world.step, world.targets())
    points = executor_of(world.step).points(world.step, seen)
    assert [one.without_access for one in points] == [True]
    assert seen.shown["pods"] == pods, "those that still run with a dead token are named"


def test_annotations_come_back_and_a_copy_of_the_whole_object_does_not(make: Make) -> None:
    world = make(REMOVE)
    notes = {ROLE_ARN: "arn:x=y:role/a", LAST_APPLIED: "{}", "empty": ""}
    made = service_account(world.account, world.namespace, annotations=notes)
    anew(world, {**made, "secrets": [{"name": "db"}], "automountServiceAccountToken": True})
    settings: list[Json] = [
        f"annotation:{ROLE_ARN}=arn:x=y:role/a", "annotation:empty=", "automount:true",
        "label:app=exporter", "pull_secret:registry", "secret:db",
    ]  # fmt: skip
    assert run_observe(world.step, world.targets()).state["settings"] == settings
    run(world, settings)
    world.action = RESTORE
    run(world, settings)
    after = held(world)
    assert after["metadata"]["annotations"].pop(MADE_BY)
    assert after["metadata"]["annotations"] == {ROLE_ARN: "arn:x=y:role/a", "empty": ""}
    assert after["secrets"] == [{"name": "db"}]
    assert after["automountServiceAccountToken"] is True


def test_a_bare_account_has_no_settings(make: Make) -> None:
    world = make(REMOVE)
    anew(world, item("ServiceAccount", world.account, world.namespace))
    run(world, [])
    world.action = RESTORE
    run(world, [])
    assert {"metadata", "kind", "apiVersion"} == held(world).keys()


def test_an_account_that_could_not_come_back_as_it_was_is_not_removed(make: Make) -> None:
    owner = {"apiVersion": "v1", "kind": "Addon", "name": "exporter", "uid": "x"}
    many = {f"k{number:02}": "v" for number in range(51)}
    for more, why in (
        ({"ownerReferences": [owner]}, "another object owns it.*Addon exporter"),
        ({"finalizers": ["example.org/keep"]}, "finalizers hold its removal up"),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "it is being removed"),
        ({"annotations": {"long": "x" * 400}}, "cannot keep.*too long: annotation:long"),
        ({"annotations": many}, "cannot keep.*too long: 54 settings"),
        ({"annotations": {"key": KEY}}, "cannot keep.*with a secret: annotation:key'"),
        ({"annotations": {"new": "one"}}, "not those of the plan"),
    ):
        world = make(REMOVE)
        anew(world, service_account(world.account, world.namespace, **more))
        refused(world, why)
        assert KEY not in repr(run_observe(world.step, world.targets()))


def test_the_default_account_is_refused(make: Make) -> None:
    world = make(REMOVE)
    world.account = "default"
    world.place.api.add(service_account("default", world.namespace))
    refused(world, "makes the default account again")


def test_settings_that_no_account_can_have_are_refused(make: Make) -> None:
    world = make(RESTORE)
    refused(world, "not in order", ["label:b=1", "label:a=1"])
    refused(world, "twice", ["label:a=1", "label:a=2"])
    refused(world, "twice", ["automount:false", "automount:true"])
    for bad in ("label:=x", "uid:x", "automount:maybe", "secret:../x", "label:a", "too long: x"):
        with pytest.raises(BadInput):
            make_plan(RESTORE, world.target, {"settings": [bad]})


def test_another_account_of_the_name_is_not_taken_for_the_removed_one(make: Make) -> None:
    world = make(RESTORE)
    bare = item("ServiceAccount", world.account, world.namespace)
    world.place.api.add(bare)
    refused(world, "has other settings")


def test_an_account_that_was_made_again_since_people_looked_is_left(make: Make) -> None:
    """The identifier is pinned; the same settings are not the same account."""
    world = make(REMOVE)
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    anew(world)
    with pytest.raises(NotApplied, match="not as it was"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    seen = run_observe(world.step, targets)
    settled = executor_of(world.step).settled_from(world.step, seen, snapshot, {})
    assert settled is None, "who removed the first one is not known"
    assert world.changes() == 0


def test_an_account_that_is_made_again_just_before_the_call_is_left(make: Make) -> None:
    world = make(REMOVE)
    plan, snapshot, done = world.plan(), prepared(world), list[bool]()

    def before(request: Request) -> None:
        if request.method == "DELETE" and not done:
            done.append(True)
            anew(world)

    world.place.api.before = before
    with pytest.raises(NotApplied, match="somebody else"):
        run_apply(clearance(plan), plan.body, 0, world.targets(), snapshot)
    assert held(world) and world.changes() == 0


def test_a_lost_answer_is_settled_and_the_account_is_made_from_the_record(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst end of a crash: the account is missing, and all that it had is on record."""
    world = make(REMOVE)
    plan, targets, snapshot, api = world.plan(), world.targets(), prepared(world), world.place.api
    before, answer = copy.deepcopy(held(world)), api.answer

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
    for _ in range(2):  # the second time there is nothing to do
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.changes() == 2
    after = held(world)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    for name in ("imagePullSecrets", "automountServiceAccountToken"):
        assert after[name] == before[name]


def test_undoing_does_not_overwrite_an_account_that_somebody_made(make: Make) -> None:
    world = make(REMOVE)
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    world.place.api.add(item("ServiceAccount", world.account, world.namespace))
    with pytest.raises(RollbackFailed, match="somebody else"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)


def test_a_hostile_account_is_a_clear_refusal(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world, secret = make(REMOVE), "planted-in-an-answer"
    api, answer = world.place.api, world.place.api.answer
    for body in (
        {},
        {"metadata": secret},
        {"metadata": {"name": "other", "uid": "u", "resourceVersion": "1"}},
        {"metadata": {"name": "exporter", "uid": 5, "resourceVersion": "1"}},
        {"metadata": {"name": "exporter", "uid": "u"}},
        {"metadata": {"labels": [secret]}},
        {"metadata": {"annotations": {"a": {"b": secret}}}},
        {"metadata": {"ownerReferences": {"a": secret}}},
        {"imagePullSecrets": secret},
        {"imagePullSecrets": [secret]},
        {"secrets": [{}]},
        {"automountServiceAccountToken": "false"},
    ):
        meta = {"name": "exporter", "uid": "u", "resourceVersion": "1"}
        whole: Any = {"metadata": meta, **body} if body else {}
        if isinstance(whole.get("metadata"), dict) and "name" not in whole["metadata"]:
            whole["metadata"] = {**meta, **whole["metadata"]}

        def hostile(request: Request, whole: Any = whole) -> Any:
            found = answer(request)
            at = f"/serviceaccounts/{world.account}"
            return type(found)(200, whole) if request.path.endswith(at) else found

        monkeypatch.setattr(api, "answer", hostile)
        with pytest.raises(TargetUnobservable, match="no service account") as said:
            run_observe(world.step, world.targets())
        assert secret not in repr(said.value)
    assert world.changes() == 0


def test_an_account_that_a_finalizer_holds_in_its_removal_is_not_there_again(make: Make) -> None:
    """Who removes it between the decision and the change would else make the restore "done"."""
    world = make(RESTORE)
    made = service_account(world.account, world.namespace)
    plan, targets = world.plan(), world.targets()
    settings = plan.steps[0].parameters["settings"]
    world.place.api.cluster.add(made)
    made = held(world)
    made["automountServiceAccountToken"] = False
    made["metadata"]["labels"] = {"app": "exporter"}
    made["imagePullSecrets"] = [{"name": "registry"}]
    made["metadata"]["finalizers"] = [f"example.org/{n}" for n in range(60)]
    made["metadata"]["deletionTimestamp"] = "2026-12-02T12:00:00Z"
    seen = run_observe(plan.steps[0], targets)
    assert seen.state == {"present": True, "settings": settings}
    executor = executor_of(plan.steps[0])
    with pytest.raises(NotApplied, match="being removed"):
        executor.precheck(plan.steps[0], seen)
    with pytest.raises(VerifyFailed, match="being removed"):
        run_verify(clearance(plan), plan.body, 0, targets)
    before: Snapshot = {"present": False, "settings": []}
    assert executor.settled_from(plan.steps[0], seen, before, {}) is None


def same(world: KubeWorld, **more: Any) -> Object:
    """Return an account with exactly the settings of the plan, as an attacker could make it."""
    return service_account(world.account, world.namespace, **more)


def test_an_account_that_an_attacker_made_first_is_no_success_of_a_restore(make: Make) -> None:
    """Between gate and call: same name, same settings, and its maker holds tokens of it."""
    world = make(RESTORE)
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    world.place.api.add(same(world))
    seen = run_observe(world.step, targets)
    assert seen.state["present"] and seen.state["settings"] == world.step.parameters["settings"]
    with pytest.raises(NotApplied, match="did not make"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    with pytest.raises(NotApplied, match="did not make"):
        executor_of(world.step).precheck(world.step, seen)
    with pytest.raises(VerifyFailed, match="did not make"):
        run_verify(clearance(plan), plan.body, 0, targets, snapshot)
    executor = executor_of(world.step)
    executor.version = version_name(clearance(plan).proposal_id, 0)
    assert executor.settled_from(world.step, seen, snapshot, {}) is None
    with pytest.raises(RollbackFailed, match="did not make"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.changes() == 0


def test_our_own_account_is_known_after_a_kill(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make(RESTORE)
    plan, targets, snapshot, api = world.plan(), world.targets(), prepared(world), world.place.api
    answer = api.answer

    def lost(request: Request) -> Any:
        found = answer(request)
        if request.method == "POST":
            raise ConnectionAbortedError
        return found

    with monkeypatch.context() as patch:
        patch.setattr(api, "answer", lost)
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    seen, executor = run_observe(world.step, targets), executor_of(world.step)
    executor.version = version_name(clearance(plan).proposal_id, 0)
    assert seen.shown["made_by"] == executor.version
    assert executor.settled_from(world.step, seen, snapshot, {}) is Settled.APPLIED
    again = run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert again.detail["changed"] is False and world.changes() == 1
    run_verify(clearance(plan), plan.body, 0, targets, snapshot)


@pytest.mark.parametrize("mark", ["hitl-another-run-0", "x" * 9_000, KEY])
def test_an_account_with_another_mark_is_somebody_else_s(make: Make, mark: str) -> None:
    world = make(RESTORE)
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    made = same(world)
    world.place.api.add({**made, "metadata": {**made["metadata"], "annotations": {MADE_BY: mark}}})
    with pytest.raises(NotApplied, match="did not make"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    seen = run_observe(world.step, targets)
    assert KEY not in repr(seen) and len(str(seen.shown["made_by"])) <= 100


@pytest.mark.parametrize("key", [MADE_BY, "kubectl.kubernetes.io/last-applied-configuration"])
def test_a_plan_cannot_set_what_is_never_read_back(make: Make, key: str) -> None:
    world = make(RESTORE)
    plan = make_plan(RESTORE, world.target, {"settings": [f"annotation:{key}=hitl-0-0"]})
    with pytest.raises(NotApplied, match="no plan can set"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.changes() == 0


def test_undoing_a_removal_does_not_take_an_attacker_s_account_for_its_own(make: Make) -> None:
    world = make(REMOVE)
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    world.place.api.add(same(world))
    with pytest.raises(RollbackFailed, match="did not make"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.changes() == 1


def test_an_account_that_is_made_again_behind_an_undoing_does_not_end_it(make: Make) -> None:
    world = make(REMOVE)
    plan, targets, snapshot = world.plan(), world.targets(), prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    posted = list[bool]()

    def before(request: Request) -> None:
        if request.method == "POST":
            posted.append(True)
        elif posted and posted.pop():
            anew(world)

    world.place.api.before = before
    with pytest.raises(RollbackFailed, match="not as it was before"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
