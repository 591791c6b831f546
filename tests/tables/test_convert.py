"""The same rows in every format: one logical digest, whatever files hold them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.datasets import Dataset, DatasetVersion, Format, Manifest
from provender.core.errors import Corrupt, InvalidInput
from provender.core.names import DatasetRef
from provender.tables.arrow import Naive, arrow_type
from provender.tables.convert import convert
from provender.tables.rows import logical_digest
from provender.tables.versions import verify_version, write_version
from tests.stress import STRESSED, times
from tests.tables.conftest import NOON
from tests.tables.generators import ABSENT, tables

Declare = Callable[..., Dataset]
Read = Callable[[Path, Manifest], pa.Table]
INSTANT = datetime(2023, 3, 26, 1, 59, 59, 123456, tzinfo=UTC)
VALUES: dict[str, list[Any]] = {
    "bool": [True, None, False],
    "int8": [-128, None, 127],
    "int64": [-(2**63), None, 2**63 - 1],
    "uint8": [0, None, 255],
    "uint64": [0, None, 2**64 - 1],
    "float32": [1.5, None, float("nan")],
    "float64": [float("-inf"), None, 0.1],
    "string": ["", None, 'a "b",\n漢'],
    "binary": [b"", None, b"\x00\xff"],
    "date": [date(1, 1, 2), None, date(9999, 12, 30)],
    "time": [time(0), None, time(23, 59, 59, 999999)],
    "timestamp": [INSTANT, None, datetime(2000, 1, 1, tzinfo=UTC)],
    "timestamp_local": [INSTANT.replace(tzinfo=None), None, datetime(2000, 1, 1)],  # noqa: DTZ001
    "decimal(38,10)": [Decimal("-1.0000000001"), None, Decimal("1234567.25")],
    "list<string>": [[], None, ["a", None, ""]],
    "list<list<float64>>": [[[1.5, None]], None, [[], None]],
    "struct<id:int32,tags:list<string>>": [
        {"id": 1, "tags": ["x"]},
        None,
        {"id": None, "tags": None},
    ],
    "map<string,float64>": [[("a", 1.0)], None, [("b", None), ("c", 2.5)]],
}


def absent(fmt: Format) -> set[str]:
    """The types of `VALUES` that ``fmt`` cannot hold."""
    nested = {word for word in VALUES if "<" in word} if fmt is Format.CSV else set()
    return nested | {word for word in VALUES if word in ABSENT[fmt]}


def everything(*formats: Format) -> pa.Table:
    """A column of every type that all of ``formats`` can hold."""
    usable = set(VALUES).difference(*map(absent, formats))
    return pa.table(
        {
            f"c{number}": pa.array(VALUES[word], arrow_type(word))
            for number, word in enumerate(VALUES)
            if word in usable
        }
    )


def published(dataset: Dataset, manifest: Manifest) -> DatasetVersion:
    return DatasetVersion(
        ref=dataset.ref.at(1), manifest=manifest, published_at=NOON, published_by="person:ana"
    )


def targets(fmt: Format) -> list[Format]:
    """Every format under STRESS; else all for Parquet, and Parquet, itself and its neighbour for another."""
    known = list(Format)
    if STRESSED or fmt is Format.PARQUET:
        return known
    return [Format.PARQUET, fmt, known[known.index(fmt) - 1]]


@pytest.mark.parametrize("fmt", Format)
def test_the_rows_of_a_version_are_the_same_in_every_other_format(
    fmt: Format, lake: Path, declare: Declare, read: Read
) -> None:
    for target in targets(fmt):
        rows = everything(fmt, target)
        dataset = declare(fmt, event_timestamp=None)
        version = published(dataset, write_version(lake, dataset, rows, naive=Naive.LOCAL))
        made = convert(lake, version, target)
        assert made.format is target
        assert made.logical_digest == version.manifest.logical_digest == logical_digest(rows)
        assert made.content == version.manifest.content
        assert made.schema == version.manifest.schema
        verify_version(lake, made)
        verify_version(lake, version.manifest)
        again = read(lake, made)
        assert logical_digest(again.cast(rows.schema)) == made.logical_digest


@given(data=st.data(), pair=st.sampled_from([(a, b) for a in Format for b in Format if a != b]))
@settings(max_examples=times(8, calm=4), deadline=None)
def test_any_rows_that_two_formats_hold_are_the_same_in_both(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, pair: tuple[Format, Format]
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    rows = data.draw(tables(*pair))
    dataset = Dataset(ref=DatasetRef("a", "b"), description="", owner="team:a", format=pair[0])
    version = published(dataset, write_version(lake, dataset, rows, naive=Naive.LOCAL))
    try:
        made = convert(lake, version, pair[1])
    except InvalidInput:
        with pytest.raises(InvalidInput):  # not because it was converted: it cannot be kept so
            write_version(lake, replace(dataset, format=pair[1]), rows)
        return
    assert made.content == version.manifest.content
    verify_version(lake, made)


def test_rows_that_are_not_those_of_the_digest_are_not_passed_on(
    lake: Path, declare: Declare, weather: Callable[..., pa.Table]
) -> None:
    dataset = declare(Format.PARQUET)
    manifest = replace(write_version(lake, dataset, weather(5)), logical_digest="sha256:other")
    with pytest.raises(
        Corrupt, match=r"has 5 rows with the digest sha256:.*; published were 5 with"
    ):
        convert(lake, published(dataset, manifest), Format.CSV)
    assert not list(lake.rglob("*.csv"))


def test_a_file_that_was_changed_is_not_passed_on(
    lake: Path, declare: Declare, weather: Callable[..., pa.Table]
) -> None:
    dataset = declare(Format.CSV)
    manifest = write_version(lake, dataset, weather(5))
    file = lake / manifest.location / manifest.files[0].path
    file.write_bytes(file.read_bytes().replace(b"EWR", b"JFK"))
    with pytest.raises(Corrupt, match="holds other bytes"):
        convert(lake, published(dataset, manifest), Format.PARQUET)


def test_a_format_that_has_no_such_type_says_so(lake: Path, declare: Declare) -> None:
    dataset = declare(Format.PARQUET, event_timestamp=None)
    rows = pa.table({"n": pa.array([1], pa.uint64())})
    version = published(dataset, write_version(lake, dataset, rows, naive=Naive.LOCAL))
    with pytest.raises(InvalidInput, match="n \\(uint64\\)"):
        convert(lake, version, Format.DELTA)


def test_converting_again_takes_the_files_that_are_there(
    lake: Path, declare: Declare, weather: Callable[..., pa.Table]
) -> None:
    dataset = declare(Format.PARQUET)
    version = published(dataset, write_version(lake, dataset, weather(50)))
    for target in Format:
        first = convert(lake, version, target)
        assert convert(lake, version, target) == first
