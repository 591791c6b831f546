"""Walk 3: a training set of all of 2013, against the slow oracle, cited by its id, with its model."""

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo import model
from provender.asgi import app
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.sdk import connect
from provender.settings import Settings
from tests.api.server import listening
from tests.cli.conftest import running
from tests.oracle.flights import frame_oracle

SERVICE = "delay_v1"


@pytest.fixture(scope="module")
def training_set(flights, spine):
    with connect(settings=flights) as workspace:
        return workspace.training_set(spine, service=SERVICE)


def differing(ours, expected):
    same = pc.fill_null(pc.equal(ours, expected.cast(ours.type)), False)
    neither = pc.and_(pc.is_null(ours), pc.is_null(expected))
    return len(ours) - pc.sum(pc.or_(same, neither)).as_py()


def test_the_whole_frame_of_2013_is_the_oracles(training_set, spine, derived):
    frame = training_set.arrow()
    expected = frame_oracle(spine, derived)
    assert frame.num_rows == 336_776
    assert frame.select(spine.column_names) == spine
    assert {
        name: differing(frame.column(name), expected.column(name)) for name in expected.column_names
    } == (dict.fromkeys(expected.column_names, 0))


def test_known_by_then_is_the_oracles_too(workspace, spine, derived):
    part = spine.slice(100_000, 20_000)
    features = [f"weather:{name}" for name in ("temp", "precip")] + ["origin_ops:dep_n_1h"]
    frame = workspace.training_set(part, features=features, known_by_then=True).arrow()
    expected = frame_oracle(part, derived, known_by_then=True)
    for name in ("temp", "precip", "dep_n_1h"):
        assert differing(frame.column(name), expected.column(name)) == 0


def test_plain_feast_returns_the_same_rows(training_set, spine, as_ana):
    from feast import FeatureStore

    part = spine.slice(150_000, 30_000)
    store = FeatureStore(repo_path=str(as_ana.feature_repo))
    theirs = store.get_historical_features(
        entity_df=part.to_pandas(), features=store.get_feature_service(SERVICE)
    ).to_arrow()
    ours = training_set.arrow().slice(150_000, 30_000)
    features = [name for name in ours.column_names if name not in spine.column_names]
    assert len(features) == 31
    assert {name: differing(ours.column(name), theirs.column(name)) for name in features} == (
        dict.fromkeys(features, 0)
    )


def test_the_honest_model_is_as_good_as_it_should_be(training_set):
    frame = training_set.arrow()
    trained = model.train(model.between(frame, date(2013, 1, 1), date(2013, 4, 1)))
    rest = model.between(frame, date(2013, 4, 1), date(2014, 1, 1))
    score = model.score(trained, rest.take(pa.array(range(0, rest.num_rows, 3))))
    assert score.auc == pytest.approx(0.742, abs=0.01)


def test_the_same_question_has_the_same_id_and_can_be_cited(workspace, spine):
    part = spine.slice(0, 500)
    first = workspace.training_set(part, service=SERVICE)
    again = workspace.training_set(part, service=SERVICE)
    other = workspace.training_set(part.slice(1), service=SERVICE)
    assert first.id == again.id != other.id
    manifest = workspace.catalog.records.training_set(first.id)
    assert manifest.content_digest == first.manifest.content_digest
    assert [str(pin) for pin in manifest.pins] == [
        f"aviation.{name}@1"
        for name in (
            "carrier_origin",
            "origin_ops",
            "plane_facts",
            "route_history",
            "tail_last",
            "weather_hourly",
        )
    ]


def test_a_model_is_recorded_from_its_file_and_leads_back_to_what_it_rests_on(
    flights, workspace, spine, tmp_path
):
    made = workspace.training_set(spine.slice(0, 400), service=SERVICE)
    file = tmp_path / "model.bin"
    file.write_bytes(b"weights" * 1_000_000)
    one = workspace.models.record(
        "delay-model", training_set=made, artifact=file, metrics={"auc": 0.74}
    )
    assert (one.id, one.created_by) == ("flights/delay-model@1", "person:ana")
    assert (
        workspace.models.record(
            "delay-model",
            training_set=made.id,
            artifact=one.trained.artifact,
            metrics={"auc": 0.74},
        )
        == one
    )
    file.write_bytes(b"others")
    with running(tmp_path) as run:
        asked = {"actor": "person:ana", "PROVENDER_HOME": flights.home}
        said = ("--training-set", made.id, "--artifact", file, "--metric", "auc=0.75")
        recorded = run("model", "record", "delay-model", *said, "--json", **asked)
        assert recorded.json["id"] == "flights/delay-model@2"
        assert "flights/delay-model@2" in run("model", "list", **asked).out
        shown = run("model", "show", "delay-model", **asked).out
        for expected in (
            "flights/delay-model@2",
            "auc 0.75",
            made.id,
            "aviation.tail_last@1",
            "flights/delay-model@1",
        ):
            assert expected in shown
        lineage = run("lineage", "node", "model:flights/delay-model@2", "--json", **asked)
        assert made.id in lineage.out
        assert "aviation.tail_last@1" in lineage.out
        tags = run("lineage", "tags", "model:flights/delay-model@2", **asked)
        assert "personal.quasi_identifier" in tags.out
        wrong = run(
            "model", "record", "delay-model", "--training-set", made.id, "--digest", "x", **asked
        )
        assert (wrong.code, "is no file here, and no digest" in wrong.err) == (2, True)
    assert [one.id for one in workspace.models.versions("delay-model")] == [
        "flights/delay-model@2",
        "flights/delay-model@1",
    ]


def test_a_leaky_table_is_found_out(flights, workspace, derived, spine):
    """Weather stamped with the hour it sums up is recorded an hour later: nearly every row leaks."""
    part = spine.slice(0, 5_000)
    at_departure = part.set_column(
        part.schema.get_field_index("event_timestamp"),
        "event_timestamp",
        part.column("sched_dep_ts"),
    )
    import pyarrow.parquet as pq

    from provender.core.clock import utc_now
    from provender.core.datasets import Format
    from provender.core.policy import Action, Permit
    from provender.core.training import PointInTimePlan, Table, ViewJoin
    from provender.offline.duck import DuckEngine
    from provender.offline.spine import Spine

    naive = derived["weather_hourly"]
    stamps = pc.subtract(
        naive.column("event_timestamp"), pa.scalar(timedelta(minutes=51), pa.duration("us"))
    )
    path = flights.home / "naive.parquet"
    pq.write_table(naive.set_column(1, "event_timestamp", stamps), path)
    counts = {}
    for name, location in {"naive": path, "honest": None}.items():
        if location is None:
            manifest = workspace.training_set(at_departure, features=["weather:temp"]).manifest
            counts[name] = manifest.known_later["weather"] / manifest.row_count
            continue
        join = ViewJoin(
            view="weather", table=Table(format=Format.PARQUET, location=str(location)),
            keys=(("origin", "origin"),), features=(("temp", "temp"),),
            event_timestamp="event_timestamp", created_timestamp="created_timestamp",
            ttl=timedelta(hours=3),
        )  # fmt: skip
        permit = Permit(
            decision="d", actor="person:ana", action=Action.READ, purpose="",
            columns=frozenset(), decided_at=utc_now(),
        )  # fmt: skip
        plan = PointInTimePlan(event_timestamp="event_timestamp", joins=(join,))
        answer = DuckEngine(flights.lake).run(plan, Spine(at_departure), permit, now=utc_now())
        answer.table()
        counts[name] = answer.known_later["weather"] / part.num_rows
    assert counts["naive"] > 0.8
    assert counts["honest"] < 0.25


def test_a_leak_is_said_in_words(workspace, spine):
    made = workspace.training_set(spine.slice(0, 2_000), features=["weather:temp"])
    (warning,) = made.warnings
    assert warning.startswith("weather: ")
    assert "recorded only after the row's instant" in warning
    assert not workspace.training_set(
        spine.slice(0, 2_000), features=["weather:temp"], known_by_then=True
    ).warnings


def test_integers_with_nulls_stay_integers_in_pandas(workspace, spine):
    frame = workspace.training_set(spine.slice(0, 200), features=["plane:seats"]).pandas()
    assert str(frame["seats"].dtype) == "Int64"
    assert frame["seats"].isna().any()


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda w, s: w.training_set(s, service="delay_v2"), NotFound, "did you mean delay_v1"),
        (lambda w, s: w.training_set(s, features=["wether:temp"]), NotFound, "did you mean weather"),
        (lambda w, s: w.training_set(s, features=["weather:tmp"]), NotFound, "did you mean temp"),
        (lambda w, s: w.training_set(s, service=SERVICE, pins=["aviation.tail_last@9"]), NotFound, "tail_last@9"),
        (lambda w, s: w.training_set(s, service=SERVICE, pins=["aviation.tail_lst@1"]), NotFound, "tail_last"),
        (lambda w, s: w.training_set(s.slice(0, 0), service=SERVICE), InvalidInput, "no rows"),
        (lambda w, s: w.training_set(s.drop_columns(["tailnum"]), service=SERVICE), InvalidInput, "tailnum"),
        (lambda w, s: w.training_set(s.drop_columns(["departure_epoch"]), service=SERVICE), InvalidInput, "departure_epoch"),
        (lambda w, s: w.training_set(s, service=SERVICE, purpose="curiosity"), (Denied, NotFound, InvalidInput), "curiosity"),
        (lambda w, s: w.training_set(s, service=SERVICE, features=["weather:temp"]), InvalidInput, "not both"),
        (lambda w, s: w.training_set("nowhere.parquet", service=SERVICE), InvalidInput, "nowhere.parquet"),
        (lambda w, s: w.read("aviation.flihgts"), NotFound, "did you mean aviation.flights"),
        (lambda w, s: w.read("aviation.flights@7"), NotFound, "aviation.flights@7"),
        (lambda w, s: w.read("aviation.flights", ["tail_num"]), NotFound, "did you mean tailnum"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_words(workspace, spine, ask, error, says):
    with pytest.raises(error) as caught:
        ask(workspace, spine.slice(0, 10))
    assert says in str(caught.value)


def test_naive_timestamps_are_refused_unless_said_to_be_utc(workspace, spine):
    part = spine.slice(0, 10)
    naive = part.set_column(
        part.schema.get_field_index("event_timestamp"),
        "event_timestamp",
        part.column("event_timestamp").cast(pa.timestamp("us")),
    )
    with pytest.raises(InvalidInput, match="no time zone"):
        workspace.training_set(naive, features=["weather:temp"])
    said = workspace.training_set(naive, features=["weather:temp"], assume_utc=True)
    aware = workspace.training_set(part, features=["weather:temp"])
    assert said.arrow().column("temp") == aware.arrow().column("temp")


def test_a_file_of_the_lake_is_no_spine(workspace, flights):
    file = next(flights.lake.rglob("*.parquet"))
    with pytest.raises(Denied, match="in the lake"):
        workspace.training_set(file, features=["weather:temp"])


def test_who_may_not_serve_may_not_look_up(flights):
    with connect(settings=flights, actor="person:max") as workspace:
        with pytest.raises((Denied, NotFound)):
            workspace.online(SERVICE)
        with pytest.raises((Denied, NotFound)):
            workspace.online(features=["weather:temp"])


@pytest.mark.parametrize(
    "instants", [["2013-06-01T10:00:00"], [date(2013, 6, 1)]], ids=["text", "a date"]
)
def test_what_has_no_zone_is_no_instant(workspace, instants):
    spine = pa.table({"origin": ["EWR"], "event_timestamp": instants})
    with pytest.raises(InvalidInput, match="no time zone"):
        workspace.training_set(spine, features=["weather:temp"])
    assert (
        workspace.training_set(spine, features=["weather:temp"], assume_utc=True).manifest.row_count
        == 1
    )


def test_a_plain_feast_retrieval_is_recorded_too(workspace, spine, as_ana):
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(as_ana.feature_repo))
    job = store.get_historical_features(
        entity_df=spine.slice(0, 300).to_pandas(), features=["weather:temp", "plane:seats"]
    )
    assert job.training_set == ""
    assert job.to_arrow().num_rows == 300
    manifest = workspace.catalog.records.training_set(job.training_set)
    assert [str(pin) for pin in manifest.pins] == [
        "aviation.plane_facts@1",
        "aviation.weather_hourly@1",
    ]
    assert [str(ref) for ref in manifest.spec.features] == ["weather:temp", "plane:seats"]
    assert manifest.created_by == "person:ana"
    assert manifest.row_count == 300


def test_the_service_makes_the_same_training_set_for_who_has_no_lake(flights, spine, tmp_path):
    part = spine.slice(100_000, 20_000)
    with listening(app(flights)) as address:
        alone = Settings(home=tmp_path, catalog_url=address, purpose=flights.purpose)
        with connect(settings=alone) as outside, connect(settings=flights) as inside:
            theirs = outside.training_set(part, service=SERVICE)
            ours = inside.training_set(part, service=SERVICE)
            file = tmp_path / "model.bin"
            file.write_bytes(b"weights")
            models = outside.models, inside.models
            kept = [m.record("late_model", training_set=theirs, artifact=file) for m in models]
            assert kept[0] == kept[1] == outside.models.get("late_model@1")
            assert outside.read("aviation.weather").equals(inside.read("aviation.weather"))
    assert theirs.id == ours.id
    assert theirs.arrow().equals(ours.arrow())
