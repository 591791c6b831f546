from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provender.core.datasets import DatasetVersion, EventRange, Format, Manifest
from provender.core.differences import Difference, FindingKind, diff, told_mean
from provender.core.names import DatasetRef
from provender.core.profiles import ColumnProfile, KeyCount, Profile, Relation
from provender.core.schema import Column, Schema, Verdict

NEW_YEAR = datetime(2013, 1, 1, tzinfo=UTC)
GUST = Relation(column="gust", of="speed", slope=1.15078, intercept=0, rows=900)
OLD_COLUMNS = {"speed": "float64", "gust": "float64", "at": "timestamp"}


def version(number: int, *, rows: int = 1_000, year: int = 2013, **columns: str) -> DatasetVersion:
    first = NEW_YEAR.replace(year=year)
    return DatasetVersion(
        ref=DatasetRef("aviation", "weather", number),
        manifest=Manifest(
            format=Format.PARQUET,
            location="x",
            files=(),
            schema=Schema(
                tuple(Column(name=n, type=t) for n, t in (columns or OLD_COLUMNS).items())
            ),
            row_count=rows,
            logical_digest=f"sha256:{number}",
            event_timestamp="at",
            event_range=EventRange(earliest=first, latest=first + timedelta(days=364)),
        ),
        published_at=NEW_YEAR,
        published_by="person:ana",
    )


def column(name: str, *, nulls: int = 0, **values: int) -> ColumnProfile:
    return ColumnProfile(
        column=name,
        count=1_000,
        nulls=nulls,
        distinct=len(values),
        exact=True,
        frequent=tuple(values.items()),
    )


def profile(
    *columns: ColumnProfile, relations: tuple[Relation, ...] = (), repeated: int = 0
) -> Profile:
    return Profile(
        row_count=1_000,
        columns=columns,
        relations=relations,
        keys=(KeyCount(columns=("at", "speed"), duplicates=repeated),),
    )


SPEED, GUSTS = column("speed", a=1_000), column("gust", a=1_000)
CALM = profile(SPEED, GUSTS)


def said(difference: Difference) -> dict[FindingKind, str]:
    return {finding.kind: finding.says for finding in difference.findings}


def test_equal_versions_have_no_findings() -> None:
    same = diff(version(1), version(2), before=CALM, after=CALM)
    assert same.findings == ()
    assert same.compatibility.verdict is Verdict.IDENTICAL
    assert same.is_profiled


def test_changes_of_the_schema_are_found_without_profiles() -> None:
    new = version(2, speed="int64", at="timestamp", visib="float64")
    found = diff(version(1), new)
    assert not found.is_profiled
    assert found.compatibility.verdict is Verdict.BREAKING
    assert [(finding.kind, finding.column, finding.says) for finding in found.findings] == [
        (FindingKind.COLUMN_GONE, "gust", "gust is gone; it was float64"),
        (FindingKind.TYPE, "speed", "speed was float64 and is int64"),
        (FindingKind.COLUMN_NEW, "visib", "visib is new: float64"),
    ]
    assert [(one.column, one.was, one.now) for one in found.columns] == [
        ("speed", "float64", "int64"),
        ("at", "timestamp", "timestamp"),
        ("visib", "", "float64"),
        ("gust", "float64", ""),
    ]


def test_a_column_that_another_gives_now_outranks_all_but_a_lost_column() -> None:
    after = profile(SPEED, replace(GUSTS, nulls=40), relations=(GUST,))
    found = diff(version(1), version(2, rows=900), before=CALM, after=after)
    assert [finding.kind for finding in found.findings] == [
        FindingKind.RELATION,
        FindingKind.NULLS,
        FindingKind.ROWS,
    ]
    assert found.findings[0].column == "gust"
    assert found.findings[0].says == (
        "gust = 1.15078 × speed in every one of 900 rows; it was not so before"
    )


def test_a_relation_that_was_there_is_no_news_and_its_end_is() -> None:
    related = profile(SPEED, GUSTS, relations=(GUST,))
    assert diff(version(1), version(2), before=related, after=related).findings == ()
    other = profile(SPEED, GUSTS, relations=(replace(GUST, slope=2.0, intercept=-1.5),))
    assert said(diff(version(1), version(2), before=related, after=other)) == {
        FindingKind.RELATION: "gust = 2 × speed − 1.5 in every row; it was gust = 1.15078 × speed"
    }
    assert said(diff(version(1), version(2), before=related, after=CALM)) == {
        FindingKind.RELATION_GONE: "gust = 1.15078 × speed does not hold any more"
    }


def test_shares_of_nulls_are_told_in_percent() -> None:
    def nulls(before: int, after: int) -> str | None:
        found = diff(
            version(1),
            version(2),
            before=profile(column("gust", nulls=before)),
            after=profile(column("gust", nulls=after)),
        )
        return said(found).get(FindingKind.NULLS)

    assert nulls(796, 40) == "4.0% of gust is null; it was 79.6%"
    assert told_mean(1_372_723_200.0, "timestamp") == "2013-07-02 00:00"
    assert told_mean(1_372_723_200.0, "float64") == "1.37272e+09"
    assert told_mean(None, "timestamp") == ""
    assert nulls(0, 5) == "gust has nulls now, 0.5% of it; it had none"
    assert nulls(5, 0) == "gust has no nulls any more; 0.5% of it was null"
    assert nulls(100, 105) is None
    many = replace(column("gust", nulls=9), count=10_000)
    found = diff(version(1), version(2), before=profile(column("gust")), after=profile(many))
    assert said(found)[FindingKind.NULLS] == "gust has nulls now, 0.09% of it; it had none"


def test_values_that_lie_otherwise_are_found_but_not_instants() -> None:
    before = profile(column("speed", a=500, b=500), column("at", a=500, b=500))
    after = profile(column("speed", a=900, b=100), column("at", a=900, b=100))
    found = diff(version(1), version(2), before=before, after=after)
    assert [(finding.kind, finding.column) for finding in found.findings] == [
        (FindingKind.DISTRIBUTION, "speed")
    ]
    assert (
        found.findings[0].says == "the values of speed are spread quite differently (distance 0.88)"
    )
    distances = {one.column: one.distance for one in found.columns if one.before}
    assert distances == {"speed": pytest.approx(0.88, abs=0.01), "at": None}


def test_keys_that_were_unique_and_are_not_are_found() -> None:
    found = diff(version(1), version(2), before=CALM, after=profile(SPEED, GUSTS, repeated=12))
    assert said(found) == {
        FindingKind.DUPLICATES: "12 rows repeat the at, speed of another; none did"
    }


def test_rows_and_events_are_compared() -> None:
    found = diff(version(1), version(2, rows=400, year=2023))
    assert said(found) == {
        FindingKind.ROWS: "400 rows; there were 1,000 (-60.0%)",
        FindingKind.RANGE: "events from 2023-01-01 00:00 to 2023-12-31 00:00; they were from "
        "2013-01-01 00:00 to 2013-12-31 00:00, and none is in both",
    }


def test_events_that_end_earlier_than_they_did_outrank_a_new_column() -> None:
    found = diff(version(1, year=2023), version(2, **OLD_COLUMNS, visib="int64"))
    assert [finding.kind for finding in found.findings] == [
        FindingKind.RANGE,
        FindingKind.COLUMN_NEW,
    ]


def test_of_a_handful_of_rows_nothing_is_said_about_how_values_lie() -> None:
    before, after = column("speed", a=99), column("speed", b=99)
    few = [profile(replace(one, count=99)) for one in (before, after)]
    found = diff(version(1), version(2), before=few[0], after=few[1])
    assert found.findings == ()
    assert {one.distance for one in found.columns} == {None}
