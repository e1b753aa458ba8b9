"""The drawing of the scope: everything in its column, nothing on top of anything."""

from __future__ import annotations

from itertools import combinations

from remediation.domain.diagram import FITS, HEIGHT, MAX_DRAWN, WIDTH, Diagram, draw
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
    # The line back is not drawn, and each of the others is recorded.
    assert len(found.edges) == 3
    assert all(edge.x1 < edge.x2 and edge.recorded for edge in found.edges)
    assert not overlap(found)


def test_a_service_whose_way_is_not_recorded_is_not_left_alone() -> None:
    found = draw(a_scope(services=(a_service(id=8, depth=2),)), [])
    assert [edge.recorded for edge in found.edges] == [False]


def test_marks_are_words() -> None:
    service = a_service(payment_path=True, external_partner=True, owner_team="")
    node = draw(a_scope(services=(service,)), []).nodes[1]
    assert node.marks == ("payment path", "partner", "no owner")


def test_what_is_not_known_is_drawn() -> None:
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


def test_many_are_drawn_up_to_a_bound_gravest_first_and_counted() -> None:
    services = tuple(a_service(id=n, name=f"s{n}") for n in range(1, 1001))
    grave = a_service(id=2000, name="zzz", payment_path=True, criticality="critical")
    found = draw(a_scope(services=(*services, grave)), [])
    assert len(found.nodes) == MAX_DRAWN + 1
    assert found.left_out == 1001 - MAX_DRAWN
    assert found.nodes[1].title == "zzz"
    assert not overlap(found)
    assert found.height >= max(node.y for node in found.nodes) + HEIGHT


def test_a_long_name_is_whole_in_its_title() -> None:
    node = draw(a_scope(services=(a_service(name="x" * 80),)), []).nodes[1]
    assert node.title == "x" * 80
    assert len(node.short) == FITS


def test_an_empty_scope_can_be_drawn() -> None:
    found = draw(a_scope(targets=(), services=()), [])
    assert found.nodes == ()
