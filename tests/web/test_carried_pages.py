"""Tags that came along the lineage, on the pages of what carries them, each with where it came from."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from provender.catalog.local import LocalCatalog
from tests.web.clock import NOW
from tests.web.conftest import Reader, copied
from tests.web.declared import GOVERNANCE

TAG = "personal.quasi_identifier"


@pytest.fixture
def reader(filled: Path, tmp_path: Path) -> Iterator[Reader]:
    """Ana, where the delay of an aircraft's arrival is made from its tail number."""
    url = copied(filled, tmp_path)
    tail = next(one for one in GOVERNANCE.datasets if one.ref.name == "tail_last")
    made = replace(tail, column_from={"last_arr_delay": ("aviation.flights.tailnum",)})
    with LocalCatalog(url, actor="person:lee", clock=lambda: NOW - timedelta(hours=1)) as catalog:
        catalog.desk.declare(made)
    found = Reader(url, "person:ana")
    yield found
    found.catalog.close()


@pytest.mark.parametrize(
    ("path", "whence"),
    [
        ("/datasets/aviation.tail_last", "aviation.flights.tailnum"),
        ("/datasets/aviation.tail_last/column?name=last_arr_delay", "aviation.flights.tailnum"),
        ("/features/tail_last", "aviation.flights.tailnum through dataset aviation.tail_last"),
        (
            "/services/delay_v1",
            "aviation.flights.tailnum through dataset aviation.tail_last, "
            "feature-view flights/tail_last",
        ),
    ],
)
def test_a_page_says_which_tags_came_and_where_from(reader: Reader, path: str, whence: str):
    page = reader.get(path).text
    assert f"carried from {whence}" in page
    assert TAG in page


def test_its_json_has_them_too(reader: Reader):
    (on_dataset, *_) = reader.get("/datasets/aviation.tail_last.json").json()["carried"]
    assert (on_dataset["column"], on_dataset["tag"]) == ("last_arr_delay", TAG)
    assert on_dataset["whence"]["column"] == "tailnum"
    on_view = reader.get("/features/tail_last.json").json()["carried"]
    assert [one["tag"] for one in on_view["last_arr_delay"]] == [
        "kind.feature_table",
        TAG,
        "source.bts",
    ]
    on_service = reader.get("/services/delay_v1.json").json()["carried"]
    told = {one["tag"]: one["whence"] for one in on_service["tail_last:last_arr_delay"]}
    assert [node["kind"] for node in told[TAG]["over"]] == ["dataset", "feature-view"]


def test_what_nothing_came_to_says_nothing(reader: Reader):
    assert reader.get("/features/weather.json").json()["carried"] == {}
    assert "carried from" not in reader.get("/features/weather").text
