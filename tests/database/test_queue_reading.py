"""Reading the queue by services, by order and by words equals the plain rule over all rows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from django.db import connection
from django.db.models import Q, Value

from remediation import models as m
from remediation.domain.ruling import Risk
from remediation.services.access import visibility
from remediation.views.queue import reading, walk
from remediation.views.queue.filters import SECTIONS
from remediation.views.queue.reading import Lens
from tests.database.attack import sql
from tests.database.test_queue import rows
from tests.database.test_queue_services import WIDE, stale

pytestmark = pytest.mark.django_db


class Crowd:
    """Insert places without proposals: of all sections, with few and many services."""

    SERVICES = range(13)

    def __init__(self, seed: int, count: int) -> None:
        self.dice = random.Random(seed)
        with connection.cursor() as cursor:
            for _ in range(count):
                state = self.dice.choice(
                    ["in_review", "in_review", "submitted", "unknown", "expired"]
                )
                cursor.execute(
                    "INSERT INTO remediation_queueentry SELECT x.id, x.id, x.id,"
                    " remediation.urgency_v1(%s, %s, now() + %s * interval '1 hour', now(),"
                    "  now() - %s * interval '1 hour', x.id),"
                    " %s, %s, 'staging', %s, NULL, %s::bigint[], '{}', '{}', '{}',"
                    " array_to_tsvector(ARRAY[%s]) FROM (SELECT gen_random_uuid() AS id) AS x",
                    [
                        state, risk := self.risk(), *self.dice.sample(range(99), 2), state, risk,
                        self.dice.choice(["", "t1", "t2", "t3", "t4"]), self.touched(),
                        self.dice.choice(["red", "blue"]),
                    ],
                )  # fmt: skip

    def risk(self) -> str:
        return self.dice.choice([risk.value for risk in Risk])

    def touched(self) -> list[int]:
        """Return mostly two services, one of them frequent; sometimes very many, known or not."""
        few = self.dice.sample(self.SERVICES, self.dice.choice([1, 1, 2, 4]))
        if self.dice.random() < 0.5:
            few.append(1)
        if self.dice.random() < 0.1:
            few += range(100, 100 + WIDE + self.dice.choice([-len(set(few)), 0, 1, 50]))
        return sorted(set(few))

    def people(self) -> Iterator[list[int]]:
        for count in (0, 1, 1, 2, 3, 6, 13):
            yield sorted(self.dice.sample(self.SERVICES, count))
        yield [500, 501]
        yield [110, 205]


@pytest.fixture(params=range(4))
def crowd(request: pytest.FixtureRequest) -> Crowd:
    """Insert as the owner with guards off, in a transaction that is rolled back."""
    sql("ALTER TABLE remediation_queueentry DISABLE TRIGGER append_only_update")
    for (name,) in rows(
        "SELECT quote_ident(conname) FROM pg_constraint WHERE contype = 'f'"
        " AND conrelid = 'public.remediation_queueentry'::regclass"
    ):
        sql(f"ALTER TABLE remediation_queueentry DROP CONSTRAINT {name}")
    return Crowd(request.param, 150)


def by_the_rule(seen: Sequence[int], name: str, rule: Q | None = None) -> list[str]:
    """Return the rows by the plain predicate, without places by service."""
    start, end = SECTIONS[name]
    found = m.QueueEntry.objects.filter(rule or Q(), place__gte=start, place__lt=end)
    found = found.filter(touched__overlap=list(seen)) if seen else found.none()
    return list(found.order_by("place").values_list("place", flat=True))


def test_places_by_service_follow_every_change_of_a_row(crowd: Crowd) -> None:
    assert stale() == []
    keys = list(m.QueueEntry.objects.values_list("pk", flat=True))
    for pk in crowd.dice.sample(keys, 60):
        if crowd.dice.random() < 0.7:
            m.QueueEntry.objects.filter(pk=pk).update(touched=crowd.touched())
        if crowd.dice.random() < 0.7:
            sql("UPDATE remediation_queueentry SET place = remediation.urgency_v1('in_review',"
                " 'low', now(), now(), now(), proposal_id) WHERE proposal_id = %s", pk)  # fmt: skip
    assert stale() == []
    wide = m.QueueEntry.objects.filter(touched__len__gt=WIDE)
    assert wide.exists()
    assert not m.QueueService.objects.filter(place__in=wide.values("place")).exists()


@pytest.mark.parametrize("most", [1, 7, 40, 500])
def test_the_rows_ahead_are_exactly_the_first_in_order(crowd: Crowd, most: int) -> None:
    """Every narrow one that touches a service, and the wide ones; from any place on."""
    for seen in crowd.people():
        for start, end in (*SECTIONS.values(), ("", "~"), (crowd_place(crowd), ":")):
            found = rows(
                "SELECT * FROM remediation.queue_ahead_v1(%s::bigint[], %s, %s, %s)",
                seen, start, end, most,
            )  # fmt: skip
            wanted = rows(
                "SELECT place::text FROM remediation_queueentry WHERE place > %s AND place < %s"
                f" AND (touched && %s::bigint[] OR cardinality(touched) > {WIDE})"
                " ORDER BY place LIMIT %s",
                start, end, seen, most,
            )  # fmt: skip
            assert found == wanted, (seen, start)


def crowd_place(crowd: Crowd) -> str:
    return crowd.dice.choice(list(m.QueueEntry.objects.values_list("place", flat=True)))


def test_the_row_predicate_and_the_index_agree(crowd: Crowd) -> None:
    for seen in crowd.people():
        by_index = set(visibility.places_of(seen).values_list("pk", flat=True))
        each = m.QueueEntry.objects.filter(visibility.touches(seen))
        assert set(each.values_list("pk", flat=True)) == by_index
    everything = m.QueueEntry.objects.count()
    assert visibility.places_of(None).filter(visibility.touches(None)).count() == everything


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(
    "narrowed",
    [{}, {"condition": Q(risk="low")}, {"words": Q(words__said="red")}, {"rule": ~Q(target="t1")}],
    ids=["all", "risk", "words", "rule"],
)
def test_a12_every_page_shows_each_person_exactly_the_permitted_rows(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, narrowed: dict[str, Q], dense: bool
) -> None:
    monkeypatch.setattr(reading, "STEP", 5)
    monkeypatch.setattr(reading, "FACTOR", 2)
    whole = Q(*narrowed.values())
    for seen in crowd.people():
        for name in SECTIONS:
            found = pages(Lens(seen, flat=True, dense=dense, **narrowed), name)
            assert found == by_the_rule(seen, name, whole), (seen, name)


def pages(lens: Lens, name: str) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = walk.walk(lens, name, 4, after=after)
        found += [place.place for place in page.first]
        after = page.following
        if not after:
            return found


def test_a34_each_target_is_shown_by_its_most_urgent_visible_row(crowd: Crowd) -> None:
    for seen in crowd.people():
        page = walk.walk(Lens(seen), "review", 500)
        targets = dict(m.QueueEntry.objects.values_list("place", "target"))
        led: dict[str, str] = {}
        for place in by_the_rule(seen, "review"):
            led.setdefault(targets[place] or place, place)
        assert [place.place for place in page.first] == list(led.values())
        assert sum(page.totals.values()) + sum(
            1 for place in page.first if place.target not in page.totals
        ) == len(by_the_rule(seen, "review"))


def test_a_person_with_most_rows_reads_the_queue_in_order(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of reading changes only the duration, not the rows (tests above)."""
    monkeypatch.setattr(reading, "MANY", 3)
    monkeypatch.setattr(reading, "TOO_MANY", 20)
    assert reading.dense(list(crowd.SERVICES))
    assert not reading.dense([600, 601, 602, 603])
    assert reading.dense(list(range(600, 621)))
    assert not reading.dense([1, 2, 3])
    assert not reading.dense(None)


def test_both_ways_of_searching_find_the_same_words(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STEP", 5)
    monkeypatch.setattr(reading, "FACTOR", 1)
    for word in ("red", "nowhere"):
        rule = Q(words__said=word)
        for name, (start, end) in SECTIONS.items():
            found = m.QueueEntry.objects.filter(rule, place__gte=start, place__lt=end)
            wanted = list(found.order_by("place").values_list("place", flat=True))
            for rare in (frozenset[str](), frozenset(SECTIONS)):
                assert pages(Lens(None, words=rule, flat=True, rare=rare), name) == wanted


def test_a_word_is_rare_when_the_first_rows_of_a_section_lack_it(crowd: Crowd) -> None:
    # No run of the crowd stopped in the middle.
    sections = [name for name in SECTIONS if name != "stopped"]
    assert reading.rare("nowhere", SECTIONS) == set(SECTIONS)
    assert reading.rare("red", sections) == frozenset()
    first = m.QueueEntry.objects.filter(place__lt="2")
    first.update(words=Value("'green':1"))
    assert reading.rare("red", sections) == {"review"}
    assert reading.rare("red", ["new", "ended"]) == frozenset()
