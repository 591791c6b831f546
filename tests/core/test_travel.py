"""Tags travel along columns: bit by bit the same as by brute force, also in circles."""

import random
import time

import pytest

from provender.core.errors import InvalidInput
from provender.core.tags import Tag, Taxonomy, Way
from provender.core.travel import Anonymising, Carried, passes, stops
from tests.core.dags import STOPS, TAGS, Columns, dag, happen
from tests.stress import STRESSED, times

DAGS = times(100)
UPDATES = 3 if STRESSED else 1
BAR_SECONDS = 0.05 if times(1) > 1 else 0.25  # other tests run beside those of CI


def test_what_is_kept_bit_by_bit_is_what_brute_force_finds():
    """T23."""
    seconds = []
    for seed in range(DAGS):
        dice = random.Random(seed)
        graph = dag(dice, columns=500, edges=5_000)
        graph.update(range(1, 501))
        assert graph.found() == graph.anew(), seed
        for _ in range(UPDATES):
            touched = happen(dice, graph)
            begun = time.perf_counter()
            graph.update(touched)
            seconds.append(time.perf_counter() - begun)
            assert graph.found() == graph.anew(), seed
    p95 = sorted(seconds)[int(0.95 * len(seconds))]
    assert p95 < BAR_SECONDS, f"{DAGS} graphs: p95 {1000 * p95:.1f} ms"


@pytest.mark.parametrize("seed", range(40))
def test_it_is_so_in_small_graphs_with_circles_change_by_change(seed: int):
    dice = random.Random(seed)
    graph = dag(dice, columns=8, edges=14, masking=0.3)
    graph.update(range(1, 9))
    for _ in range(60):
        if len(graph.edges) < 6:
            break
        graph.update(happen(dice, graph, circles=True))
        assert graph.found() == graph.anew()


def test_a_tag_stays_while_another_way_leads_to_it_and_says_which():
    graph = Columns(tags={1: {"personal"}, 2: {"personal"}}, edges={(1, 3): None, (2, 3): None})
    graph.update({1, 2, 3})
    assert graph.known[3] == {"personal": Carried(1, 1)}
    del graph.tags[1]
    graph.update({1})
    assert graph.known[3] == {"personal": Carried(1, 2)}
    del graph.edges[2, 3]
    assert graph.update({3}) == {(3, "personal"): None}


def test_a_circle_does_not_hold_a_tag_that_nobody_put():
    graph = Columns(tags={1: {"late"}}, edges={(1, 2): None, (2, 3): None, (3, 2): None})
    graph.update({1, 2, 3})
    del graph.edges[1, 2]
    graph.update({2})
    assert graph.found() == {(1, "late"): Carried(0, 1)}


def test_a_tag_stops_only_at_the_ways_that_it_names_whatever_value_it_has():
    edges = {(1, n): way for n, way in enumerate(Way, 2)}
    graph = Columns(tags={1: {*TAGS, "secret=2"}}, edges=dict(edges))
    graph.update({1, *(down for _, down in edges)})
    have = {way: set(graph.known[down]) for (_, down), way in edges.items()}
    both = {"secret", "secret=2"}
    every = {*TAGS, *both}
    assert have == {
        Way.HASH: every - both,
        Way.BUCKET: every - both,
        Way.TRUNCATE: every,
        Way.AGGREGATE: every - {"personal"},
    }


def test_nothing_is_new_where_nothing_changed():
    graph = dag(random.Random(3), columns=30, edges=90)
    graph.update(range(1, 31))
    assert graph.update(range(1, 31)) == {}


def test_a_taxonomy_says_where_its_tags_stop():
    taxonomy = Taxonomy((Tag(name="personal", stops_at=(Way.HASH,)), Tag(name="late")))
    assert stops(taxonomy) == {"personal": {Way.HASH}}
    assert not passes(stops(taxonomy), "personal=name", Way.HASH)
    assert passes(stops(taxonomy), "personal", None)
    assert passes(STOPS, "late", Way.HASH)


def test_how_values_were_anonymised_begins_with_a_way_and_says_what_was_done():
    read = Anonymising.parse("aggregate: count over 30 days, k>=10")
    assert read == Anonymising(Way.AGGREGATE, "count over 30 days, k>=10")
    with pytest.raises(InvalidInput, match="begins with no way to anonymise") as error:
        Anonymising.parse("agregate: count")
    assert "aggregate" in error.value.hint
    with pytest.raises(InvalidInput, match="does not say what was done"):
        Anonymising.parse("hash:")
