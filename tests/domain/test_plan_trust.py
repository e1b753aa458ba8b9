"""The order of a plan that changes what clients trust: trust, new credential, distrust."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.errors import RotationOrder
from tests.domain.thing_plans import second, wait

SERVED: dict[str, Json] = {"condition": "served_new", "step": 1}


def trust(verb: str, anchor: str = "3f", client: str = "billing") -> dict[str, Json]:
    target: Json = {"kind": "tls.trust", "certificate": "orders", "client": client}
    return {"action": f"tls.trust.{verb}", "target": target, "parameters": {"anchor": anchor * 32}}


def issue(**more: Json) -> dict[str, Json]:
    target: Json = {"kind": "tls.certificate", "certificate": "orders"}
    parameters: Json = {"store": "files:orders/tls"}
    return {
        "action": "tls.certificate.issue", "target": target, "parameters": parameters, **more
    }  # fmt: skip


def revoke() -> dict[str, Json]:
    target: Json = {"kind": "tls.issued", "certificate": "orders", "serial": "1b" * 20}
    return {"action": "tls.issued.revoke", "target": target, "parameters": {}}


WAITING = issue(wait=wait(SERVED))


def parsed(value: Json) -> plan.Plan:
    return plan.parse(value, protected=frozenset())


@pytest.mark.parametrize(
    "steps",
    [
        (trust("add"), WAITING, trust("remove", "4e")),
        (trust("add"), WAITING, revoke(), trust("remove", "4e")),
        (trust("add"), issue(wait=wait(person=True)), trust("remove", "4e")),
        (
            trust("add"),
            trust("add", client="shop"),
            issue(wait=wait({**SERVED, "step": 2})),
            trust("remove", "4e"),
            trust("remove", "4e", client="shop"),
        ),
    ],
)
def test_trust_comes_first_and_distrust_last(steps: tuple[dict[str, Json], ...]) -> None:
    made = parsed(second(*steps))
    assert plan.load(made.body, protected=frozenset()) == made


@pytest.mark.parametrize(
    ("steps", "at", "words"),
    [
        ((issue(), trust("add")), 1, "trust comes first"),
        ((trust("remove"), WAITING), 1, "that comes last"),
        ((trust("add"), WAITING, trust("remove", "4e"), revoke()), 3, "that comes last"),
        ((trust("remove", "4e"), trust("add", client="shop")), 1, "that comes last"),
        ((trust("add"), issue(), trust("remove", "4e")), 2, "nothing waits"),
        (
            (issue(wait=wait({**SERVED, "step": 0})), issue(), trust("remove", "4e")),
            2,
            "nothing waits",
        ),
    ],
)
def test_another_order_is_refused(steps: tuple[dict[str, Json], ...], at: int, words: str) -> None:
    with pytest.raises(RotationOrder, match=words) as refused:
        parsed(second(*steps))
    assert refused.value.pointer == f"/steps/{at}"


def test_the_order_holds_where_the_old_one_is_cut_first_and_in_plans_of_version_1() -> None:
    parsed(second(revoke(), trust("add"), issue(), order="cut_first"))
    with pytest.raises(RotationOrder, match="trust comes first"):
        parsed(second(revoke(), issue(), trust("add"), order="cut_first"))
    with pytest.raises(RotationOrder, match="nothing waits"):
        parsed(second(revoke(), issue(), trust("remove"), order="cut_first"))
    steps: list[Json] = [trust("remove", "4e"), trust("add", client="shop")]
    with pytest.raises(RotationOrder, match="that comes last"):
        parsed({"version": 1, "environment": "production", "steps": steps})
    parsed({"version": 1, "environment": "production", "steps": steps[::-1]})
