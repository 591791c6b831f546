"""From segments to versions of a dataset: whole, once, and as protected as what was logged."""

from dataclasses import replace
from pathlib import Path

import pytest

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.errors import Conflict, Denied
from provender.core.features import FieldSpec
from provender.core.lineage import Edge, Node, NodeKind
from provender.core.lookuplog import LoggedFeature
from provender.core.names import FeatureRef
from provender.online.spool import SpoolFolder
from provender.sdk import connect
from provender.sdk.lookuplog import declaration, ship
from provender.settings import Settings
from tests.catalog.world import versions_of
from tests.lookuplog import world
from tests.lookuplog.world import MIXED_SHAPE, NOON, TOTALS, record, spooled, totals

LOG = "serving_log.shop__totals"


def read(settings: Settings, name: str = LOG) -> list[dict[str, object]]:
    with connect(settings=settings, purpose="skew") as workspace:
        return list(workspace.read(name).to_pylist())


def requests(settings: Settings) -> list[object]:
    """Return the ids of requests by row, sorted; each request has two."""
    return sorted(str(row["__request_id"]) for row in read(settings))


def test_each_entity_of_each_lookup_becomes_a_row_in_feasts_columns(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(settings, TOTALS, [record("r1", [["a", "b"]], [[1.5, None]])])
    [shipment] = ship(catalog, settings, "shop")
    assert (shipment.rows, shipment.versions, shipment.problem) == (2, (f"{LOG}@1",), "")
    first, second = read(settings)
    assert first == {
        "shop": "a",
        "orders__total": 1.5,
        "orders__total__timestamp": NOON.replace(hour=11),
        "orders__total__status": 1,
        "__log_timestamp": NOON,
        "__log_date": NOON.date(),
        "__request_id": "r1",
        "__row": 0,
        "__manifest": "sha256:1",
    }
    assert (second["orders__total"], second["orders__total__status"], second["__row"]) == (
        None,
        2,
        1,
    )
    assert SpoolFolder(settings.home, "shop").waiting("totals") == (0, 0)


def test_what_comes_later_is_appended_and_nothing_twice(
    settings: Settings, catalog: LocalCatalog
) -> None:
    for names in (("r1", "r2"), ("r3",)):
        spooled(settings, TOTALS, totals(*names))
        ship(catalog, settings, "shop")
        ship(catalog, settings, "shop")
    assert requests(settings) == ["r1", "r1", "r2", "r2", "r3", "r3"]
    assert [version.number for version in versions_of(catalog, world.log_of(world.PLAIN).ref)] == [
        1,
        2,
    ]


def test_the_service_and_the_manifest_are_where_a_log_comes_from(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(settings, TOTALS, totals("r1"))
    ship(catalog, settings, "shop")
    version = catalog.resolve(world.log_of(world.PLAIN).ref)
    assert version.manifest.producer == "feature-service:shop/totals"
    assert "served by sha256:1" in version.note
    made = Node(NodeKind.DATASET, f"{LOG}@1")
    service = Node(NodeKind.SERVICE, "shop/totals")
    assert Edge(service, made) in list(catalog.finder.lineage(made).edges)
    assert Edge(service, made) in list(
        catalog.finder.lineage(Node(NodeKind.DATASET, "shop.orders")).edges
    )


def test_a_log_of_restricted_features_is_as_restricted(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(
        settings,
        MIXED_SHAPE,
        [record("r1", [[1], ["a"], [1], [9]], [[70], ["Bonn"], [2.5], [True]])],
    )
    [shipment] = ship(catalog, settings, "shop")
    assert not shipment.problem
    as_max = settings.model_copy(update={"actor": "person:max"})
    with connect(settings=as_max, purpose="skew") as workspace:
        [row] = workspace.read(shipment.dataset, ["buyer__city", "orders__total"]).to_pylist()
        assert row == {"buyer__city": "Bonn", "orders__total": 2.5}
        for column in (
            "buyer__age",
            "buyer__age__status",
            "buyer_id",
            "person",
            "senior__is_senior",
        ):
            with pytest.raises(Denied, match=r"tagged personal\."):
                workspace.read(shipment.dataset, [column])


def test_a_log_declared_without_the_tags_it_inherits_is_kept_back_until_it_has_them(
    settings: Settings, catalog: LocalCatalog
) -> None:
    whole = world.log_of(world.MIXED)
    catalog.desk.apply(world.governance(replace(whole, column_tags={})))
    line = record("r1", [[1], ["a"], [1], [9]], [[70], ["Bonn"], [2.5], [True]])
    spooled(settings, MIXED_SHAPE, [line])
    spooled(settings, TOTALS, totals("r1"))
    mixed, plain = ship(catalog, settings, "shop")
    assert "buyer__age: personal.age" in mixed.problem
    assert "online log declare mixed --write" in mixed.hint
    assert "not declared" in plain.problem
    assert set(SpoolFolder(settings.home, "shop").told()) == {"mixed", "totals"}
    assert declaration(catalog, "shop", "mixed") == whole
    catalog.desk.apply(world.governance(whole, declaration(catalog, "shop", "totals")))
    assert [one.rows for one in ship(catalog, settings, "shop")] == [1, 2]
    assert SpoolFolder(settings.home, "shop").told() == {}


def test_who_may_not_publish_the_log_does_not_and_loses_nothing(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(settings, TOTALS, totals("r1"))
    as_max = settings.model_copy(update={"actor": "person:max"})
    with bootstrap.catalog(as_max) as other:
        [shipment] = ship(other, as_max, "shop")
    assert "person:max may not publish" in shipment.problem
    assert [one.rows for one in ship(catalog, settings, "shop")] == [2]


def test_a_service_that_gets_a_feature_widens_its_log(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(settings, TOTALS, totals("r1"))
    ship(catalog, settings, "shop")
    more = LoggedFeature(view="people", feature="city", type="string")
    wider = replace(
        TOTALS,
        manifest="sha256:2",
        given=(*TOTALS.given, FieldSpec(name="person", type="int64")),
        features=(more, *TOTALS.features),
    )
    refs = (FeatureRef("people", "city"), FeatureRef("orders", "total"))
    plain = replace(world.PLAIN, features=refs)
    catalog.record(replace(world.REPO, services=(plain, world.MIXED)))
    catalog.desk.apply(
        world.governance(declaration(catalog, "shop", "totals"), world.log_of(world.MIXED))
    )
    spooled(settings, wider, [record("r2", [["a"], [7]], [["Bonn"], [3.0]])])
    spooled(settings, TOTALS, totals("r3"))  # from a worker that has not swapped yet
    [shipment] = ship(catalog, settings, "shop")
    assert (shipment.rows, shipment.problem) == (3, "")
    found = {(row["__request_id"], row["__row"]): row for row in read(settings)}
    assert len(found) == 5
    assert found["r2", 0]["people__city"] == "Bonn"
    assert found["r1", 0]["people__city"] is None
    assert found["r1", 0]["orders__total"] == found["r3", 0]["orders__total"] == 2.0


def test_what_cannot_be_published_yet_keeps_nothing_back_that_can(
    settings: Settings, catalog: LocalCatalog
) -> None:
    """The declaration tags columns that come with the next definition of the service only."""
    without = replace(MIXED_SHAPE, features=MIXED_SHAPE.features[1:])
    spooled(settings, without, [record("old", [[1], ["a"], [1], [9]], [["Bonn"], [2.5], [True]])])
    [refused] = ship(catalog, settings, "shop")
    assert "has tags on column 'buyer__age'" in refused.problem
    whole = record("new", [[1], ["a"], [1], [9]], [[70], ["Bonn"], [2.5], [True]])
    spooled(settings, MIXED_SHAPE, [whole])
    assert sum(ship(catalog, settings, "shop")[0].rows for _ in range(2)) == 2
    found = {row["__request_id"]: row["buyer__age"] for row in read(settings, refused.dataset)}
    assert found == {"old": None, "new": 70}


def test_a_feature_of_another_type_is_kept_back_and_told(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(settings, TOTALS, totals("r1"))
    ship(catalog, settings, "shop")
    [total] = TOTALS.features
    spooled(
        settings,
        replace(TOTALS, features=(replace(total, type="string"),)),
        [record("r2", [["a"]], [["x"]])],
    )
    [shipment] = ship(catalog, settings, "shop")
    assert "another type" in shipment.problem
    assert SpoolFolder(settings.home, "shop").waiting("totals")[0] == 1
    assert requests(settings) == ["r1", "r1"]


def test_what_a_server_drops_meanwhile_keeps_nothing_back(
    settings: Settings, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names in (("r1",), ("r2", "r3")):
        spooled(settings, TOTALS, totals(*names))
    listed = SpoolFolder.segments

    def late(spool: SpoolFolder, service: str) -> list[Path]:
        """List, then see the oldest go before it could be moved: who drops takes no lock for it."""
        found = listed(spool, service)
        monkeypatch.undo()
        assert spool.drop_oldest(spool.size_bytes() - 1) in (1, 2)
        return found

    monkeypatch.setattr(SpoolFolder, "segments", late)
    [shipment] = ship(catalog, settings, "shop")
    assert (shipment.problem, shipment.rows) in {("", 2), ("", 4)}
    assert SpoolFolder(settings.home, "shop").waiting("totals") == (0, 0)


def test_a_spool_that_cannot_be_read_is_the_problem_of_its_service_alone(
    settings: Settings, catalog: LocalCatalog
) -> None:
    whole = record("r1", [[1], ["a"], [1], [9]], [[70], ["Bonn"], [2.5], [True]])
    spooled(settings, MIXED_SHAPE, [whole])
    spooled(settings, TOTALS, totals("r1"))
    spool = SpoolFolder(settings.home, "shop")
    (spool.of("mixed") / "batch-1" / "1.seg").mkdir(parents=True)
    mixed, plain = ship(catalog, settings, "shop")
    assert "1.seg" in mixed.problem
    assert (plain.rows, plain.problem) == (2, "")
    assert set(spool.told()) == {"mixed"}


def test_records_of_which_no_rows_can_be_made_keep_no_others_back(
    settings: Settings, catalog: LocalCatalog
) -> None:
    spooled(settings, MIXED_SHAPE, [record("r1", [[1], ["a"], [1], [9]], [["?"], [1], [2], [3]])])
    ship(catalog, settings, "shop")
    whole = record("r2", [[1], ["a"], [1], [9]], [[70], ["Bonn"], [2.5], [True]])
    spooled(settings, MIXED_SHAPE, [whole])
    spooled(settings, TOTALS, totals("r1"))
    mixed, plain = ship(catalog, settings, "shop")
    assert "no rows of serving_log.shop__mixed can be made of batch-" in mixed.problem
    assert (mixed.rows, plain.rows, plain.problem) == (1, 2, "")
    assert SpoolFolder(settings.home, "shop").waiting("mixed")[0] == 1


def test_of_what_cannot_be_published_only_the_shape_is_read_and_no_batch_is_made(
    settings: Settings, catalog: LocalCatalog
) -> None:
    catalog.desk.apply(world.governance(world.log_of(world.MIXED)))
    spool = SpoolFolder(settings.home, "shop")
    spooled(settings, TOTALS, [record("r1", [["a"]], [["no number"]])])
    [segment] = spool.segments("totals")
    (spool.of("totals") / "batch-1").mkdir()
    segment.rename(spool.of("totals") / "batch-1" / segment.name)
    spooled(settings, TOTALS, totals("r2"))
    for _ in range(2):
        [shipment] = ship(catalog, settings, "shop")
        assert "not declared" in shipment.problem
    assert len(spool.segments("totals")) == 1
    assert [path.name for path in spool.of("totals").glob("batch-*")] == ["batch-1"]


def test_two_do_not_ship_at_once(settings: Settings, catalog: LocalCatalog) -> None:
    spooled(settings, TOTALS, totals("r1"))
    with SpoolFolder(settings.home, "shop").shipping() as alone:
        assert alone
        with pytest.raises(Conflict, match="already"):
            ship(catalog, settings, "shop")
