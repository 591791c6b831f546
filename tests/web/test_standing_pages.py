"""Whether data may be trusted is seen where it is found, not only on its page."""

from collections.abc import Iterator

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.lifecycle import Step
from provender.core.names import DatasetRef
from provender.core.retention import Retention
from tests.web.clock import NOW
from tests.web.conftest import Reader, copied

STALE = '<span aria-hidden="true">◐</span> stale'
GONE = '<span aria-hidden="true">∅</span> data gone'
RECALLED = '<span aria-hidden="true">✕</span> recalled'
DEPRECATED = '<span aria-hidden="true">○</span> deprecated'


@pytest.fixture(scope="module")
def sam(filled, tmp_path_factory) -> Iterator[Reader]:
    """The only version of weather is recalled, that of carriers deprecated; flights are stale."""
    url = copied(filled, tmp_path_factory.mktemp("standing"))
    with LocalCatalog(url, actor="person:sam", clock=lambda: NOW) as catalog:
        for name, step in (("weather", Step.RECALL), ("carriers", Step.DEPRECATE)):
            ref = DatasetRef.parse(f"aviation.{name}@1")
            catalog.desk.step(ref, step, reason="the sensor was broken")
    reader = Reader(url, "person:sam")
    yield reader
    reader.catalog.close()


def test_hits_say_where_they_stand_in_words_signs_and_colours(sam):
    page = sam.get("/search", params={"q": "aviation"}).text
    assert f'<span class="state off">{RECALLED}</span>' in page
    assert f'<span class="state warn">{DEPRECATED}</span>' in page
    assert f'<span class="state warn">{STALE}</span>' in page
    hits = sam.get("/search.json", params={"q": "aviation"}).json()["hits"]
    stand = {hit["name"]: (hit["state"], hit["fresh"]) for hit in hits}
    assert stand["aviation.weather"] == ("recalled", None)
    assert stand["aviation.carriers"] == ("deprecated", None)
    assert stand["aviation.flights"] == ("published", False)


def test_suggestions_say_it_too(sam):
    assert RECALLED in sam.get("/suggest", params={"q": "aviation.weat"}).text


def test_what_is_published_and_fresh_has_no_mark(sam):
    page = sam.get("/search", params={"q": "tail_last", "type": "dataset"}).text
    assert "aviation.tail_last" in page
    assert 'class="state' not in page


@pytest.mark.parametrize("path", ["/", "/datasets", "/people/team:flight-ops"])
def test_lists_say_where_datasets_stand(sam, path):
    page = sam.get(path).text
    assert f'<span class="state off">{RECALLED}</span>' in page
    assert f'<span class="state warn">{STALE}</span>' in page


def test_a_list_says_in_json_where_datasets_stand(sam):
    datasets = sam.get("/datasets.json").json()["datasets"]
    stand = {one["name"]: (one["latest"], one["state"], one["fresh"]) for one in datasets}
    assert stand["aviation.weather"] == (None, "recalled", None)
    assert stand["aviation.carriers"] == (1, "deprecated", None)
    assert stand["aviation.flights"] == (2, "published", False)
    assert stand["aviation.unpublished"] == (None, "", None)


def test_data_that_is_gone_is_marked_and_no_way_to_read_it_is_offered(sam):
    ref = DatasetRef.parse("aviation.flights")
    only = Retention(keep_versions=1)
    sam.catalog.desk.retention(ref, only, expected=None, dry_run=False)
    sam.catalog.desk.retention(ref, None, expected=None, dry_run=False)
    page = sam.get("/datasets/aviation.flights/versions/1").text
    assert GONE in page
    assert "It cannot be read any more." in page
    assert "read(&#34;aviation.flights@1" not in page
    assert sam.get("/datasets/aviation.flights").text.count(GONE) == 1
    assert sam.get("/datasets/aviation.flights/versions").text.count(GONE) == 1
    newest = sam.get("/datasets/aviation.flights/versions/2").text
    assert GONE not in newest
    assert "read(&#34;aviation.flights@2" in newest
