"""Values asked for without words: the same is found wherever they are looked for, and it is chosen well."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from provender.catalog import prevalence
from provender.catalog.db import open_database, transaction
from provender.catalog.narrowing import held
from provender.catalog.nominate import NOW, Sought, counts, grouped, nominated
from provender.catalog.prevalence import IMPACT, SORTED, Held, Way, by, way_to
from provender.core.finding import Question
from tests.catalog.world import FLIGHTS, REPO, Connect, manifest

EVERYTHING = 200_000
DATASETS = Held(("z1",), "d.kind IN (0)", documents=199_000, of=EVERYTHING)
LARGE = Held(("z2",), "d.domain IN (2)", documents=30_000, of=EVERYTHING)
MIDDLE = Held(("z7",), "d.domain IN (7)", documents=10_000, of=EVERYTHING)
SMALL = Held(("z3", "z4"), "d.owner IN (3, 4)", documents=600, of=EVERYTHING)
TAGGED = Held(("z5",), documents=600, of=EVERYTHING)
OFTEN_TAGGED = Held(("z6",), documents=150_000, of=EVERYTHING)


@pytest.mark.parametrize(
    ("held", "limit", "way"),
    [
        ([], 200, Way.BY_IMPACT),
        ([DATASETS], 2_000, Way.BY_IMPACT),
        ([LARGE], 200, Way.BY_IMPACT),
        ([LARGE], 2_000, Way.HIGH_FIRST),
        ([MIDDLE], 1_000, Way.HIGH_FIRST),
        ([DATASETS, MIDDLE], 200, Way.HIGH_FIRST),
        ([MIDDLE], 2_000, Way.SORTED),
        ([SMALL], 200, Way.SORTED),
        ([DATASETS, TAGGED], 2_000, Way.SORTED),
        ([LARGE, MIDDLE], 200, Way.SORTED),  # 1,500 are expected to have both
        ([OFTEN_TAGGED], 2_000, Way.BY_IMPACT),
        ([DATASETS], EVERYTHING, Way.BY_IMPACT),  # the index is not asked for it
        ([replace(SMALL, documents=0)], 1, Way.SORTED),
        ([replace(SMALL, documents=0, of=0)], 1, Way.SORTED),
    ],
)
def test_the_way_with_the_least_reading_is_taken(held: list[Held], limit: int, way: Way):
    assert way_to(held, limit=limit) is way


def test_what_many_have_is_seen_in_the_documents_in_the_order_of_impact():
    assert by(Way.BY_IMPACT, [DATASETS, LARGE]) == ("d.kind IN (0) AND d.domain IN (2)", IMPACT)


@pytest.mark.parametrize("way", [Way.HIGH_FIRST, Way.SORTED])
def test_what_few_have_is_looked_up_and_sorted(way: Way):
    assert by(way, [SMALL]) == ("d.vector @@ '(''z3'' | ''z4'')'::tsquery", SORTED)
    assert by(way, [SMALL, TAGGED]) == (
        "d.vector @@ '(''z3'' | ''z4'') & (''z5'')'::tsquery",
        SORTED,
    )


def test_what_nearly_everything_has_is_not_looked_up_beside_what_few_have():
    condition, _ = by(Way.SORTED, [DATASETS, SMALL])
    assert condition == "d.kind IN (0) AND d.vector @@ '(''z3'' | ''z4'')'::tsquery"


def test_what_no_column_says_is_looked_up_in_any_case():
    assert by(Way.BY_IMPACT, [OFTEN_TAGGED]) == ("d.vector @@ '(''z6'')'::tsquery", IMPACT)


def test_what_was_is_looked_up():
    condition, _ = by(Way.UNCOUNTED, [DATASETS])
    assert condition == "d.vector @@ '(''z1'')'::tsquery"


@pytest.fixture
def db(connect: Connect, governed_url: str) -> Iterator[Session]:
    """A transaction on a catalog with datasets, of which one is published, and definitions."""
    connect("ops").publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    engine = open_database(governed_url)
    with transaction(engine) as reading:
        yield reading
    engine.dispose()


def test_values_are_known_with_how_many_documents_have_them(db: Session):
    asked = {"type": ("dataset",), "tag": ("personal", "none such"), "project": ("none such",)}
    found = held(db, asked)
    assert {facet: (one.documents, one.of) for facet, one in found.items()} == {
        "type": (4, 10),
        "tag": (1, 10),
    }


@pytest.mark.parametrize(
    ("filters", "documents"),
    [
        ({"type": ("dataset",)}, 4),
        ({"type": ("feature-view", "entity")}, 3),
        ({"type": ("dataset",), "format": ("parquet", "none such")}, 3),
        ({"domain": ("aviation",), "tag": ("personal",)}, 1),
        ({"state": ("published",)}, 1),
        ({"type": ("dataset",), "project": ("delays",)}, 0),
    ],
)
def test_the_same_is_found_whether_few_are_said_to_have_it_or_many(
    db: Session, filters: dict[str, tuple[str, ...]], documents: int
):
    asked = list(held(db, filters).values())
    said = [(n, EVERYTHING) for n in (0, 5_000, 20_000, EVERYTHING)]
    ways = [[replace(one, documents=n, of=of) for one in asked] for n, of in said]
    ways.append([*ways[-1][:1], *ways[0][1:]])
    for way in (asked, *ways):
        found = nominated(db, NOW, Sought((), way), limit=50).numbers
        assert found == nominated(db, NOW, Sought((), asked), limit=50).numbers
        assert len(found) == documents
        assert nominated(db, NOW, Sought((), way), limit=2).numbers == found[:2]
        assert counts(db, NOW, [Sought((), way)], most=50) == [documents]
        assert counts(db, NOW, [Sought((), way)], most=2) == [min(documents, 2)]
        kinds = grouped(
            db, NOW, Sought((), way), ["SELECT 0, m.kind, count(*) FROM m GROUP BY m.kind"], most=50
        )
        assert sum(number for _, _, number in kinds) == documents


@pytest.mark.parametrize("text", ["flights", "flights weather", "delay"])
def test_beside_words_it_is_the_same_whether_values_are_read_or_looked_up(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, text: str
):
    connect("ops").publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    filters = {"type": ("dataset", "feature-view"), "domain": ("aviation",)}
    asked = Question(text=text, filters=filters, facets=True)
    finder = connect("ana").finder
    found = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(prevalence, "MOSTLY", share)
        found.append(finder.search(asked))
    assert found[0] == found[1]
    assert found[0].hits
    assert {hit.kind for hit in found[0].hits} <= {"dataset", "feature-view"}
