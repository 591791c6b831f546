"""Applying a repository: all problems at once, the plan, the steps, and healing after a crash."""

import re
from pathlib import Path

import pytest
from feast import FeatureStore
from feast.errors import FeatureViewNotFoundException

from provender.catalog.local import LocalCatalog
from provender.core.errors import Denied, InvalidInput, Misconfigured, NotFound, Problems
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import Action
from provender.feast_plugin.changes import Verb
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.repo import apply, read_repo, status
from provender.online.store import OnlineStore
from provender.settings import Settings
from provender.transforms import load_transform
from tests.feast_plugin import governed
from tests.feast_plugin.governed import DEFINITIONS, SAM, TRANSFORMS, TRIPS, repository


def registered(repo: Path, settings: Settings) -> set[str]:
    with open_store(repo, settings) as store:
        return {view.name for view in store.list_all_feature_views()}


def test_definitions_are_read_as_they_are_written(repo: Path, settings: Settings) -> None:
    spec = read_repo(repo, settings)
    assert spec.project == "trips"
    [view] = spec.views
    assert (view.name, view.entities, view.owner) == ("trips", ("driver",), "team:models")
    assert [(key.name, key.type) for key in view.join_keys] == [("driver_id", "int64")]
    assert [(f.name, f.type) for f in view.features] == [("rating", "float64"), ("value", "int64")]
    assert view.dataset == TRIPS
    assert (view.event_timestamp, view.created_timestamp) == (
        "event_timestamp",
        "created_timestamp",
    )
    assert view.ttl is not None
    assert view.ttl.days == 2
    assert view.push_sources == ("arrivals",)
    assert view.tags == ("quality.gold",)
    [service] = spec.services
    assert [str(ref) for ref in service.features] == [
        "trips:value",
        "trips:rating",
        "scaled:scaled_value",
    ]
    [computed] = spec.on_demand
    assert (computed.module, computed.function) == ("transforms", "scale")
    assert computed.inputs == (FeatureRef("trips", "value"),)
    assert load_transform(computed, repo)({"value": [2, None], "factor": [1.5, 1.0]}) == {
        "scaled_value": [3.0, None]
    }


def test_reading_twice_gives_the_same_digest_and_sees_edits(repo: Path, settings: Settings) -> None:
    before = read_repo(repo, settings)
    assert read_repo(repo, settings).digest == before.digest
    text = (repo / "definitions.py").read_text().replace("days=2", "days=30")
    (repo / "definitions.py").write_text(text)
    assert read_repo(repo, settings).view("trips").ttl != before.view("trips").ttl


def test_two_repositories_with_files_of_one_name_do_not_mix(
    repo: Path, settings: Settings, tmp_path: Path
) -> None:
    other = repository(
        tmp_path / "other", definitions=DEFINITIONS.replace("service_v1", "service_v2")
    )
    assert read_repo(repo, settings).services[0].name == "service_v1"
    assert read_repo(other, settings).services[0].name == "service_v2"
    assert read_repo(repo, settings).services[0].name == "service_v1"


def test_a_dry_run_changes_nothing(repo: Path, settings: Settings, catalog: LocalCatalog) -> None:
    planned = apply(repo, catalog, None, settings=settings, dry_run=True)
    assert [str(change) for change in planned.changed] == [
        "add entity driver",
        "add feature view trips",
        "add on-demand view scaled",
        "add feature service service_v1",
    ]
    with pytest.raises(NotFound):
        catalog.repo("trips")
    assert registered(repo, settings) == set()


def test_applying_records_registers_and_publishes(
    repo: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    applied = apply(repo, catalog, online, settings=settings)
    assert catalog.repo("trips").digest == applied.repo.digest
    assert catalog.records.serving_manifest("trips").digest == applied.manifest.digest
    published = online.manifest("trips")
    assert published is not None
    assert published.digest == applied.manifest.digest
    assert published.closed == {}
    assert registered(repo, settings) == {"trips", "scaled"}
    assert status(repo, catalog, online, settings=settings).agrees
    assert capsys.readouterr().out == ""


def test_applying_again_changes_nothing(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    first = apply(repo, catalog, online, settings=settings)
    again = apply(repo, catalog, online, settings=settings)
    assert again.changed == ()
    assert again.repo.digest == first.repo.digest
    assert again.manifest.digest == first.manifest.digest


def test_a_change_says_what_differs_and_a_removal_takes_the_rows_along(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    second = DEFINITIONS + (
        "\nextra = FeatureView(name='extra', entities=[driver], schema=[Field(name='value', dtype=Int64)],"
        " source=trips_source, owner='team:models')\n"
    )
    repository(repo, definitions=second)
    apply(repo, catalog, online, settings=settings)
    sam = settings.model_copy(update={"actor": SAM})
    with open_store(repo, sam) as store:
        frame = governed.VERSION_1.slice(0, 1).to_pandas()
        for name in ("trips", "extra"):
            store.write_to_online_store(name, frame)
    assert (online.count("trips", "trips"), online.count("trips", "extra")) == (1, 1)
    repository(repo, definitions=DEFINITIONS.replace("days=2", "days=3"))
    applied = apply(repo, catalog, online, settings=settings)
    assert [str(change) for change in applied.changed] == [
        "remove feature view extra",
        "change feature view trips (ttl)",
    ]
    assert registered(repo, settings) == {"trips", "scaled"}
    assert (online.count("trips", "trips"), online.count("trips", "extra")) == (1, 0)


def test_what_another_repository_put_into_the_registry_stays(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore, tmp_path: Path
) -> None:
    apply(repo, catalog, online, settings=settings)
    with open_store(repo, settings) as store:
        foreign = store.get_feature_view("trips")
        foreign.name = foreign.projection.name = "foreign"
        store.apply([foreign])
    apply(repo, catalog, online, settings=settings)
    assert registered(repo, settings) == {"trips", "scaled", "foreign"}


def test_all_problems_are_told_at_once_and_nothing_is_done(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    wrong = DEFINITIONS.replace('tags={"tags": "quality.gold"', 'tags={"tags": "quality.golden"')
    wrong = wrong.replace('name="value", dtype=Int64', 'name="value", dtype=String')
    wrong = wrong.replace('name="rating"', 'name="ratings"')
    wrong += """
lost = FeatureView(
    name="lost", entities=[driver], schema=[Field(name="value", dtype=Int64)],
    source=CatalogSource(dataset="shop.trip", timestamp_field="event_timestamp"),
)
from feast import LabelView
alias = FeatureService(name="alias", features=[trips.with_name("other").with_join_key_map({"driver": "taxi"})], owner="team:models")
"""
    repository(repo, definitions=wrong)
    with pytest.raises(Problems) as caught:
        apply(repo, catalog, online, settings=settings)
    said = "\n".join(caught.value.problems)
    for expected in (
        r"feature view trips: tag 'quality.golden' is not in the taxonomy \(did you mean quality.gold\?\)",
        r"feature view trips: column 'value' is int64 in the dataset but declared string",
        r"feature view trips: column 'ratings' is not in the dataset \(did you mean rating\?\)",
        r"feature view lost: has no owner",
        r"feature view lost: dataset shop.trip has no published version \(did you mean shop.trips\?\)",
        r"feature service alias: feature view trips has no join key 'driver' to rename \(did you mean driver_id\?\)",
    ):
        assert re.search(expected, said), (expected, said)
    with pytest.raises(NotFound):
        catalog.repo("trips")
    assert online.manifest("trips") is None


@pytest.mark.parametrize(
    ("definitions", "transforms", "said"),
    [
        (DEFINITIONS.replace('mode="python"', 'mode="pandas"'), TRANSFORMS, "pandas mode"),
        (
            DEFINITIONS.replace("transforms.scale", "lambda inputs: inputs"),
            TRANSFORMS,
            "not a plain function",
        ),
        (DEFINITIONS, "import feast\n" + TRANSFORMS, "imports Feast"),
        (
            DEFINITIONS,
            "def twice(f):\n    return f\n\n\n@twice\n" + TRANSFORMS.lstrip(),
            "decorated",
        ),
        (DEFINITIONS.replace("transforms.scale", "transforms.gone"), TRANSFORMS, "gone"),
        (
            DEFINITIONS + "\n1 / 0\n",
            TRANSFORMS,
            r"definitions\.py:\d+ cannot be imported: ZeroDivisionError",
        ),
        (DEFINITIONS.replace("shop.trips", "Shop Trips"), TRANSFORMS, "is not a dataset name"),
    ],
)
def test_what_cannot_be_served_or_imported_is_said(
    repo: Path, settings: Settings, definitions: str, transforms: str, said: str
) -> None:
    repository(repo, definitions=definitions, transforms=transforms)
    with pytest.raises(InvalidInput, match=said):
        read_repo(repo, settings)


def test_a_relative_path_is_of_the_current_folder(
    repo: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.parent)
    assert read_repo(Path(repo.name), settings).digest == read_repo(repo, settings).digest


def test_a_repository_that_defines_nothing_is_refused_and_removes_nothing(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    apply(repo, catalog, online, settings=settings)
    repository(repo, definitions="")
    with pytest.raises(Problems, match="no file defines a feature view"):
        apply(repo, catalog, online, settings=settings)
    assert registered(repo, settings) == {"trips", "scaled"}


def test_a_missing_or_unusable_repository_is_said(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(NotFound, match=r"no feature_store\.yaml"):
        read_repo(tmp_path / "nowhere", settings)
    broken = repository(tmp_path / "broken", configuration="project: [")
    with pytest.raises(Misconfigured, match="cannot be used"):
        read_repo(broken, settings)
    unknown = governed.CONFIGURATION.replace("purpose: research", "porpoise: research")
    with pytest.raises(Misconfigured, match="porpoise"):
        read_repo(repository(tmp_path / "unknown", configuration=unknown), settings)


@pytest.mark.parametrize("step", ["registry", "record", "publish"])
def test_applying_again_heals_what_a_crash_left(
    repo: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    apply(repo, catalog, online, settings=settings)
    repository(repo, definitions=DEFINITIONS.replace("service_v1", "service_v2"))

    class Crash(Exception):
        pass

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        if step == "registry":
            patch.setattr(FeatureStore, "refresh_registry", crash)
        elif step == "publish":
            patch.setattr(OnlineStore, "publish_manifest", crash)
        else:
            patch.setattr(LocalCatalog, "record", crash)
        with pytest.raises(Crash):
            apply(repo, catalog, online, settings=settings)
    assert not status(repo, catalog, online, settings=settings).agrees
    apply(repo, catalog, online, settings=settings)
    assert status(repo, catalog, online, settings=settings).differences == ()
    with open_store(repo, settings) as store:
        assert [s.name for s in store.list_feature_services()] == ["service_v2"]


def test_status_tells_what_is_not_applied_and_what_is_not_told_to_servers(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    before = status(repo, catalog, online, settings=settings)
    assert before.recorded == before.published == ""
    assert "not applied yet: add feature view trips" in before.differences
    apply(repo, catalog, online, settings=settings)
    online.delete("trips")
    assert "no serving manifest" in status(repo, catalog, online, settings=settings).differences[0]
    apply(repo, catalog, online, settings=settings)
    with open_store(repo, settings) as store:
        store.delete_feature_service("service_v1")
    [difference] = status(repo, catalog, online, settings=settings).differences
    assert difference.startswith(
        "feature service service_v1 is recorded but not in Feast's registry"
    )


def test_features_that_may_not_be_served_are_closed_and_so_is_what_is_computed_from_them(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    leaking = DEFINITIONS.replace(
        'Field(name="rating", dtype=Float64)', 'Field(name="home_address", dtype=String)'
    ).replace('trips[["value"]]', 'trips[["value", "home_address"]]')
    repository(repo, definitions=leaking)
    applied = apply(repo, catalog, online, settings=settings)
    assert set(applied.manifest.closed) == {"trips:home_address", "scaled:scaled_value"}
    assert "tagged personal.address" in applied.manifest.closed["trips:home_address"]
    assert "computed from trips:home_address" in applied.manifest.closed["scaled:scaled_value"]
    with governed.speaking_as(settings, SAM) as steward:
        until = applied.manifest.compiled_at.replace(year=2100)
        steward.records.grant(
            TRIPS,
            grantee="service:online",
            action=Action.SERVE,
            columns=("home_address",),
            purposes=("serving",),
            until=until,
            reason="test",
        )
    [difference] = status(repo, catalog, online, settings=settings).differences
    assert "policy has changed" in difference
    manifest = apply(repo, catalog, online, settings=settings).manifest
    assert manifest.closed == {}
    assert manifest.open_until == {"trips:home_address": until, "scaled:scaled_value": until}


def test_who_may_not_define_changes_nothing_not_even_feasts_registry(
    repo: Path, settings: Settings, online: OnlineStore
) -> None:
    with governed.speaking_as(settings, governed.MAX) as catalog:
        for dry_run in (True, False):
            with pytest.raises(Denied, match=r"person:max may not define shop\.trips"):
                apply(repo, catalog, online, settings=settings, dry_run=dry_run)
        assert catalog.records.projects() == []
    assert registered(repo, settings) == set()
    assert online.manifest("trips") is None


def test_status_is_for_everybody_who_may_see_the_definitions(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    apply(repo, catalog, online, settings=settings)
    with governed.speaking_as(settings, governed.MAX) as other:
        assert status(repo, other, online, settings=settings).differences == ()


def test_a_view_without_a_schema_gets_the_columns_of_its_dataset(
    repo: Path, settings: Settings
) -> None:
    bare = DEFINITIONS.replace(
        'schema=[Field(name="value", dtype=Int64), Field(name="rating", dtype=Float64)],', ""
    ).replace('sources=[trips[["value"]], wanted]', "sources=[wanted]")
    repository(repo, definitions=bare)
    view = read_repo(repo, settings).view("trips")
    assert [(f.name, f.type) for f in view.features] == [
        ("home_address", "string"),
        ("rating", "float64"),
        ("value", "int64"),
    ]


def test_verbs_are_words() -> None:
    assert [str(verb) for verb in Verb] == ["add", "change", "remove", "keep"]


def test_the_registry_does_not_know_what_was_never_applied(repo: Path, settings: Settings) -> None:
    with open_store(repo, settings) as store, pytest.raises(FeatureViewNotFoundException):
        store.get_feature_view("trips")


def test_a_pinned_version_is_checked_against_its_own_schema(
    repo: Path, settings: Settings, catalog: LocalCatalog
) -> None:
    repository(repo, definitions=DEFINITIONS.replace('"shop.trips"', '"shop.trips@1"'))
    planned = apply(repo, catalog, None, settings=settings, dry_run=True)
    assert planned.repo.view("trips").dataset == DatasetRef("shop", "trips", 1)
    repository(repo, definitions=DEFINITIONS.replace('"shop.trips"', '"shop.trips@9"'))
    with pytest.raises(Problems, match="9"):
        apply(repo, catalog, None, settings=settings, dry_run=True)
