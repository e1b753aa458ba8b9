"""The drawing of the scope: a column for each depth, and no overlaps."""

from __future__ import annotations

from itertools import combinations

from remediation.domain.diagram import HEIGHT, MAX_DRAWN, WIDTH, Diagram, draw
from remediation.domain.scope import ScopeTarget
from tests.domain.story import LOCATOR, a_scope, a_service


def overlap(diagram: Diagram) -> bool:
    return any(
        abs(one.x - two.x) < WIDTH and abs(one.y - two.y) < HEIGHT
        for one, two in combinations(diagram.nodes, 2)
    )


def test_columns_by_depth_and_lines_from_left_to_right() -> None:
    scope = a_scope(
        services=(a_service(), a_service(id=8, name="shop", depth=2), a_service(id=9, depth=3))
    )
    found = draw(scope, [(7, 8), (8, 9), (9, 7)])
    assert [node.kind for node in found.nodes] == ["target", "direct", "downstream", "downstream"]
    assert sorted({node.x for node in found.nodes}) == [node.x for node in found.nodes]
    # The backward line is not drawn; every other line is recorded.
    assert len(found.edges) == 3
    assert all(edge.x1 < edge.x2 and edge.recorded for edge in found.edges)
    assert not overlap(found)


def test_a_service_without_a_recorded_path_is_still_connected() -> None:
    found = draw(a_scope(services=(a_service(id=8, depth=2),)), [])
    assert [edge.recorded for edge in found.edges] == [False]


def test_marks_are_words() -> None:
    service = a_service(payment_path=True, external_partner=True, owner_team="")
    node = draw(a_scope(services=(service,)), []).nodes[1]
    assert node.marks == ("payment path", "partner", "no owner")


def test_unknown_services_are_drawn() -> None:
    found = draw(a_scope(unknown=("services without an owner team: a",)), [])
    assert [node.kind for node in found.nodes] == ["target", "unknown", "direct"]
    assert not overlap(found)


def test_one_service_over_two_targets_is_one_card_with_two_lines() -> None:
    target = a_scope().targets[0]
    other = type(target)(f"{LOCATOR}2", False, "postgres.role", "", "")
    found = draw(
        a_scope(targets=(target, other), services=(a_service(), a_service(via=other.locator))), []
    )
    assert len(found.nodes) == 3
    assert len(found.edges) == 2


def test_services_beyond_the_bound_are_counted_and_the_gravest_are_drawn() -> None:
    services = tuple(a_service(id=n, name=f"s{n}") for n in range(1, 1001))
    grave = a_service(id=2000, name="zzz", payment_path=True, criticality="critical")
    found = draw(a_scope(services=(*services, grave)), [])
    assert len(found.nodes) == MAX_DRAWN + 1
    assert found.left_out == 1001 - MAX_DRAWN
    assert found.nodes[1].title == "zzz"
    assert not overlap(found)
    assert found.height >= max(node.y for node in found.nodes) + HEIGHT


def test_a_long_name_is_complete_in_its_title() -> None:
    node = draw(a_scope(services=(a_service(name="x" * 80),)), []).nodes[1]
    assert node.title == "x" * 80
    assert node.short == "x" * 25 + "…"


def test_a_target_is_named_by_what_tells_it_from_its_neighbours() -> None:
    """The name fits beside the flag of a target that the inventory does not know."""
    locator = "aws.iam.access_key:218007301253/bert-jan/AKIATFQR7NSC8Q4X20BJ"
    target = ScopeTarget(locator, False, "aws.iam.access_key", "production", "")
    node = draw(a_scope(targets=(target,), services=()), []).nodes[0]
    assert (node.title, node.line) == ("AKIATFQR7NSC8Q4X20BJ", "218007301253/bert-jan")
    assert node.short.endswith("…") and node.short.startswith("AKIATFQR7NSC8")


def test_an_empty_scope_can_be_drawn() -> None:
    found = draw(a_scope(targets=(), services=()), [])
    assert found.nodes == ()
