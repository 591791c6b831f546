"""The flagship's datasets, 2013 against 2023, as the packages have them: nobody tells what is wrong."""

import io

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from demo import archives
from demo.archives import Archive
from demo.data import FILES
from provender.core.datasets import Dataset, Format
from provender.core.differences import FindingKind
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.schema import Verdict
from provender.sdk import connect
from provender.settings import Settings

NAMES = ("weather", "airports", "planes", "carriers")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Both years published, under governance that says nothing about what is in them."""
    settings = Settings(home=tmp_path_factory.mktemp("years"), actor="person:sam")
    with connect(settings=settings) as opened:
        opened.catalog.desk.apply(
            Governance(
                domains=(Domain(name="aviation"),),
                people=(Person(id="person:sam", name="Sam"),),
                rules=(Rule(id="all", actors=("person:sam",), actions=tuple(Action)),),
                datasets=tuple(
                    Dataset(
                        ref=DatasetRef("aviation", name),
                        description="Weather.",
                        owner="person:sam",
                        format=Format.PARQUET,
                        event_timestamp="time_hour" if name == "weather" else None,
                    )
                    for name in NAMES
                ),
            )
        )
        for year in (2013, 2023):
            for name in NAMES:
                opened.publish(
                    f"aviation.{name}",
                    as_packaged(year, name),
                    breaking_reason=f"package of {year}",
                )
        yield opened


def as_packaged(year: int, name: str) -> pa.Table:
    archive = archives.archive_of(year)
    path = archives.verified(archive, archives.FOLDER)
    return _csv(archive, path, name) if year == 2013 else _parquet(archive, path, name)


def _csv(archive: Archive, path, name: str) -> pa.Table:
    data = archives.member(archive, path, f"{FILES[name]}.csv")
    options = pa_csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return pa_csv.read_csv(pa.py_buffer(data), convert_options=options)


def _parquet(archive: Archive, path, name: str) -> pa.Table:
    data = archives.member(archive, path, f"{FILES[name]}.parquet")
    return pq.read_table(io.BytesIO(data))


def findings(workspace, name: str):
    return workspace.diff(f"aviation.{name}@1", f"aviation.{name}@2").findings


def test_the_gusts_of_2023_are_found_to_be_the_wind_speed_in_other_units(workspace):
    found = findings(workspace, "weather")
    assert found[0].kind is FindingKind.RELATION
    assert found[0].column == "wind_gust"
    assert found[0].says == (
        "wind_gust = 1.15078 × wind_speed in every one of 25,166 rows; it was not so before"
    )
    said = {(finding.kind, finding.column): finding.says for finding in found}
    assert said[FindingKind.NULLS, "wind_gust"] == "4.0% of wind_gust is null; it was 79.6%"
    assert (FindingKind.DISTRIBUTION, "wind_gust") in said
    assert [finding.column for finding in found if finding.kind is FindingKind.RELATION] == [
        "wind_gust"
    ]


def test_the_schema_that_changed_is_shown(workspace):
    difference = workspace.diff("aviation.airports@1", "aviation.airports@2")
    assert difference.compatibility.verdict is Verdict.BREAKING
    assert difference.findings[0].says == "alt was int64 and is float64"
    assert workspace.diff("aviation.weather@1", "aviation.weather@2").compatibility.verdict is (
        Verdict.IDENTICAL
    )


def test_neither_year_alone_hides_that_nothing_else_is_a_function_of_another(workspace):
    for name in NAMES:
        for number in (1, 2):
            relations = workspace.profile(f"aviation.{name}@{number}").relations
            assert [str(relation) for relation in relations] == (
                ["wind_gust = 1.15078 × wind_speed"] if (name, number) == ("weather", 2) else []
            )
