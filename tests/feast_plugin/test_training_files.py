"""Training sets that go to files as they are made: the same as in memory, recorded before they are there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from feast import FeatureStore

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.cli import main
from provender.core.errors import Conflict, Denied, InvalidInput, NotFound
from provender.feast_plugin.spine import Entities
from provender.sdk import connect
from provender.sdk.training_set import TrainingSet
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from tests.core.test_training import MANIFEST
from tests.feast_plugin.governed import MAX
from tests.feast_plugin.plain import HOUR, NOON, write

ROWS = 1_000
SPINE = pa.table(
    {
        "driver_id": [n % 4 for n in range(ROWS)],
        "event_timestamp": pa.array([NOON + HOUR] * ROWS, pa.timestamp("us", "UTC")),
        "factor": [float(n) for n in range(ROWS)],
        "label": [str(n) for n in range(ROWS)],
    }
)
ASKED = {"features": ["trips:value", "scaled:scaled_value"], "purpose": "research"}


@pytest.fixture
def folder(applied: Path) -> Path:
    return applied


@pytest.fixture
def workspace(folder: Path, settings: Settings) -> Any:
    with connect(settings=settings.model_copy(update={"feature_repo": folder})) as made:
        yield made


@pytest.fixture
def spine_file(tmp_path: Path) -> Path:
    file = tmp_path / "in" / "spine.parquet"
    file.parent.mkdir()
    pq.write_table(SPINE, file, row_group_size=100)
    return file


def test_a_file_is_the_training_set_that_memory_would_hold(
    workspace: Workspace, spine_file: Path, tmp_path: Path
) -> None:
    held = workspace.training_set(SPINE, **ASKED)
    made = workspace.training_set(spine_file, to=tmp_path / "out" / "set.parquet", **ASKED)
    assert (held.path, made.path) == (None, tmp_path / "out" / "set.parquet")
    assert made.id == held.id
    assert made.manifest.content_digest == held.manifest.content_digest
    assert made.arrow().equals(held.arrow())
    assert made.arrow().column_names == [*SPINE.column_names, "value", "scaled_value"]
    assert pq.read_metadata(made.path).metadata[b"provender.training_set"] == made.id.encode()
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["set.parquet"]
    assert workspace.catalog.records.training_set(made.id).row_count == ROWS


def test_the_rows_of_a_file_are_read_when_they_are_wanted(
    workspace: Workspace, spine_file: Path, tmp_path: Path
) -> None:
    made = workspace.training_set(spine_file, to=tmp_path / "set.parquet", **ASKED)
    assert [batch.num_rows for batch in made.batches(400)] == [400, 400, 200]
    copy = made.to_parquet(tmp_path / "copy.parquet")
    assert pq.read_table(copy).equals(made.arrow())
    assert made.pandas()["value"].dtype == "Int64"
    with pytest.raises(InvalidInput, match="already"):
        made.to_parquet(tmp_path / "set.parquet")


def test_a_training_set_is_not_written_into_the_lake(workspace: Workspace, tmp_path: Path) -> None:
    made = workspace.training_set(SPINE, **ASKED)
    file = next(workspace.settings.lake.rglob("*.parquet"))
    before = file.read_bytes()
    (tmp_path / "link.parquet").symlink_to(file)
    (tmp_path / "linked").symlink_to(file.parent)
    for path in (file, tmp_path / "link.parquet", tmp_path / "linked" / "new.parquet"):
        with pytest.raises(Denied, match="in the lake"):
            workspace.training_set(SPINE, to=path, allow_overwrite=True, **ASKED)
        with pytest.raises(Denied, match="in the lake"):
            made.to_parquet(path, allow_overwrite=True)
    assert file.read_bytes() == before
    assert not (file.parent / "new.parquet").exists()


def test_a_file_that_is_there_is_replaced_only_when_told_to(
    workspace: Workspace, tmp_path: Path
) -> None:
    target = tmp_path / "set.parquet"
    target.write_text("mine")
    made = workspace.training_set(SPINE, **ASKED)
    with pytest.raises(Conflict, match="is there already"):
        workspace.training_set(SPINE, to=target, **ASKED)
    with pytest.raises(Conflict, match="is there already"):
        made.to_parquet(target)
    assert target.read_text() == "mine"
    workspace.training_set(SPINE.slice(1), to=target, allow_overwrite=True, **ASKED)
    assert pq.read_metadata(target).num_rows == ROWS - 1
    made.to_parquet(target, allow_overwrite=True)
    assert pq.read_metadata(target).num_rows == ROWS


def test_a_spines_folder_has_no_files_that_other_tools_keep_for_themselves(
    workspace: Workspace, spine_file: Path
) -> None:
    unfinished = spine_file.parent / "_temporary" / "part.parquet"
    unfinished.parent.mkdir()
    pq.write_table(SPINE, unfinished)
    made = workspace.training_set(spine_file.parent, **ASKED)
    assert made.manifest.row_count == ROWS


def test_whole_numbers_of_any_width_stay_whole_in_pandas() -> None:
    kinds = {
        f"{sign}int{bits}": 2 ** (bits - (not sign)) - 1
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    }
    rows = pa.table({kind: pa.array([most, None], kind) for kind, most in kinds.items()})
    frame = TrainingSet(MANIFEST, rows, Path(), Path()).pandas()
    assert [str(dtype).lower() for dtype in frame.dtypes] == list(kinds)
    assert {kind: int(frame[kind][0]) for kind in kinds} == kinds
    assert frame.iloc[1].isna().all()


FORMS: dict[str, Callable[[Path], Any]] = {
    "path": lambda file: file,
    "text": str,
    "folder": lambda file: file.parent,
    "pattern": lambda file: str(file.parent / "*.parquet"),
    "list": lambda file: [file],
    "reader": lambda _: pa.RecordBatchReader.from_batches(SPINE.schema, SPINE.to_batches(100)),
    "dataset": lambda file: pads.dataset(file),
    "pandas": lambda _: SPINE.to_pandas(),
    "polars": lambda _: pl.from_arrow(SPINE),
    "polars lazy": lambda _: pl.from_arrow(SPINE).lazy(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_spine_can_have_any_form(workspace: Workspace, spine_file: Path, form: str) -> None:
    made = workspace.training_set(FORMS[form](spine_file), **ASKED)
    expected = [None, 11, None, 2**53 + 1]
    assert made.arrow().column("value").to_pylist()[:4] == expected
    assert made.arrow().num_rows == ROWS


def test_a_broken_or_missing_spine_file_is_named(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    for name in ("broken.parquet", "gone.parquet"):
        with pytest.raises(InvalidInput, match=name):
            workspace.training_set(tmp_path / name, **ASKED)
    with pytest.raises(InvalidInput, match="no files"):
        workspace.training_set(str(tmp_path / "*.nothing"), **ASKED)


def test_a_spine_in_the_lake_is_refused(workspace: Workspace, settings: Settings) -> None:
    file = min(settings.lake.rglob("*.parquet"))
    for spine in (file, file.parent, [file], str(file.parent / "*.parquet")):
        with pytest.raises(Denied, match="in the lake"):
            workspace.training_set(spine, **ASKED)


def test_instants_of_a_file_without_a_zone_are_refused_or_said_to_be_utc(
    workspace: Workspace, tmp_path: Path
) -> None:
    naive = [NOON.replace(tzinfo=None).isoformat()] * ROWS
    spine = write(tmp_path / "naive.parquet", SPINE.set_column(1, "event_timestamp", [naive]))
    with pytest.raises(InvalidInput, match="has no time zone"):
        workspace.training_set(spine, **ASKED)
    assert workspace.training_set(spine, assume_utc=True, **ASKED).manifest.row_count == ROWS


def test_who_is_told_how_far_it_is_can_end_it_with_nothing_left(
    workspace: Workspace, spine_file: Path, tmp_path: Path
) -> None:
    told: list[float] = []
    made = workspace.training_set(
        spine_file,
        to=tmp_path / "set.parquet",
        progress=lambda _, done: told.append(done),
        **ASKED,
    )
    assert told[-1] == 1.0
    before = len(list(workspace.catalog.records.training_sets().items))

    def cancel(what: str, done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workspace.training_set(
            SPINE.slice(1), to=tmp_path / "other.parquet", progress=cancel, **ASKED
        )
    assert [path.name for path in tmp_path.glob("*.parquet*")] == ["set.parquet"]
    assert len(list(workspace.catalog.records.training_sets().items)) == before
    assert made.path is not None


def test_a_denial_leaves_no_file(
    workspace: Workspace, spine_file: Path, tmp_path: Path, settings: Settings
) -> None:
    stranger = settings.model_copy(update={"actor": MAX})
    with connect(settings=stranger) as theirs, pytest.raises((Denied, NotFound)):
        theirs.training_set(spine_file, to=tmp_path / "set.parquet", **ASKED)
    assert list(tmp_path.glob("*set.parquet*")) == []


def test_plain_feast_records_the_same_whatever_way_the_rows_are_taken(
    folder: Path, catalog: LocalCatalog, spine_file: Path, tmp_path: Path
) -> None:
    store = FeatureStore(repo_path=str(folder))
    features = ["trips:value", "scaled:scaled_value"]
    in_memory = store.get_historical_features(Entities(SPINE), features=features)
    table = in_memory.to_arrow()
    from_file = store.get_historical_features(str(spine_file), features=features)
    assert from_file.training_set == ""
    written = from_file.to_parquet(tmp_path / "set.parquet")
    assert pq.read_table(written).equals(table)
    assert from_file.training_set == in_memory.training_set != ""
    assert pq.read_metadata(written).metadata[b"provender.training_set"].decode() == (
        from_file.training_set
    )
    assert catalog.records.training_set(from_file.training_set).row_count == ROWS


def test_rows_of_a_batch_are_handed_out_only_when_the_training_set_is_recorded(
    folder: Path, tmp_path: Path
) -> None:
    store = FeatureStore(repo_path=str(folder))
    job = store.get_historical_features(Entities(SPINE), features=["trips:value"])
    batches = job.to_arrow_batches(300)
    assert job.training_set == ""
    assert next(batches).num_rows == 300
    assert job.training_set.startswith("ts_")
    assert [batch.num_rows for batch in batches] == [300, 300, 100]
    assert tmp_path.exists()


def test_the_command_writes_a_file_and_says_what_it_is(
    folder: Path, spine_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVENDER_FEATURE_REPO", str(folder))
    monkeypatch.setenv("PROVENDER_PURPOSE", "research")
    bootstrap.settings.cache_clear()
    out = tmp_path / "set.parquet"
    arguments = [
        "training",
        "create",
        str(spine_file),
        "--service",
        "service_v1",
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["path"] == str(out)
    assert pq.read_metadata(out).num_rows == told["manifest"]["row_count"] == ROWS
    assert pq.read_metadata(out).metadata[b"provender.training_set"].decode() == told["id"]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 5
    assert "--overwrite" in again.stderr
    assert CliRunner().invoke(main, [*arguments, "--overwrite"]).exit_code == 0
