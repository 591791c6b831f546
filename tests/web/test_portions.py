"""Long lists come in portions: each page goes on where the one before ended, and nothing is lost."""

import pytest

from provender.core.names import DatasetRef
from provender.web import (
    browsing,
    columns,
    inbox,
    people,
    projects,
    remembrance,
    taxonomy,
    training,
    versions,
)
from tests.web.conftest import Reader, copied
from tests.web.scenario import many_versions, widest

LISTS = (
    ("/datasets", "datasets", "name", browsing, "AT_A_TIME"),
    ("/people/person:sam", "datasets", "name", people, "AT_A_TIME"),
    ("/tags/personal.quasi_identifier", "datasets", "name", taxonomy, "AT_A_TIME"),
    ("/glossary", "terms", "name", taxonomy, "TERMS_AT_A_TIME"),
    ("/features", "projects", "project", projects, "AT_A_TIME"),
    ("/training-sets", "training_sets", "id", training, "PER_PAGE"),
    ("/inbox", "tasks", "id", inbox, "AT_A_TIME"),
    ("/datasets/aviation.flights/history", "states", "since", remembrance, "AT_A_TIME"),
    ("/datasets/aviation.flights/versions", "versions", "number", versions, "AT_A_TIME"),
)


@pytest.mark.parametrize(("path", "part", "key", "module", "size"), LISTS)
def test_a_list_in_portions_is_the_whole_list(sam, monkeypatch, path, part, key, module, size):
    whole = [one[key] for one in sam.get(f"{path}.json").json()[part]]
    monkeypatch.setattr(module, size, 1)
    found, after = [], ""
    while after is not None:
        facts = sam.get(f"{path}.json", params={"after": after}).json()
        assert len(facts[part]) == 1
        found += [one[key] for one in facts[part]]
        after = facts["next"]
        assert len(found) <= len(whole)
    assert found == whole
    assert len(whole) == len(set(whole))


@pytest.fixture(scope="module")
def wide(filled, tmp_path_factory):
    reader = Reader(copied(filled, tmp_path_factory.mktemp("wide")), "person:sam")
    widest(reader.catalog, columns=50, versions=3)
    yield reader
    reader.catalog.close()


def test_the_columns_of_a_wide_dataset_come_in_portions(wide):
    path, found, first = "/datasets/aviation.carriers", [], 1
    while first <= 50:
        facts = wide.get(f"{path}.json?columns={first}").json()
        assert facts["columns"] == 50
        assert len(facts["schema"]) <= columns.AT_A_TIME
        found += [column["name"] for column in facts["schema"]]
        first += columns.AT_A_TIME
    assert found == [f"measure_{number:03}" for number in range(50)]


def test_a_hit_on_a_far_column_leads_to_the_portion_that_has_it(wide):
    page = wide.get("/datasets/aviation.carriers?column=measure_041").text
    assert 'id="column-measure_041"' in page
    assert 'id="column-measure_000"' not in page


def test_an_edit_of_one_portion_leaves_the_other_columns_alone(wide):
    facts = wide.get("/datasets/aviation.carriers/edit.json?columns=21").json()
    shown = [field for field in facts["fields"] if field.startswith("describes:")]
    assert shown[0] == "describes:measure_020"
    assert len(shown) == columns.AT_A_TIME
    page = wide.get("/datasets/aviation.carriers/edit?columns=21").text
    for first in (1, 41):
        assert f'href="/datasets/aviation.carriers/edit?columns={first}"' in page


def test_hundreds_of_versions_are_a_page_and_a_line(filled, tmp_path):
    reader = Reader(copied(filled, tmp_path), "person:sam")
    many_versions(reader.catalog, 60)
    facts = reader.get("/datasets/aviation.carriers.json").json()
    assert [version["number"] for version in facts["versions"]] == list(range(61, 11, -1))
    older = reader.get("/datasets/aviation.carriers/versions.json?after=12").json()
    assert [version["number"] for version in older["versions"]] == list(range(11, 0, -1))
    assert reader.catalog.resolve(DatasetRef.parse("aviation.carriers")).number == 61
    reader.catalog.close()
