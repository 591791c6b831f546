"""What the model is worth, and how much of a leaky one's worth is not there in service."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo import model
from demo.leakage import delays_of_current_hour, weather_by_hour_stamp
from demo.model import FEATURES, STATIC, WEATHER, between, flown, score, train
from tests.oracle.flights import HOUR, answers

GOLDEN = json.loads((Path(__file__).parent / "golden" / "leakage.json").read_text())
WINTER = (date(2013, 1, 1), date(2013, 4, 1))
REST = (date(2013, 4, 1), date(2014, 1, 1))


@pytest.fixture(scope="module")
def honest(frame_2013):
    return train(between(frame_2013, *WINTER))


@pytest.fixture(scope="module")
def rest(frame_2013):
    return between(frame_2013, *REST)


@pytest.fixture(scope="module")
def honest_score(honest, rest):
    return score(honest, rest)


def test_the_months_are_those_of_new_york(frame_2013, rest):
    winter = between(frame_2013, *WINTER)
    assert flown(winter).num_rows == 77_911
    assert winter.num_rows + rest.num_rows == 336_776


def test_the_honest_model_is_as_good_as_the_one_on_record(honest_score):
    found = honest_score
    assert found.rows == 249_435
    assert found.auc == pytest.approx(GOLDEN["honest_T-60"]["auc"], abs=0.005)
    assert found.log_loss == pytest.approx(GOLDEN["honest_T-60"]["logloss"], abs=0.005)


def test_training_again_gives_the_same_model(frame_2013):
    some = frame_2013.slice(0, 10_000)
    first, second = train(some), train(some)
    assert (first.predict(some) == second.predict(some)).all()


def test_features_that_are_served_are_worth_their_trouble(honest, frame_2013, rest):
    winter = between(frame_2013, *WINTER)
    some = rest.take(pa.array(range(0, rest.num_rows, 5)))
    static = score(train(winter, STATIC), some).auc
    weather = score(train(winter, STATIC + WEATHER), some).auc
    assert static + 0.03 < weather < score(honest, some).auc - 0.03


def test_a_leaky_model_shines_on_paper_and_fails_in_service(
    honest_score, frame_2013, rest, derived_2013
):
    leaky = weather_by_hour_stamp(frame_2013, derived_2013)
    leaky = delays_of_current_hour(leaky, derived_2013)
    fitted = train(between(leaky, *WINTER))
    on_paper = score(fitted, between(leaky, *REST)).auc
    in_service = score(fitted, rest).auc
    truth = honest_score.auc
    paper, served = (
        GOLDEN[f"naive_weather+current_hour_delays{tail}"]["auc"]
        for tail in ("", " -> served honestly")
    )
    assert on_paper == pytest.approx(paper, abs=0.005)
    assert in_service == pytest.approx(served, abs=0.005)
    assert in_service + 0.02 < truth < on_paper - 0.02


def test_weather_by_hour_stamp_reads_an_hour_that_is_not_over(spine_2013, derived_2013):
    """Against the last complete row at the departure itself: what a careless join takes too much."""
    weather = derived_2013["weather_hourly"]
    departure = spine_2013.select(["origin", "sched_dep_ts"])
    departure = departure.rename_columns(["origin", "event_timestamp"])
    complete = weather.take(answers(departure, weather, ("origin",), 3 * HOUR))
    frame = spine_2013
    for name in WEATHER:
        frame = frame.append_column(name, complete.column(name))
    leaky = weather_by_hour_stamp(frame, derived_2013)
    differ = {}
    for name in ("temp", "precip", "visib"):
        other = pc.not_equal(leaky.column(name), complete.column(name))
        differ[name] = pc.sum(other).as_py() / frame.num_rows
    assert differ == pytest.approx({"temp": 0.661, "precip": 0.069, "visib": 0.122}, abs=0.0005)
    wet, dry = pc.greater(leaky.column("precip"), 0), pc.equal(complete.column("precip"), 0)
    assert pc.sum(pc.and_(wet, dry)).as_py() == 5_901


def test_unseen_categories_and_nulls_are_predicted_too(honest, rest):
    row = rest.slice(0, 1).select([*model.CATEGORIES, *FEATURES]).to_pylist()[0]
    strange = pa.Table.from_pylist([row | {"carrier": "G4", "dest": "XXX"}, dict.fromkeys(row)])
    assert all(0 < chance < 1 for chance in honest.predict(strange))
    nothing = pa.table({name: pa.nulls(1) for name in row})
    assert honest.predict(nothing) == honest.predict(strange.slice(1, 1))
