"""The plan: known actions, no protected targets, one canonical byte string."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json, encode
from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput
from remediation.domain.plan import MAX_STEPS, load, parse, parse_target
from tests.domain.catalogue.test_locators import NAMES
from tests.domain.story import TARGET, plan_json
from tests.every import every

NONE: frozenset[str] = frozenset()
EXAMPLES: dict[str, dict[str, Json]] = {
    kind: {"kind": kind, **spec.example} for kind, spec in TARGETS.items()
}


def with_step(**changes: Json) -> dict[str, Json]:
    step: dict[str, Json] = {
        "action": "postgres.role.disable",
        "target": dict(TARGET),
        "parameters": {},
        **changes,
    }
    return plan_json(steps=[step])


def refusal(value: Json, protected: frozenset[str] = NONE) -> tuple[str, str]:
    with pytest.raises(BadInput) as refused:
        parse(value, protected=protected)
    return refused.value.name, refused.value.pointer


@pytest.mark.parametrize("kind", ACTIONS)
def test_every_action_can_be_proposed_and_its_bytes_load_again(kind: str) -> None:
    target = EXAMPLES[ACTIONS[kind].target_kind]
    spec = ACTIONS[kind]
    value = with_step(action=kind, target=dict(target), parameters=dict(spec.example))
    if spec.delivers:
        value |= {"version": 2, "order": "cut_first" if spec.retires else "move_first"}
    plan = parse(value, protected=NONE, allow_test=True)
    assert load(plan.body, protected=NONE, allow_test=True) == plan
    assert plan.digest == digest(Kind.PLAN, plan.body)
    assert (plan.steps[0].executor, plan.steps[0].rollback) == (spec.version, spec.rollback)


def test_executor_and_rollback_are_filled_from_the_catalogue() -> None:
    stated = parse(with_step(executor=2, rollback="postgres.role.enable"), protected=NONE)
    assert stated == parse(with_step(), protected=NONE)
    assert json.loads(stated.body)["steps"][0]["executor"] == 2


def test_the_portal_composes_the_sentence_and_the_locator() -> None:
    step = parse(with_step(), protected=NONE).steps[0]
    assert "role app_orders on PostgreSQL cluster billing-db" in step.sentence
    assert step.target.locator == "postgres.role:billing-db/app_orders"
    assert step.target.distinguishing == "app_orders"


@every(
    ("value", "name", "pointer"),
    [
        ([], "wrong_type", ""),
        (plan_json(version=2), "missing_field", ""),
        (plan_json(version=3), "bad_value", "/version"),
        (plan_json(version=True), "wrong_type", "/version"),
        (plan_json(environment="prod"), "bad_value", "/environment"),
        (plan_json(extra=1), "unknown_field", ""),
        ({"version": 1, "steps": []}, "missing_field", ""),
        (plan_json(steps=[]), "bad_value", "/steps"),
        (plan_json(steps={}), "wrong_type", "/steps"),
        (plan_json(steps=[1]), "wrong_type", "/steps/0"),
        (with_step(note="x"), "unknown_field", "/steps/0"),
        (with_step(action="postgres.role.drop"), "unknown_action", "/steps/0/action"),
        (with_step(action="Postgres.role.disable"), "unknown_action", "/steps/0/action"),
        (with_step(executor=3), "bad_value", "/steps/0/executor"),
        (with_step(executor=1), "bad_value", "/steps/0/executor"),
        (with_step(executor="1"), "wrong_type", "/steps/0/executor"),
        (with_step(rollback=None), "bad_value", "/steps/0/rollback"),
        (with_step(rollback="postgres.role.disable"), "bad_value", "/steps/0/rollback"),
        (with_step(parameters={"force": True}), "unknown_field", "/steps/0/parameters"),
        (with_step(parameters=[]), "wrong_type", "/steps/0/parameters"),
        (with_step(target={}), "missing_field", "/steps/0/target"),
        (with_step(target="x"), "wrong_type", "/steps/0/target"),
        (with_step(target={"kind": "host"}), "unknown_target_kind", "/steps/0/target/kind"),
        (with_step(target={"kind": ["x"]}), "unknown_target_kind", "/steps/0/target/kind"),
        (with_step(target={**TARGET, "port": 1}), "unknown_field", "/steps/0/target"),
        (with_step(target={**TARGET, "role": ""}), "bad_value", "/steps/0/target/role"),
        (with_step(target={**TARGET, "role": "a\0"}), "bad_value", "/steps/0/target/role"),
        (with_step(target={**TARGET, "role": "a" * 64}), "bad_value", "/steps/0/target/role"),
        (with_step(target={**TARGET, "role": "ü" * 32}), "bad_value", "/steps/0/target/role"),
        (with_step(target={**TARGET, "role": "\ud800"}), "lone_surrogate", "/steps/0/target/role"),
        (with_step(target={**TARGET, "cluster": "a b"}), "bad_value", "/steps/0/target/cluster"),
        (with_step(target={**TARGET, "cluster": "a\n"}), "bad_value", "/steps/0/target/cluster"),
        (with_step(target={**TARGET, "cluster": "аpp"}), "bad_value", "/steps/0/target/cluster"),
        (with_step(target={**TARGET, "cluster": "a%20"}), "bad_value", "/steps/0/target/cluster"),
        (with_step(target=dict(EXAMPLES["aws.iam.access_key"])), "unknown_target_kind",
         "/steps/0/target"),
    ],
)  # fmt: skip
def test_a06_everything_else_is_refused_at_its_place(value: Any, name: str, pointer: str) -> None:
    assert refusal(value) == (name, pointer)


def sentence_of(name: str) -> str:
    return parse(with_step(target={**TARGET, "role": name}), protected=NONE).steps[0].sentence


ORDINARY = (
    "Take the right to log in from role {} on PostgreSQL cluster billing-db,"
    " and end its open sessions."
)


@every(
    ("name", "shown"),
    [
        ("app_orders", "app_orders"),
        ("1st_sync", "1st_sync"),
        ("billing-sa@acme.iam", "“billing-sa@acme.iam”"),
        ("my app identity", "“my app identity”"),
        ("x on PostgreSQL cluster prod, and end", "“x on PostgreSQL cluster prod, and end”"),
        ("x” on PostgreSQL cluster prod", "“x⟨U+201D⟩ on PostgreSQL cluster prod”"),
        ('x" on it', "“x⟨U+0022⟩ on it”"),
        ("x'' on it", "“x'⟨U+0027⟩ on it”"),
        ("x⟨U+0022⟩", "“x⟨U+27E8⟩U+0022⟨U+27E9⟩”"),
        ("a\nb", "“a⟨U+000A⟩b”"),
        ("\u202etxt", "“⟨U+202E⟩txt”"),
        ("\u0301a", "“⟨U+0301⟩a”"),
        ("a ", "“a⟨U+0020⟩”"),
        ("{cluster}", "“{cluster}”"),
        ("%(role)s", "“%(role)s”"),
    ],
)  # fmt: skip
def test_a01_a_name_adds_no_words_to_the_portals_sentence(name: str, shown: str) -> None:
    assert sentence_of(name) == ORDINARY.format(shown)


# A role that administers a cluster is refused (below).
ROLES = NAMES.filter(lambda name: not re.fullmatch("(?is)hitl_.*|pg_.*|postgres", name))


@given(ROLES, ROLES)
def test_different_names_read_differently_in_a_sentence(one: str, other: str) -> None:
    assert (sentence_of(one) == sentence_of(other)) == (one == other)


@every("name", ["hitl_web", "HITL_web", "hitl_x\ny", "pg_\nmonitor", "postgres"])
def test_a_line_break_leads_around_no_protected_name(name: str) -> None:
    value = with_step(target={**TARGET, "role": name})
    assert refusal(value) == ("protected_target", "/steps/0/target/role")


def test_test_actions_and_targets_must_be_allowed() -> None:
    value = with_step(action="test.noop", target=dict(EXAMPLES["test.target"]))
    assert refusal(value) == ("unknown_action", "/steps/0/action")
    with pytest.raises(BadInput) as refused:
        parse_target(dict(EXAMPLES["test.target"]))
    assert refused.value.name == "unknown_target_kind"


@every(
    "role", ["hitl_web", "HITL_owner", "postgres", "Postgres", "pg_monitor", "pg_signal_backend"]
)
def test_a_role_that_administers_a_cluster_is_protected(role: str) -> None:
    value = with_step(target={**TARGET, "role": role})
    assert refusal(value) == ("protected_target", "/steps/0/target/role")


def test_the_portals_own_clusters_are_protected() -> None:
    assert refusal(with_step(), frozenset({"billing-db"})) == (
        "protected_target",
        "/steps/0/target/cluster",
    )


def test_two_steps_on_one_target_are_refused() -> None:
    step = with_step()["steps"]
    assert isinstance(step, list)
    enable = {**step[0], "action": "postgres.role.enable"}  # type: ignore[dict-item]
    assert refusal(plan_json(steps=[*step, enable])) == (
        "two_steps_one_target",
        "/steps/1/target",
    )


def test_there_are_at_most_sixteen_steps() -> None:
    def steps(number: int) -> list[Json]:
        return [
            with_step(target={**TARGET, "role": f"app_{n}"})["steps"][0]  # type: ignore[index]
            for n in range(number)
        ]

    assert len(parse(plan_json(steps=steps(MAX_STEPS)), protected=NONE).steps) == MAX_STEPS
    assert refusal(plan_json(steps=steps(MAX_STEPS + 1))) == ("bad_value", "/steps")


def test_a63_a_plan_has_at_most_32_kib() -> None:
    targets = [{"kind": "test.target", "name": f"t{n}"} for n in range(3)]
    steps = [
        {"action": "test.noop", "target": target, "parameters": {"note": "x" * 15_000}}
        for target in targets
    ]
    with pytest.raises(BadInput) as refused:
        parse(plan_json(steps=steps), protected=NONE, allow_test=True)  # type: ignore[arg-type]
    assert refused.value.name == "too_large"


def test_a05_environment_executor_and_parameters_are_in_the_digest() -> None:
    base = parse(with_step(), protected=NONE)
    staging = parse({**with_step(), "environment": "staging"}, protected=NONE)
    noop: dict[str, Json] = {"action": "test.noop", "target": dict(EXAMPLES["test.target"])}
    plain = parse(with_step(**noop), protected=NONE, allow_test=True)
    noted = parse(with_step(**noop, parameters={"note": "x"}), protected=NONE, allow_test=True)
    assert len({base.digest, staging.digest, plain.digest, noted.digest}) == 4
    assert b'"executor":2' in base.body


def test_a05_a_plan_approved_for_another_executor_does_not_load() -> None:
    present = parse(with_step(), protected=NONE).body
    for other in (b"1", b"3"):
        body = present.replace(b'"executor":2', b'"executor":' + other)
        with pytest.raises(BadInput) as refused:
            load(body, protected=NONE)
        assert refused.value.name == "bad_value"


def test_a_plan_for_an_earlier_version_is_shown_as_it_was_signed_and_never_runs() -> None:
    body = parse(with_step(), protected=NONE).body.replace(b'"executor":2', b'"executor":1')
    old = load(body, protected=NONE, earlier=True)
    assert (old.body, old.outdated, old.steps[0].executor) == (body, True, 1)
    assert old.steps[0].spec.pin_fields == ("login", "superuser", "member_of_managed", "oid")
    assert not parse(with_step(), protected=NONE).outdated
    with pytest.raises(BadInput):
        load(body.replace(b'"executor":1', b'"executor":0'), protected=NONE, earlier=True)


@every(
    "change",
    [
        lambda body: body + b" ",
        lambda body: body.replace(b'"parameters":{},', b""),
        lambda body: body.replace(b'"rollback":"postgres.role.enable",', b""),
        lambda body: body.replace(b":1", b": 1"),
        lambda body: body.replace(b"app_orders", b"\\u0061pp_orders"),
        lambda body: json.dumps(json.loads(body), indent=1).encode(),
    ],
)
def test_a03_stored_bytes_that_are_not_the_canonical_ones_do_not_load(change: Any) -> None:
    body = parse(with_step(), protected=NONE).body
    with pytest.raises(BadInput) as refused:
        load(change(body), protected=NONE)
    assert refused.value.name in ("not_canonical_plan", "missing_field")


@given(st.binary(max_size=400))
def test_only_named_refusals_escape_load_for_any_bytes(raw: bytes) -> None:
    with pytest.raises(BadInput):
        load(raw, protected=NONE)


BODY = parse(with_step(), protected=NONE).body


@given(st.integers(0, len(BODY) - 1), st.binary(max_size=3))
def test_a_changed_byte_changes_the_digest_or_is_refused(at: int, new: bytes) -> None:
    changed = BODY[:at] + new + BODY[at + 1 :]
    try:
        plan = load(changed, protected=NONE)
    except BadInput:
        return
    assert plan.body == changed
    assert (plan.digest == digest(Kind.PLAN, BODY)) == (changed == BODY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "environment", "steps", "action", "target", "kind"])
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
)


@given(JSON, JSON, JSON)
def test_only_named_refusals_escape_parse_for_any_json(top: Json, step: Json, part: Json) -> None:
    for value in (
        top,
        plan_json(steps=[step]),
        with_step(target=part),
        with_step(parameters=part),
        with_step(action=part),
        with_step(executor=part),
    ):
        try:
            plan = parse(value, protected=NONE)
        except BadInput:
            continue
        assert encode(json.loads(plan.body)) == plan.body
