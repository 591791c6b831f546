"""Lineage on pages: what is cut is said to be."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from provender.catalog import graph, nodes
from provender.catalog.db import open_database, transaction
from provender.catalog.graph import Said
from provender.core.lineage import How, Node, NodeKind
from tests.web.conftest import Reader, copied
from tests.web.declared import training_manifest

FLIGHTS = Node(NodeKind.DATASET, "aviation.flights")
LONG = Node(NodeKind.DATASET, "aviation.carriers")
STEPS = 9


@pytest.fixture(scope="module")
def crowded(filled, tmp_path_factory) -> Iterator[Reader]:
    """More is made from flights than anybody looks at; carriers begins a long chain."""
    url = copied(filled, tmp_path_factory.mktemp("crowded"))
    fan = [Node(NodeKind.TRAINING_SET, f"ts_{n:016x}") for n in range(graph.MOST_EDGES + 1)]
    chain = [LONG, *(Node(NodeKind.TRAINING_SET, f"ts_chain{n}") for n in range(STEPS))]
    edges = [(FLIGHTS, one) for one in fan] + list(pairwise(chain))
    engine = open_database(url)
    with transaction(engine, write=True) as db:
        numbers = nodes.ensured(db, [FLIGHTS, *fan, *chain])
        pairs = {(numbers[up], numbers[down]): Said(How.OBSERVED) for up, down in edges}
        graph.say(db, {"crowd": pairs})
    engine.dispose()
    reader = Reader(url, "person:ana")
    yield reader
    reader.catalog.close()


def test_lineage_that_is_cut_says_so(crowded):
    page = crowded.get("/lineage", params={"node": str(FLIGHTS)}).text
    assert "A change here reaches at least" in page
    assert "There is more than is looked at" in page
    facts = crowded.get("/lineage.json", params={"node": str(FLIGHTS)}).json()
    assert facts["truncated"] is True


def test_lineage_that_goes_on_beyond_the_last_step_says_so(crowded):
    page = crowded.get("/lineage", params={"node": str(LONG)}).text
    assert "A change here reaches at least" in page
    assert crowded.get("/lineage.json", params={"node": str(LONG)}).json()["truncated"] is True


def test_a_dataset_page_says_that_its_lineage_is_cut(crowded):
    page = crowded.get("/datasets/aviation.flights").text
    assert "There is more than is looked at" in page
    assert "made from it" in page
    assert crowded.get("/datasets/aviation.flights.json").json()["lineage"]["truncated"] is True


def test_a_column_page_says_that_other_things_may_break(crowded, ana):
    page = "/datasets/aviation.flights/column"
    assert "other things may break" in crowded.get(page, params={"name": "carrier"}).text
    assert "other things may break" not in ana.get(page, params={"name": "carrier"}).text


def test_lineage_that_is_whole_says_what_it_reaches(ana):
    made = training_manifest("aviation.weather@1", "aviation.tail_last@1", by="person:ana").id
    for node in ("dataset:aviation.tail_last", f"training-set:{made}"):
        page = ana.get("/lineage", params={"node": node})
        assert page.status_code == 200
        assert "at least" not in page.text
        assert "There is more than is looked at" not in page.text
        assert ana.get("/lineage.json", params={"node": node}).json()["truncated"] is False


def test_a_column_that_leads_nowhere_points_to_what_the_whole_dataset_leads_to(sam):
    page = sam.get("/datasets/aviation.carriers/column", params={"name": "name"}).text
    assert "No column is known to be made from it." in page
    assert '<a href="/datasets/aviation.carriers#lineage">its lineage</a>' in page
