"""The governed walk through Feast's own calls: read at a version, be refused, publish, serve, push."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.clock import utc_now
from provender.core.errors import Conflict, Denied, InvalidInput, NotFound
from provender.core.names import FeatureRef
from provender.core.policy import Action, ColumnRef
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize, push
from provender.online.lookup import Lookup, compile_plan
from provender.online.store import OnlineStore
from provender.settings import Settings
from provender.transforms import load_transform
from tests.catalog.world import versions_of
from tests.feast_plugin import governed
from tests.feast_plugin.governed import CONFIGURATION, MAX, SAM, TRIPS, repository
from tests.feast_plugin.plain import HOUR, NOON, view

SPINE = pd.DataFrame(
    {"driver_id": [1, 2, 3, 4], "event_timestamp": [NOON + HOUR] * 4, "factor": [2.0] * 4}
)


@pytest.fixture
def feast_store(applied: Path, home: Path) -> FeatureStore:
    assert home.exists()
    return FeatureStore(repo_path=str(applied))


def reconfigured(folder: Path, **options: str) -> FeatureStore:
    lines = "".join(f"\n  {name}: {value}" for name, value in options.items())
    text = CONFIGURATION.replace("\n  purpose: research", lines)
    (folder / "feature_store.yaml").write_text(text)
    return FeatureStore(repo_path=str(folder))


def speak_as(monkeypatch: pytest.MonkeyPatch, actor: str) -> None:
    monkeypatch.setenv("PROVENDER_ACTOR", actor)
    bootstrap.settings.cache_clear()


def values(store: FeatureStore, feature: str = "trips:value") -> list[int | None]:
    column = feature.partition(":")[2]
    answer = store.get_historical_features(SPINE, features=[feature]).to_arrow()
    return answer.column(column).to_pylist()


def test_the_latest_version_is_read_unless_another_is_pinned(
    feast_store: FeatureStore, applied: Path
) -> None:
    assert values(feast_store) == [11, None, 2**53 + 1, None]
    pinned = reconfigured(applied, purpose="research", pins="{shop.trips: 1}")
    assert values(pinned) == [10, 20, None, None]
    gone = reconfigured(applied, purpose="research", pins="{shop.trips: 7}")
    with pytest.raises(NotFound, match="7"):
        values(gone)


def test_a_source_can_name_its_version_and_a_pin_is_stronger(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    repository(repo, definitions=governed.DEFINITIONS.replace('"shop.trips"', '"shop.trips@1"'))
    apply(repo, catalog, online, settings=settings)
    assert values(FeatureStore(repo_path=str(repo))) == [10, 20, None, None]
    pinned = reconfigured(repo, purpose="research", pins="{shop.trips: 2}")
    assert values(pinned) == [11, None, 2**53 + 1, None]


def test_versions_are_read_as_of_an_instant(
    feast_store: FeatureStore, applied: Path, catalog: LocalCatalog
) -> None:
    first, _ = versions_of(catalog, TRIPS)
    then = reconfigured(applied, purpose="research", as_of=first.published_at.isoformat())
    assert values(then) == [10, 20, None, None]
    before = first.published_at - timedelta(days=1)
    with pytest.raises(NotFound):
        values(reconfigured(applied, purpose="research", as_of=before.isoformat()))


def test_a_job_keeps_its_version_when_another_is_published(
    feast_store: FeatureStore, settings: Settings
) -> None:
    job = feast_store.get_historical_features(SPINE, features=["trips:value"])
    governed.publish(settings, governed.rows((1, 0, 77), (2, 0, 77), (3, 0, 77)))
    assert job.to_arrow().column("value").to_pylist() == [11, None, 2**53 + 1, None]
    assert values(feast_store) == [77, 77, 77, None]


def test_on_demand_features_are_computed_in_training_and_lookup_alike(
    feast_store: FeatureStore, applied: Path, settings: Settings, online: OnlineStore
) -> None:
    training = feast_store.get_historical_features(
        SPINE, features=feast_store.get_feature_service("service_v1")
    ).to_df()
    assert training["scaled_value"].tolist()[0] == 22.0
    assert pd.isna(training["scaled_value"][1])
    list(materialize(applied, settings=settings))
    manifest = online.manifest("trips")
    assert manifest is not None
    service = manifest.service("service_v1")
    transforms = {spec.name: load_transform(spec, applied) for spec in manifest.on_demand}
    plan = compile_plan(manifest, service.features, transforms=transforms)
    asked = {"driver_id": [1, 2], "factor": [2.0, 2.0]}
    found = Lookup(online, plan).columns(asked, now=NOON + 2 * HOUR).to_dict()
    assert (found["value"], found["scaled_value"]) == ([11, None], [22.0, None])


def test_reading_for_no_purpose_or_without_a_rule_is_refused_and_written_down(
    feast_store: FeatureStore,
    applied: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = reconfigured(applied, purpose="fun").get_historical_features(
        SPINE, features=["trips:value"]
    )
    with pytest.raises(Denied, match=r"may not read shop\.trips\.") as caught:
        job.to_df()
    (fact,) = caught.value.facts
    assert fact.columns == ("created_timestamp", "driver_id", "event_timestamp", "value")
    assert f"{SAM} or team:trips can grant it" in str(caught.value)
    speak_as(monkeypatch, MAX)
    with pytest.raises(Denied, match="person:max"):
        values(FeatureStore(repo_path=str(applied)))
    with governed.speaking_as(settings, SAM) as steward:
        denials = steward.records.audit_events(kind=EventKind.ACCESS_DENY)
        assert {event.actor for event in denials} == {"person:ana", MAX}
        steward.records.grant(
            TRIPS, grantee=MAX, columns=fact.columns, purposes=("fun",), reason="asked"
        )
    assert values(FeatureStore(repo_path=str(applied))) == [11, None, 2**53 + 1, None]


def test_the_store_can_be_told_who_asks(feast_store: FeatureStore, applied: Path) -> None:
    with pytest.raises(Denied, match="person:max"):
        values(reconfigured(applied, purpose="research", actor=MAX))


def test_a_protected_column_is_refused_though_its_dataset_may_be_read(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    leaking = governed.DEFINITIONS.replace(
        'Field(name="rating", dtype=Float64)', 'Field(name="home_address", dtype=String)'
    )
    repository(repo, definitions=leaking)
    apply(repo, catalog, online, settings=settings)
    store = FeatureStore(repo_path=str(repo))
    assert values(store)[0] == 11
    with pytest.raises(Denied, match=r"home_address \(tagged personal\.address"):
        values(store, "trips:home_address")
    with pytest.raises(Denied, match="may not serve"):
        list(materialize(repo, settings=settings))
    assert online.count("trips") == 0


def test_a_file_source_cannot_reach_into_the_lake(
    feast_store: FeatureStore, settings: Settings, tmp_path: Path
) -> None:
    file = next(settings.lake.rglob("*.parquet"))
    link = tmp_path / "innocent.parquet"
    link.symlink_to(file)
    for path in (file, file.parent, link, settings.lake / "shop" / ".." / "shop"):
        bypass = view(str(path), name="bypass")
        with pytest.raises(Denied, match="inside the lake"):
            feast_store.provider.offline_store.get_historical_features(
                feast_store.config, [bypass], ["bypass:value"], SPINE, feast_store.registry, "trips"
            )
    job = feast_store.get_historical_features(SPINE, features=["trips:value"])
    with pytest.raises(Denied, match="inside the lake"):
        job.to_parquet(file, allow_overwrite=True)


def test_materialising_goes_on_where_it_ended(
    applied: Path, settings: Settings, online: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = settings.model_copy(update={"clock": NOON})
    [first] = materialize(applied, settings=early)
    assert (first.view, first.start.year, first.end) == ("trips", 1970, NOON)
    assert (first.read, first.written) == (0, 0)
    governed.publish(settings, pa.concat_tables([governed.VERSION_1, governed.VERSION_2]))
    [second] = materialize(applied, settings=settings, end=NOON + HOUR)
    assert (second.start.year, second.end) == (1970, NOON + HOUR)  # another version
    assert (second.read, second.written, second.skipped) == (4, 3, 1)
    assert str(second.source) == "shop.trips@3"
    [third] = materialize(applied, settings=settings, end=NOON + 2 * HOUR)
    assert (third.start, third.read) == (NOON + HOUR, 3)
    [again] = materialize(applied, settings=settings, start=NOON, end=NOON + HOUR)
    assert (again.written, again.kept) == (3, 0)
    assert online.count("trips", "trips") == 3
    future = utc_now() + timedelta(days=900)
    [fourth] = materialize(applied, settings=settings, end=future, views=["trips"])
    assert fourth.end <= utc_now()


def test_what_cannot_be_materialised_is_said(applied: Path, settings: Settings) -> None:
    with pytest.raises(NotFound, match="did you mean trips"):
        list(materialize(applied, settings=settings, views=["trip"]))
    with pytest.raises(InvalidInput, match="after its end"):
        list(materialize(applied, settings=settings, start=NOON, end=NOON - HOUR))


def test_rows_are_pushed_online(applied: Path, settings: Settings, online: OnlineStore) -> None:
    list(materialize(applied, settings=settings))
    sam = settings.model_copy(update={"actor": SAM})
    late = governed.rows((1, 5, 2**53 + 1), (2, 5, None), (None, 5, 1))
    done = push(applied, "arrivals", late, settings=sam)
    assert (done.read, done.written, done.kept, done.skipped) == (3, 2, 0, 1)
    older = push(applied, "arrivals", governed.rows((1, 2, 5)).to_pandas(), settings=sam)
    assert (older.written, older.kept) == (0, 1)
    manifest = online.manifest("trips")
    assert manifest is not None
    plan = compile_plan(manifest, [FeatureRef("trips", "value")])
    found = Lookup(online, plan).columns({"driver_id": [1, 2]}, now=NOON + 6 * HOUR)
    assert found.to_dict()["value"] == [2**53 + 1, None]


def test_pushes_that_do_not_fit_are_refused(applied: Path, settings: Settings) -> None:
    settings = settings.model_copy(update={"actor": SAM})
    rows = governed.rows((1, 5, 6))
    with pytest.raises(NotFound, match="did you mean arrivals"):
        push(applied, "arrival", rows, settings=settings)
    with pytest.raises(InvalidInput, match="value"):
        push(applied, "arrivals", rows.drop_columns(["value"]), settings=settings)
    text = rows.set_column(3, "value", pa.array(["six"]))
    with pytest.raises(InvalidInput, match="value"):
        push(applied, "arrivals", text, settings=settings)


def test_rows_from_after_now_are_not_pushed(applied: Path, settings: Settings) -> None:
    """They would hide the rows that are there until their time has come."""
    list(materialize(applied, settings=settings))
    sam = settings.model_copy(update={"actor": SAM})
    hours = (utc_now() - NOON) // HOUR + 2  # clocks may be a minute apart
    for future in (governed.rows((1, 0, 7), (2, hours, 8)), governed.rows((1, 2 * hours, 9))):
        with pytest.raises(InvalidInput, match="a row of feature view trips is from"):
            push(applied, "arrivals", future, settings=sam)
    store = FeatureStore(repo_path=str(applied))
    rows = governed.rows((1, hours, 7)).to_pandas()
    with collaborators.using(sam), pytest.raises(InvalidInput, match="view trips is from"):
        store.push("arrivals", rows)


def test_rows_created_after_now_are_not_pushed(applied: Path, settings: Settings) -> None:
    """No correction of the same event would ever replace them."""
    sam = settings.model_copy(update={"actor": SAM})
    later = pa.array([utc_now() + HOUR], pa.timestamp("us", "UTC"))
    rows = governed.rows((1, 0, 7))
    rows = rows.set_column(rows.column_names.index("created_timestamp"), "created_timestamp", later)
    with pytest.raises(InvalidInput, match="a row of feature view trips was created at"):
        push(applied, "arrivals", rows, settings=sam)
    store = FeatureStore(repo_path=str(applied))
    with collaborators.using(sam), pytest.raises(InvalidInput, match="trips was created at"):
        store.push("arrivals", rows.to_pandas())


def test_rows_pushed_offline_make_a_new_version(
    applied: Path, settings: Settings, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = governed.rows((4, 1, 44))
    with pytest.raises(Denied, match="publish"):
        push(applied, "arrivals", rows, settings=settings, to="offline")
    assert catalog.resolve(TRIPS).number == 2
    sam = settings.model_copy(update={"actor": SAM})
    push(applied, "arrivals", rows, settings=sam, to="offline")
    version = catalog.resolve(TRIPS)
    assert (version.number, version.manifest.row_count, version.published_by) == (3, 4, SAM)
    assert version.manifest.inputs == (TRIPS.at(2),)
    assert values(FeatureStore(repo_path=str(applied))) == [11, None, 2**53 + 1, 44]


def test_feast_refuses_definitions_that_it_does_not_accept(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            FeatureStore, "apply", lambda *_, **__: (_ for _ in ()).throw(ValueError("no"))
        )
        with pytest.raises(Conflict, match="Feast does not accept"):
            apply(repo, catalog, online, settings=settings)
    with pytest.raises(NotFound):
        catalog.repo("trips")


def test_feasts_own_lookup_gives_what_the_servers_gives(
    applied: Path, settings: Settings, online: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(materialize(applied, settings=settings))
    monkeypatch.setenv("PROVENDER_CLOCK", (NOON + 2 * HOUR).isoformat())
    bootstrap.settings.cache_clear()
    drivers = [1, 2, 3, 9]
    with open_store(applied, bootstrap.settings()) as store:
        feast = store.get_online_features(
            ["trips:value", "trips:rating"], [{"driver_id": driver} for driver in drivers]
        ).to_dict()
    manifest = online.manifest("trips")
    assert manifest is not None
    plan = compile_plan(manifest, [FeatureRef("trips", name) for name in ("value", "rating")])
    ours = Lookup(online, plan).columns({"driver_id": drivers}, now=NOON + 2 * HOUR).to_dict()
    assert feast == ours
    assert ours["value"] == [11, None, 2**53 + 1, None]


def test_the_permit_is_of_the_columns_that_are_read(
    feast_store: FeatureStore, catalog: LocalCatalog
) -> None:
    values(feast_store)
    decision = catalog.records.decide(
        Action.READ, [ColumnRef("shop.trips", "value")], purpose="research"
    )
    assert decision.allowed
