from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provender.core.lookuplog import inherited_tags, log_dataset, log_ref, sampler
from provender.core.names import PART, DatasetRef
from tests.lookuplog.world import DATASETS, MIXED, PLAIN, REPO

RATES = st.floats(0, 1)


@given(rate=RATES, skipped=st.integers(0, 500), asked=st.integers(1, 2000))
def test_of_any_requests_in_a_row_the_part_is_taken_that_was_asked_for(rate, skipped, asked):
    take = sampler(rate)
    for _ in range(skipped):
        take()
    taken = sum(take() for _ in range(asked))
    assert abs(taken - rate * asked) <= 6


def test_all_or_nothing_is_exactly_that():
    everything, nothing = sampler(1.0), sampler(0.0)
    assert all(everything() for _ in range(5000))
    assert not any(nothing() for _ in range(5000))


@given(rate=st.sampled_from([0.1, 0.2, 0.25, 0.5]), period=st.integers(2, 20))
def test_requests_that_come_in_turns_are_taken_alike(rate, period):
    take, taken = sampler(rate), [0] * period
    for at in range(period * 500):
        taken[at % period] += take()
    assert all(abs(count - rate * 500) <= 0.2 * 500 for count in taken)


@given(project=st.text(min_size=1), service=st.text(min_size=1))
def test_every_service_has_a_dataset_name(project, service):
    ref = log_ref(project, service)
    assert PART.match(ref.name)
    assert DatasetRef.parse(ref.dataset) == ref


def test_services_are_told_apart_by_the_names_of_their_logs():
    assert log_ref("flights", "delay_v1").dataset == "serving_log.flights__delay_v1"
    names = ["delay-v1", "delay_V1", "delay.v1", "delay v1", "d" * 80]
    assert len({log_ref("flights", name) for name in names}) == len(names)


def test_columns_inherit_the_tags_of_all_that_they_come_from():
    age = {"personal.age", "kind.master"}
    key = {"personal.id", "kind.master"}
    assert inherited_tags(REPO, MIXED, DATASETS) == {
        "buyer_id": key,
        "person": key,
        "buyer__age": age,
        "buyer__age__timestamp": age,
        "buyer__age__status": age,
        "buyer__city": {"kind.master"},
        "buyer__city__timestamp": {"kind.master"},
        "buyer__city__status": {"kind.master"},
        "orders__total": {"quality.gold"},
        "orders__total__timestamp": {"quality.gold"},
        "orders__total__status": {"quality.gold"},
        "senior__is_senior": {*age, "quality.gold"},
        "senior__is_senior__timestamp": {*age, "quality.gold"},
        "senior__is_senior__status": {*age, "quality.gold"},
    }


def test_when_a_value_is_from_has_the_tags_of_the_timestamps_too():
    view = next(one for one in REPO.views if one.name == "orders")
    orders = DATASETS[view.dataset.dataset]
    tagged = replace(
        orders, column_tags=orders.column_tags | {view.event_timestamp: ("when.seen",)}
    )
    found = inherited_tags(REPO, MIXED, DATASETS | {view.dataset.dataset: tagged})
    assert found["orders__total__timestamp"] == {"quality.gold", "when.seen"}
    assert found["senior__is_senior__timestamp"] >= {"when.seen"}
    assert found["orders__total"] == {"quality.gold"}


def test_a_log_belongs_to_whoever_owns_the_service():
    declared = log_dataset(REPO, PLAIN, DATASETS)
    assert declared.owner == PLAIN.owner
    assert declared.event_timestamp == "__log_timestamp"
    assert declared.column_tags["orders__total"] == ("quality.gold",)
