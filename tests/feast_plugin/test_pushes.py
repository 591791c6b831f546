"""Groups of pushes appended offline: each push once, whoever appends, and no matter how often."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureView, Field, FileSource, PushSource
from feast.types import Bytes, Float64, Int64

from provender.catalog.local import LocalCatalog
from provender.core.errors import Denied, InvalidInput, NotFound, Unavailable
from provender.feast_plugin import pushes
from provender.feast_plugin.pusher import answer_all
from provender.feast_plugin.pushes import Appender, Push
from provender.feast_plugin.pushids import Known, PushId, ids_in
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.governed import SAM, TRIPS
from tests.feast_plugin.plain import DRIVER, NOON, store, write

PLAIN = """
project: plain
provider: local
registry: registry.db
offline_store: {type: provender.feast_plugin.offline.ProvenderOfflineStore}
online_store: {type: provender.feast_plugin.online.ProvenderOnlineStore}
entity_key_serialization_version: 3
"""


@pytest.fixture
def sam(settings: Settings) -> Settings:
    return settings.model_copy(update={"actor": SAM})


def one(driver: int, value: Any, push_id: str = "", hours: int = 1) -> Push:
    at = (NOON + timedelta(hours=hours)).isoformat()
    columns = {
        "driver_id": [driver],
        "event_timestamp": [at],
        "created_timestamp": [at],
        "value": [value],
        "rating": ["NaN"],
        "home_address": [None],
    }
    return Push(columns, push_id)


def values(catalog: LocalCatalog, settings: Settings, driver: int) -> list[Any]:
    version = catalog.resolve(TRIPS)
    folder = settings.lake / version.manifest.location
    files = [folder / file.path for file in version.manifest.files]
    table = pa.concat_tables([pq.read_table(file) for file in files])
    pairs = zip(table["driver_id"].to_pylist(), table["value"].to_pylist(), strict=True)
    return sorted(value for known, value in pairs if known == driver)


def test_a_group_is_one_version_with_one_file_more(
    applied: Path, sam: Settings, catalog: LocalCatalog
) -> None:
    before = catalog.resolve(TRIPS)
    group = [one(70, number) for number in range(20)]
    assert Appender(applied, sam).append("arrivals", group) == [None] * 20
    after = catalog.resolve(TRIPS)
    assert after.number == before.number + 1
    assert len(after.manifest.files) == len(before.manifest.files) + 1
    assert values(catalog, sam, 70) == list(range(20))


def test_a_push_is_there_once_whichever_process_is_asked_how_often(
    applied: Path, sam: Settings, catalog: LocalCatalog
) -> None:
    first, second = Appender(applied, sam), Appender(applied, sam)
    assert first.append("arrivals", [one(71, 1, "a"), one(71, 2, "b")]) == [None, None]
    assert second.append("arrivals", [one(71, 2, "b"), one(71, 3, "c")]) == [None, None]
    assert first.append("arrivals", [one(71, 3, "c"), one(71, 3, "c")]) == [None, None]
    assert first.append("arrivals", [one(71, 4, "d"), one(71, 4, "d")]) == [None, None]
    assert values(catalog, sam, 71) == [1, 2, 3, 4]
    assert catalog.resolve(TRIPS).number == 5, "what was there already made no version"


def test_a_push_is_there_once_however_many_versions_came_since(
    applied: Path, sam: Settings, catalog: LocalCatalog
) -> None:
    assert Appender(applied, sam).append("arrivals", [one(75, 1, "a")]) == [None]
    before = catalog.resolve(TRIPS)
    with governed.speaking_as(sam, SAM) as steward:
        for number in range(210):
            steward.publish(TRIPS, replace(before.manifest, logical_digest=f"{number:064x}"))
    assert Appender(applied, sam).append("arrivals", [one(75, 1, "a")]) == [None]
    assert catalog.resolve(TRIPS).number == before.number + 210
    assert values(catalog, sam, 75) == [1]


def test_an_id_that_came_with_other_rows_is_refused_and_nothing_of_it_written(
    applied: Path, sam: Settings, catalog: LocalCatalog
) -> None:
    first, second = Appender(applied, sam), Appender(applied, sam)
    assert first.append("arrivals", [one(76, 1, "a")]) == [None]
    for appender in (first, second):
        refused, good = appender.append("arrivals", [one(76, 2, "a"), one(76, 3, "b")])
        assert isinstance(refused, InvalidInput)
        assert "other rows" in refused.message
        assert good is None
    good, refused = first.append("arrivals", [one(76, 4, "c"), one(76, 5, "c")])
    assert good is None
    assert isinstance(refused, InvalidInput)
    turned = dict(reversed(one(76, 4, "c").columns.items()))
    assert second.append("arrivals", [Push(turned, "c")]) == [None]
    assert values(catalog, sam, 76) == [1, 3, 4]


def test_ids_are_forgotten_after_an_hour_and_none_before() -> None:
    known, hour = Known(), timedelta(hours=1)
    a, b = (PushId.of("arrivals", push_id, {"x": [1]}) for push_id in "ab")
    known.add({a.token: a.rows}, at=NOON)
    known.add({b.token: b.rows}, at=NOON + hour / 2)
    known.add({a.token: a.rows}, at=NOON + hour)
    known.forget(now=NOON + 1.5 * hour)
    assert (known.has(a), known.has(b)) == (True, True)
    known.forget(now=NOON + 1.5 * hour + timedelta(seconds=1))
    assert (known.has(a), known.has(b)) == (True, False)


def test_ids_of_versions_that_say_nothing_of_rows_count() -> None:
    one_push = PushId.of("arrivals", "a", {"x": [1]})
    known = Known()
    known.add(ids_in(f"rows pushed; ids: {one_push.token} 0123456789abcdef"), at=NOON)
    assert known.has(one_push)
    assert ids_in("corrected by hand") == {}


def test_appenders_at_once_write_every_push_once(
    applied: Path, sam: Settings, catalog: LocalCatalog
) -> None:
    appenders = [Appender(applied, sam) for _ in range(3)]

    def all_of_them(appender: Appender) -> None:
        for number in range(6):
            group = [one(72, number, f"n{number}"), one(72, 100 + number)]
            assert appender.append("arrivals", group) == [None, None]

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(all_of_them, appenders))
    there = values(catalog, sam, 72)
    assert there[:6] == list(range(6))
    assert there[6:] == sorted(3 * list(range(100, 106)))


def test_where_others_publish_all_the_time_it_is_said(
    applied: Path, sam: Settings, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pushes.publish_behind

    def late(*given: Any, **more: Any) -> None:
        number = catalog.resolve(TRIPS).number
        governed.publish(sam, governed.rows((80, 0, number)))
        real(*given, **more)

    monkeypatch.setattr(pushes, "publish_behind", late)
    monkeypatch.setattr(pushes, "ATTEMPTS", 3)
    [outcome] = Appender(applied, sam).append("arrivals", [one(73, 1)])
    assert isinstance(outcome, Unavailable)
    assert "3 times" in outcome.message


def test_what_is_refused_only_with_its_rows_keeps_no_other_out(
    applied: Path, sam: Settings, catalog: LocalCatalog
) -> None:
    timeless = one(74, 9)
    group = [one(74, 1), Push({**timeless.columns, "event_timestamp": [None]}), one(74, "x")]
    outcomes = Appender(applied, sam).append(
        "arrivals", [*group, *(one(74, n) for n in range(2, 32))]
    )
    assert [index for index, outcome in enumerate(outcomes) if outcome is not None] == [1, 2]
    assert all(isinstance(outcomes[index], InvalidInput) for index in (1, 2))
    assert values(catalog, sam, 74) == [1, *range(2, 32)]
    assert catalog.resolve(TRIPS).number <= 2 + 5, "halves are tried, not each by itself"


def test_who_may_not_publish_may_not_push(
    applied: Path, settings: Settings, catalog: LocalCatalog
) -> None:
    with pytest.raises(Denied, match="publish"):
        Appender(applied, settings).append("arrivals", [one(1, 1)])
    assert catalog.resolve(TRIPS).number == 2


def test_groups_are_answered_line_by_line(
    applied: Path, sam: Settings, settings: Settings, catalog: LocalCatalog
) -> None:
    group = (
        b'{"source": "%s", "pushes": [{"columns": {"driver_id": [1], "nothing": [2]}, "id": ""}]}\n'
    )
    answers = BytesIO()
    answer_all(Appender(applied, sam), [group % b"arrivals", group % b"arivals"], answers)
    first, second = answers.getvalue().splitlines()
    assert b'[{"error": "invalid-input", "message": "the rows for shop.trips lack' in first
    assert b'"error": "not-found"' in second
    assert b'"what": "push source"' in second


def test_files_get_columns_by_their_own_names_and_by_the_features(
    home: Path, tmp_path: Path
) -> None:
    columns = {"driver_id": [1], "at": [NOON.replace(tzinfo=None)], "val": [1.5], "raw": [b"\x00"]}
    path = write(tmp_path / "f.parquet", pd.DataFrame(columns))
    batch = FileSource(
        path=path, timestamp_field="event_timestamp",
        field_mapping={"val": "value", "at": "event_timestamp"},
    )  # fmt: skip
    stats = FeatureView(
        name="stats",
        entities=[DRIVER],
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="value", dtype=Float64),
            Field(name="raw", dtype=Bytes),
        ],
        source=PushSource(name="events", batch_source=batch),
    )
    folder = tmp_path / "repo"
    store(folder).apply([DRIVER, stats])
    (folder / "feature_store.yaml").write_text(PLAIN)
    appender = Appender(folder, Settings(home=home))
    by_feature = {"driver_id": [2], "event_timestamp": ["2024-06-01T13:00:00+01:00"]}
    group = [
        Push(by_feature | {"value": ["NaN"], "raw": ["AP8="]}, "x"),
        Push({"driver_id": [3], "at": ["2024-06-01"], "val": [None], "raw": [None]}),
    ]
    assert appender.append("events", group) == [None, None]
    assert appender.append("events", group[:1]) == [None]
    table = pq.read_table(path)
    assert table["driver_id"].to_pylist() == [1, 2, 3]
    assert table["raw"].to_pylist() == [b"\x00", b"\x00\xff", None]
    assert [str(value) for value in table["val"].to_pylist()] == ["1.5", "nan", "None"]
    assert table["at"].to_pylist()[1] == NOON.replace(tzinfo=None)
    with pytest.raises(NotFound):
        appender.append("event", group)
