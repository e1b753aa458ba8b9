"""GitHub: what the contract test cannot ask, at the simulated API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hitlportal.demo.servers.github_api import Answer, Request
from hitlportal.demo.servers.github_state import new_id
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Candidate, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_secret_in_force,
    run_traces,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance
from tests.executors.github import BOT, OBSERVE, OPERATE, ORG, GithubPlace, GithubWorld, rights
from tests.executors.github_api_described import operation_of, operations, problems

DELETE, REVOKE = "github.deploy_key.delete", "github.fine_grained_token.revoke"
SUSPEND, UNSUSPEND = "github.app_installation.suspend", "github.app_installation.unsuspend"
ALL = tuple(kind for kind in ACTIONS if kind.startswith("github."))
NEEDS = {
    DELETE: "administration",
    REVOKE: "organization_personal_access_tokens",
    SUSPEND: "organization_administration",
    UNSUSPEND: "organization_administration",
}


@pytest.fixture
def worlds(tmp_path: Path, github_place: GithubPlace) -> Iterator[dict[str, GithubWorld]]:
    """One world for each action."""
    made = {}
    for action in ALL:
        (tmp_path / action).mkdir()
        made[action] = GithubWorld(action, tmp_path / action, github_place)
    yield made
    for world in made.values():
        world.close()
    for name, installed in github_place.installed.items():
        installed.permissions = rights(name)
        installed.repositories = installed.suspended_at = None
        github_place.api.installations[installed.id] = installed
    github_place.api.before, github_place.api.loses = None, lambda request: False


def carry_out(world: GithubWorld) -> None:
    plan, targets = world.plan(), world.targets()
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)


def unobservable(world: GithubWorld, why: str) -> None:
    """Nothing is seen and nothing is done, for a reason in words."""
    with pytest.raises(TargetUnobservable, match=why):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def test_what_is_sent_and_what_is_answered_is_as_github_describes_it(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    begins = len(github_place.api.requests)
    for world in worlds.values():
        carry_out(world)
        with suppress(TargetUnobservable):
            run_observe(world.plan(world.gone).steps[0], world.targets())
    asked = github_place.api.requests[begins:]
    assert [each for request, _, answer in asked for each in problems(request, answer)] == []
    assert {operation_of(request) for request, _, _ in asked} == set(operations())


def test_the_description_refuses_what_is_not_in_it() -> None:
    revoke = "/orgs/acme/personal-access-tokens/1"
    for request, answer in (
        (Request("GET", "/app", {"page": "1"}, ""), Answer(404)),
        (Request("POST", revoke, {}, "", {"action": "x"}), Answer(204)),
        (Request("POST", revoke, {}, ""), Answer(204)),
        (Request("GET", "/repos/acme/r/keys/1", {}, ""), Answer(200, {"id": 1})),
        (Request("DELETE", "/app/installations/1", {}, ""), Answer(204)),
        (Request("PUT", "/app/installations/1/suspended", {}, ""), Answer(200, {})),
    ):  # fmt: skip
        assert problems(request, answer), request.path


def test_without_a_documented_right_nothing_is_seen_and_nothing_done(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    for action, world in worlds.items():
        github_place.installed[OBSERVE].permissions = {**rights(OBSERVE)}
        del github_place.installed[OBSERVE].permissions[NEEDS[action]]
        unobservable(world, f"has not the right {NEEDS[action]}=read")
        github_place.installed[OBSERVE].permissions = rights(OBSERVE)
    for action in (DELETE, REVOKE):
        world = worlds[action]
        github_place.installed[OPERATE].permissions = {**rights(OPERATE), NEEDS[action]: "read"}
        with pytest.raises(NotApplied, match=f"{NEEDS[action]}=write"):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        assert world.changes() == 0
        github_place.installed[OPERATE].permissions = rights(OPERATE)


def test_the_documented_rights_are_those_that_are_needed() -> None:
    assert set(rights(OBSERVE).values()) == {"read"} and set(rights(OBSERVE)) == {*NEEDS.values()}
    assert rights(OPERATE) == {NEEDS[DELETE]: "write", NEEDS[REVOKE]: "write"}


def test_a_token_is_cut_to_one_right_and_one_repository(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    for action, world in worlds.items():
        begins = len(github_place.api.requests)
        carry_out(world)
        asked = {
            (who, tuple(request.body["permissions"].items()), *request.body.get("repositories", ()))
            for request, who, _ in github_place.api.requests[begins:]
            if request.path.endswith("/access_tokens")
        }
        wanted: set[tuple[object, ...]] = {(OBSERVE, ((NEEDS[action], "read"),))}
        if action == DELETE:
            wanted |= {(OPERATE, ((NEEDS[action], "write"),), world.repository)}
        if action == REVOKE:
            wanted |= {(OPERATE, ((NEEDS[action], "write"),))}
        assert asked == wanted


def test_a_404_alone_makes_nothing_gone_or_deleted(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    observe, world = github_place.installed[OBSERVE], worlds[DELETE]
    # Not installed on the repository: the same 404 as for none.
    observe.repositories = set()
    unobservable(world, "does not exist, or the App is not installed on it")
    observe.repositories = None
    # The key is hidden from the list, or from its own page.
    for path in (f"/repos/{ORG}/{world.repository}/keys", f"/keys/{world.key}"):
        held = world.org.repositories[world.repository]

        def hide(request: Request, path: str = path, held: dict[int, object] = held) -> None:  # type: ignore[type-arg]
            world.org.repositories[world.repository] = (
                {n: k for n, k in held.items() if n != world.key}
                if request.path.endswith(path)
                else held
            )  # fmt: skip

        github_place.api.before = hide
        unobservable(world, "do not agree")
        github_place.api.before = None
        world.org.repositories[world.repository] = held
    # Uninstalled, suspended: the organisation is there.
    for each in worlds.values():
        observe.suspended_at = "2026-11-30T10:00:00Z"
        unobservable(each, "cannot sign in: the login may not do this")
        observe.suspended_at = None
        del github_place.api.installations[observe.id]
        unobservable(each, "not installed in organisation")
        github_place.api.installations[observe.id] = observe
        # Another address than the API's: everything is 404.
        path = each.directory / "other.toml"
        url = f'api = "{github_place.server.url}'
        path.write_text(each.toml().replace(url, f"{url}/elsewhere"))
        with pytest.raises(TargetUnobservable, match="cannot sign in"):
            run_observe(each.step, Targets.load(path, portal_system_identifier=None))


def test_an_installation_of_another_app_is_not_the_target(worlds: dict[str, GithubWorld]) -> None:
    world = worlds[SUSPEND]
    other = world.plan({**world.target, "app": "other-bot"}).steps[0]
    with pytest.raises(TargetUnobservable, match="another App"):
        run_observe(other, world.targets())


def test_a_lost_answer_is_settled_by_looking_and_never_repeated(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    for world in worlds.values():
        plan, targets = world.plan(), world.targets()
        seen = run_observe(world.step, targets)
        github_place.api.loses = lambda request: (
            request.method != "GET" and not request.path.endswith("/access_tokens")
        )
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
        github_place.api.loses = lambda request: False
        found = run_observe(world.step, targets)
        executor = executor_of(world.step)
        assert executor.settled_from(world.step, found, seen.state, {}) is Settled.APPLIED
        assert world.changes() == 1


def test_a_suspension_is_not_lifted_when_the_app_may_more_since(
    worlds: dict[str, GithubWorld],
) -> None:
    world = worlds[SUSPEND]
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    carry_out(world)
    world.bot.permissions["administration"] = "write"
    with pytest.raises(RollbackFailed, match="somebody else"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.bot.suspended_at
    # Nor is one let in that was judged with other permissions.
    world = worlds[UNSUSPEND]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    world.bot.permissions["administration"] = "write"
    with pytest.raises(NotApplied, match="not as it was"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert world.changes() == 0


def test_an_app_whose_key_the_worker_has_not_is_refused_in_words(
    worlds: dict[str, GithubWorld],
) -> None:
    world = worlds[SUSPEND]
    path = world.directory / "less.toml"
    path.write_text(world.toml().replace(f".apps.{BOT}]", ".apps.other]"))
    targets = Targets.load(path, portal_system_identifier=None)
    seen = run_observe(world.step, targets)
    assert seen.shown["app_key"] is False
    for call in (
        lambda: executor_of(world.step).precheck(world.step, seen),
        lambda: run_apply(clearance(world.plan()), world.plan().body, 0, targets),
    ):
        with pytest.raises(NotApplied, match="only the App itself"):
            call()


def test_what_people_see_before_they_decide(worlds: dict[str, GithubWorld]) -> None:
    key = run_observe(worlds[DELETE].step, worlds[DELETE].targets())
    assert key.state == {"status": "in force"} and key.simulated
    assert key.shown["other_deploy_keys"] == [f"{worlds[DELETE].other_key} mirror (reads)"]
    assert str(key.shown["fingerprint"]).startswith("SHA256:") and key.shown["read_only"] is False
    bot = run_observe(worlds[UNSUSPEND].step, worlds[UNSUSPEND].targets())
    assert bot.state["permissions"] == ["contents: write", "metadata: read"]
    assert bot.shown["suspended_by"] == BOT
    token = run_observe(worlds[REVOKE].step, worlds[REVOKE].targets())
    assert token.shown["permissions"] == [
        "organization members: read",
        "repository contents: write",
    ]
    assert token.shown["repositories"] == [f"{ORG}/{worlds[REVOKE].repository}"]
    assert (token.shown["owner"], token.shown["is_expired"]) == ("ann", False)
    for world in worlds.values():
        ends = world.action != UNSUSPEND
        assert bool(run_traces(world.step, world.targets())) is ends
        carry_out(world)
        assert run_traces(world.step, world.targets()) == {}


def test_a_leaked_private_key_is_compared_in_the_worker(worlds: dict[str, GithubWorld]) -> None:
    world, private = worlds[DELETE], Ed25519PrivateKey.generate()
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    world.org.repositories[world.repository][world.key]["key"] = line
    leaked, other = (
        key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        for key in (private, Ed25519PrivateKey.generate())
    )
    given = [Candidate((text,), "private_key") for text in (leaked, other)]
    assert run_secret_in_force(world.step, world.targets(), given).answers == (True, False)


def test_a_list_is_read_to_its_end_or_not_believed(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    world = worlds[DELETE]
    key = world.org.repositories[world.repository].pop(world.key)
    for number in range(198):
        world.add_key(f"key {number}", read_only=True)
    seen = run_observe(world.step, world.targets())
    assert seen.state == {"status": "deleted"}
    world.org.repositories[world.repository][world.key] = key  # the 200th: a full last page
    seen = run_observe(world.step, world.targets())
    assert seen.state == {"status": "in force"} and len(seen.shown["other_deploy_keys"]) == 50  # type: ignore[arg-type]
    held = dict(world.org.repositories[world.repository])
    for _ in range(900):
        held[new_id()] = {**key, "id": new_id()}
    world.org.repositories[world.repository] = held
    unobservable(world, "more than 1000")


def test_a_server_that_does_not_know_the_question_for_one_token_is_read_whole(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    world = worlds[REVOKE]
    others = [world.add_grant() for _ in range(120)]
    world.org.grants[world.grant.id] = world.org.grants.pop(world.grant.id)  # the last one
    github_place.api.before = lambda request: request.query.pop("token_id", None)  # type: ignore[func-returns-value]
    assert run_observe(world.step, world.targets()).state == {"grant": str(world.grant.id)}
    for each in others:
        del world.org.grants[each.id]


def test_a_token_that_reaches_many_repositories_is_shown_with_some(
    worlds: dict[str, GithubWorld],
) -> None:
    world = worlds[REVOKE]
    world.grant.repositories = tuple(f"r{number:03}" for number in range(130))
    names = run_observe(world.step, world.targets()).shown["repositories"]
    assert isinstance(names, list) and (len(names), names[-1]) == (51, "and 80 more")
    world.grant.selection = "all"
    assert run_observe(world.step, world.targets()).shown["repositories"] == []


def test_the_workers_own_apps_are_known_as_such(worlds: dict[str, GithubWorld]) -> None:
    world, own = worlds[SUSPEND], worlds[SUSPEND].place.installed
    targets = world.targets()
    assert not targets.is_own(world.step.target)
    for each in own.values():
        step = world.plan({**world.target, "installation_id": str(each.id)}).steps[0]
        assert targets.is_own(step.target)


def test_a_section_that_cannot_be_used_is_refused(worlds: dict[str, GithubWorld]) -> None:
    world = worlds[SUSPEND]
    url, path = world.place.server.url, world.directory / "wrong.toml"
    client = world.place.apps[OBSERVE].client_id
    wrong = {
        f"[github.{ORG}]": ["[github.Acme]", "[github.a.b]"],
        f'api = "{url}"': [
            'api = "http://10.0.0.5"', 'api = "https://u:p@ghe.example"', 'api = "https://"',
            'api = "https://ghe.example/api/v3"', 'api = "https://[::1"',
            f'api = "{url}?x=1"', f'api = "{url}"\nmore = 1',
        ],
        f'observe_client_id = "{client}"': ['observe_client_id = "a b"', ""],
        f'observe_installation = "{world.place.installed[OBSERVE].id}"': [
            'observe_installation = "x"', "observe_installation = 17",
        ],
        'operate_key_file = "operate.pem"': ['operate_key = "inline"'],
        f".apps.{BOT}]": [".apps.Bot_1]"],
    }  # fmt: skip
    for old, texts in wrong.items():
        for new in texts:
            assert old in world.toml()
            path.write_text(world.toml().replace(old, new))
            with pytest.raises(TargetsFileInvalid):
                Targets.load(path, portal_system_identifier=None)


def test_a_list_that_loses_an_entry_while_it_is_read_hides_none(
    worlds: dict[str, GithubWorld], github_place: GithubPlace
) -> None:
    """What is removed from the first page moves the second page's first entry to it."""
    api, token, bot = github_place.api, worlds[REVOKE], worlds[SUSPEND]
    grants = [token.add_grant() for _ in range(100)]
    token.org.grants[token.grant.id] = token.org.grants.pop(token.grant.id)  # the 101st
    first = next(iter(token.org.grants))
    apps = [github_place.install(BOT, {}) for _ in range(100 - len(api.installations) + 1)]
    api.installations[bot.bot.id] = api.installations.pop(bot.bot.id)

    def removes(held: dict[int, object], key: int) -> Callable[[Request], None]:
        def before(request: Request) -> None:
            request.query.pop("token_id", None)  # of a server that does not know the question
            if request.query.get("page") == "2":
                held.pop(key, None)

        return before

    for world, before in (
        (token, removes(token.org.grants, first)),  # type: ignore[arg-type]
        (bot, removes(api.installations, apps[0].id)),  # type: ignore[arg-type]
    ):
        assert run_observe(world.step, world.targets()).exists
        api.before = before
        with pytest.raises(TargetUnobservable, match="changed while it was read"):
            run_observe(world.step, world.targets())
        found = run_observe(world.step, world.targets())  # nothing is removed any more
        assert found.exists and found.state.get("grant") != ""
        api.before = None
    for each in grants:
        token.org.grants.pop(each.id, None)
    for app in apps:
        api.installations.pop(app.id, None)


def test_what_a_person_suspended_the_app_does_not_lift(worlds: dict[str, GithubWorld]) -> None:
    """GitHub: it is lifted in the same way as it was set. An undoing gives no access then."""
    world = worlds[UNSUSPEND]
    world.bot.suspended_by = "ann"
    assert run_observe(world.step, world.targets()).shown["suspended_by"] == "ann"
    with pytest.raises(NotApplied, match="may not do this"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.bot.suspended_at and world.changes() == 0
    # Suspended by a person since the portal did it: the rollback leaves it.
    world = worlds[SUSPEND]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    carry_out(world)
    world.bot.suspended_by = "ann"
    with pytest.raises(RollbackFailed, match="may not do this"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.bot.suspended_at
    # Suspended by a person before: nothing is sent, and the rollback lifts nothing.
    sent = world.changes()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    carry_out(world)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.bot.suspended_at and world.changes() == sent


def test_a_repository_that_was_transferred_is_not_gone(worlds: dict[str, GithubWorld]) -> None:
    """It is a 404 like one that was deleted, and keeps its deploy keys."""
    world = worlds[DELETE]
    held = world.org.repositories.pop(world.repository)
    unobservable(world, "does not exist, or the App is not installed on it")
    world.org.repositories[world.repository] = held


def test_looking_needs_no_credential_that_changes_something(
    worlds: dict[str, GithubWorld],
) -> None:
    for world in worlds.values():
        for name in ("operate.pem", "operate.bot.pem"):
            (world.directory / name).unlink()
        assert run_observe(world.step, world.targets()).exists
