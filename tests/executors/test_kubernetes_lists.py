"""Long lists of a simulated Kubernetes: followed page by page, and refused rather than cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hitlportal.demo.servers.kube_api import Answer, Request
from remediation.domain.errors import TargetUnobservable
from remediation.executors import kubernetes_calls as calls
from remediation.executors.run import run_observe
from tests.executors.kube import RBAC, KubePlace, KubeWorld, account, binding
from tests.executors.kube_described import problems

REMOVE = "kubernetes.role_binding.remove"
OTHERS = 7


@pytest.fixture
def world(
    tmp_path: Path, kube_place: KubePlace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubeWorld]:
    """Return a namespace whose last binding, by name, also names the subject."""
    monkeypatch.setattr(calls, "PAGE", 3)
    made = KubeWorld(REMOVE, tmp_path, kube_place)
    group = {"kind": "Group", "name": "nobody", "apiGroup": RBAC}
    for number in range(OTHERS):
        kube_place.api.add(binding(f"m-{number}", made.namespace, "Role/reader", group))
    exporter = account(made.namespace, "exporter")
    kube_place.api.add(binding("z-last", made.namespace, "Role/writer", exporter))
    yield made
    kube_place.api.before = None
    made.close()


def bindings(world: KubeWorld, begins: int) -> list[tuple[Request, Answer]]:
    return [
        (request, answer)
        for request, _, answer in world.place.api.requests[begins:]
        if request.path.endswith(f"/{world.namespace}/rolebindings")
    ]


def test_a_list_is_read_to_its_last_page(world: KubeWorld) -> None:
    begins = len(world.place.api.requests)
    seen = run_observe(world.step, world.targets())
    assert seen.shown["elsewhere"] == ["role binding z-last (Role writer)"]
    pages = bindings(world, begins)
    assert len(pages) == 4 and len({request.query.get("continue") for request, _ in pages}) == 4
    for request, answer in pages:
        assert request.query["limit"] == "3" and problems(request, answer) == []


def test_a_list_that_is_too_long_is_refused_and_not_cut(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in (("MOST", 9), ("MOST_LISTED_BYTES", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(calls, name, most)
            with pytest.raises(TargetUnobservable, match="longer than"):
                run_observe(world.step, world.targets())
    # Exactly as many as are read is not too many.
    monkeypatch.setattr(calls, "MOST", OTHERS + 3)
    assert run_observe(world.step, world.targets()).exists


def test_a_list_that_expires_between_two_pages_is_no_observation(world: KubeWorld) -> None:
    """What was read of it is thrown away: the rest could give access."""
    api = world.place.api

    def before(request: Request) -> None:
        if "continue" in request.query:
            api.epoch += 1

    api.before = before
    begins = len(api.requests)
    with pytest.raises(TargetUnobservable, match="expired while it was read"):
        run_observe(world.step, world.targets())
    [(first, _), (request, answer)] = bindings(world, begins)
    assert first.query == {"limit": "3"}
    assert answer.status == 410 and problems(request, answer) == []


def test_a_list_that_takes_too_long_is_refused(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LIST_SECONDS", 0.0)
    with pytest.raises(TargetUnobservable, match="takes too long"):
        run_observe(world.step, world.targets())


def test_a_hostile_list_is_refused_in_words(
    world: KubeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No end, no list, no objects, no page that is named: never fewer objects than there are."""
    api, secret = world.place.api, "planted-in-an-answer"
    whole = api.answer
    for body, why in (
        ({"metadata": {"continue": secret}, "items": []}, "comes to no end"),
        ({"metadata": {"continue": ["x"]}, "items": []}, "no list"),
        ({"metadata": {"continue": secret * 1000}, "items": []}, "no list"),
        ({"metadata": [], "items": {"a": secret}}, "no list"),
        ({"metadata": [secret], "items": []}, "no list"),
        ({"items": [secret]}, "no list"),
        ({"items": secret}, "no list"),
    ):

        def answer(request: Request, body: Any = body) -> Answer:
            if request.path.endswith("/rolebindings"):
                return Answer(200, body)
            return whole(request)

        monkeypatch.setattr(api, "answer", answer)
        with pytest.raises(TargetUnobservable, match=why) as said:
            run_observe(world.step, world.targets())
        assert secret not in repr(said.value)
    assert world.changes() == 0
