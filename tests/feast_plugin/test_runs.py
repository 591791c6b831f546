"""Where a run starts when nobody says: on, or anew where what is online is gone or of other rows."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from feast import FeatureStore

from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.serving import serve_view
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize
from provender.feast_plugin.translation import view_spec
from provender.online.coverage import incomplete, readable_by
from provender.online.store import OnlineStore
from provender.online.upkeep import EPOCH
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.governed import CONFIGURATION, DEFINITIONS, repository
from tests.feast_plugin.plain import HOUR, NOON

END = NOON + 2 * HOUR


def test_the_same_version_is_gone_on_with(applied: Path, settings: Settings) -> None:
    [first] = materialize(applied, settings=settings, end=END)
    [second] = materialize(applied, settings=settings, end=END + HOUR)
    [third] = materialize(applied, settings=settings, end=END + 2 * HOUR)
    assert [run.start for run in (first, second, third)] == [EPOCH, END, END + HOUR]
    assert (first.written, second.read) == (3, 0)
    assert first.warnings == []
    assert second.warnings == [f"trips: no rows from {END.isoformat()} to {second.end.isoformat()}"]


def test_another_version_starts_anew(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    list(materialize(applied, settings=settings))
    governed.publish(settings, pa.concat_tables([governed.VERSION_2, governed.rows((9, 0, 90))]))
    [run] = materialize(applied, settings=settings)
    assert (run.start, run.written) == (EPOCH, 4)
    assert online.count("trips", "trips") == 4


def test_rows_that_are_gone_are_written_anew(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    for view in ("trips", None):
        list(materialize(applied, settings=settings))
        online.delete("trips", view)
        [run] = materialize(applied, settings=settings)
        assert (run.start, run.written) == (EPOCH, 3)


def test_another_layout_starts_anew(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    list(materialize(applied, settings=settings))
    repository(
        applied, definitions=DEFINITIONS.replace(', Field(name="rating", dtype=Float64)', "")
    )
    apply(applied, catalog, online, settings=settings)
    [run] = materialize(applied, settings=settings)
    assert (run.start, run.written) == (EPOCH, 3)


def test_a_window_that_leaves_something_out_does_not_count(
    applied: Path, settings: Settings
) -> None:
    list(materialize(applied, settings=settings, start=NOON + timedelta(minutes=90), end=END))
    [run] = materialize(applied, settings=settings, end=END + HOUR)
    assert (run.start, run.written) == (EPOCH, 3)
    list(materialize(applied, settings=settings, start=END + 5 * HOUR, end=END + 6 * HOUR))
    [run] = materialize(applied, settings=settings, end=END + 7 * HOUR)
    assert run.start == END + HOUR
    list(materialize(applied, settings=settings, start=NOON, end=END))
    [run] = materialize(applied, settings=settings, end=END + 8 * HOUR)
    assert run.start == END + 7 * HOUR


def test_rows_that_became_a_mixture_are_written_anew(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    list(materialize(applied, settings=settings, end=END))
    narrow = DEFINITIONS.replace(', Field(name="rating", dtype=Float64)', "")
    apply(repository(applied, definitions=narrow), catalog, online, settings=settings)
    list(materialize(applied, settings=settings, start=NOON, end=END))
    apply(repository(applied), catalog, online, settings=settings)
    [run] = materialize(applied, settings=settings, end=END)
    assert (run.start, run.written) == (EPOCH, 3)


def test_where_rows_vanish_by_themselves_every_run_starts_anew(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    brief = CONFIGURATION.replace("OnlineStore\n", "OnlineStore\n  key_ttl_seconds: 3600\n")
    repository(repo, configuration=brief)
    apply(repo, catalog, online, settings=settings)
    assert [run.start for _ in range(2) for run in materialize(repo, settings=settings)] == [
        EPOCH,
        EPOCH,
    ]


def test_feasts_incremental_run_starts_anew_as_well(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    list(materialize(applied, settings=settings, end=END))
    online.delete("trips", "trips")
    FeatureStore(repo_path=str(applied)).materialize_incremental(END + HOUR)
    assert online.count("trips", "trips") == 3


def test_what_feast_materialises_is_covered_from_where_it_begins(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    feast = FeatureStore(repo_path=str(applied))
    feast.materialize(NOON - HOUR, END)
    covered = online.coverage("trips", "trips")
    assert covered is not None
    assert (covered.start, covered.end, covered.is_whole) == (NOON - HOUR, END, False)
    [served] = [serve_view(view_spec(view)) for view in feast.list_feature_views()]
    assert online.covered("trips") == {"trips": readable_by(served)}
    feast.materialize(NOON, END + HOUR)
    covered = online.coverage("trips", "trips")
    assert covered is not None
    assert (covered.start, covered.end) == (NOON - HOUR, END + HOUR)
    [run] = materialize(applied, settings=settings, end=END + HOUR)
    assert (run.start, run.read) == (EPOCH, 3)
    covered = online.coverage("trips", "trips")
    assert covered is not None
    assert covered.is_whole


def test_rows_that_are_written_anew_stay_covered_in_their_layout_only(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    list(materialize(applied, settings=settings))
    before = online.covered("trips")
    governed.publish(settings, governed.VERSION_2)
    with pytest.raises(RuntimeError, match="in the middle"):
        list(materialize(applied, settings=settings, watcher=Stopping()))
    assert online.covered("trips") == before
    narrow = DEFINITIONS.replace(', Field(name="rating", dtype=Float64)', "")
    apply(repository(applied, definitions=narrow), catalog, online, settings=settings)
    with pytest.raises(RuntimeError, match="in the middle"):
        list(materialize(applied, settings=settings, watcher=Stopping()))
    manifest = online.manifest("trips")
    assert manifest is not None
    assert incomplete(manifest.views, online.covered("trips")) == {"trips"}
    list(materialize(applied, settings=settings))
    assert incomplete(manifest.views, online.covered("trips")) == frozenset()


class Stopping:
    """Ends a run that has begun."""

    def expect(self, name: str, total: int, done: int) -> None:
        raise RuntimeError(f"{name} stops in the middle")

    def advance(self, name: str, rows: int) -> None:
        """Never comes that far."""


def test_a_view_without_rows_is_warned_of(applied: Path, settings: Settings) -> None:
    [run] = materialize(applied, settings=settings, end=NOON - HOUR)
    assert (run.read, run.warnings) == (
        0,
        [f"trips: no rows from the beginning to {run.end.isoformat()}"],
    )


def test_runs_are_written_down(applied: Path, settings: Settings, catalog: LocalCatalog) -> None:
    [run] = materialize(applied, settings=settings, end=END)
    [event] = catalog.records.audit_events(kind=EventKind.FEATURES_MATERIALIZE)
    assert (event.actor, event.subject) == (settings.actor, "shop.trips@2")
    assert event.detail == {
        "project": "trips",
        "view": "trips",
        "start": run.start.isoformat(),
        "end": END.isoformat(),
        "read": 3,
        "written": 3,
        "kept": 0,
        "resumed": 0,
        "null_keys": 0,
        "null_times": 0,
    }


def test_looking_back_finds_rows_that_came_late(applied: Path, settings: Settings) -> None:
    list(materialize(applied, settings=settings, end=END))
    [run] = materialize(applied, settings=settings, end=END + HOUR, lookback=2 * HOUR)
    assert (run.start, run.read) == (END - 2 * HOUR, 3)
    [run] = materialize(applied, settings=settings, end=END + HOUR)
    assert run.start == END + HOUR


def test_looking_back_before_the_beginning_is_the_beginning(
    applied: Path, settings: Settings
) -> None:
    [run] = materialize(applied, settings=settings, end=END, lookback=HOUR)
    assert run.start == EPOCH
    [run] = materialize(applied, settings=settings, end=END, lookback=timedelta(days=99_999))
    assert run.start == EPOCH


def test_a_forced_run_begins_with_the_data(applied: Path, settings: Settings) -> None:
    list(materialize(applied, settings=settings, end=END))
    [run] = materialize(applied, settings=settings, end=END, force=True)
    assert (run.start, run.read) == (EPOCH, 3)


def test_a_watcher_is_told_how_many_rows_there_are(applied: Path, settings: Settings) -> None:
    told: list[tuple[str, str, int]] = []

    class Watcher:
        def expect(self, name: str, total: int, done: int) -> None:
            assert done == 0
            told.append(("expect", name, total))

        def advance(self, name: str, rows: int) -> None:
            told.append(("advance", name, rows))

    list(materialize(applied, settings=settings, end=END, watcher=Watcher()))
    assert told == [("expect", "trips", 3), ("advance", "trips", 3)]


def test_rows_without_a_key_are_counted_one_by_one(
    applied: Path, settings: Settings, catalog: LocalCatalog
) -> None:
    holes = governed.rows((None, 0, 1), (None, 0, 2), (None, 1, 3), (4, 1, 4))
    governed.publish(settings, pa.concat_tables([governed.VERSION_2, holes]))
    [run] = materialize(applied, settings=settings, end=END)
    assert (run.read, run.written, run.null_keys) == (7, 4, 3)
    [event] = catalog.records.audit_events(kind=EventKind.FEATURES_MATERIALIZE)
    assert (event.detail["null_keys"], event.detail["null_times"]) == (3, 0)
