"""Skew: flights replayed in time order as pushes; what is looked up is what is retrieved."""

from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from provender import bootstrap
from provender.core.names import FeatureRef
from provender.core.serving import SERVER
from provender.online.lookup import Lookup, compile_plan
from provender.sdk import connect
from tests.stress import STRESSED

EARLY = 1_000
EVERY = 1 if STRESSED else 4
FEATURES = ("last_arr_delay", "last_distance", "last_dest", "last_arr_epoch")


@pytest.fixture(scope="module")
def asked(spine):
    """The first flights of 2013 with a plane that flies more than once, by the instant asked."""
    early = spine.slice(0, 12_000)
    known = early.filter(pc.is_valid(early.column("tailnum")))
    counts = known.group_by("tailnum").aggregate([("tailnum", "count")])
    often = counts.filter(pc.greater(counts.column("tailnum_count"), 3)).column("tailnum")
    again = known.filter(pc.is_in(known.column("tailnum"), value_set=often.combine_chunks()))
    early = again.slice(0, EARLY).sort_by("event_timestamp")
    return early.take(pa.array(range(0, EARLY, EVERY)))


@pytest.fixture
def server(flights):
    """The settings of who may write arrivals."""
    return flights.model_copy(update={"actor": SERVER})


def test_a_lookup_after_every_push_is_what_retrieval_says_of_that_instant(
    flights, server, asked, derived
):
    """The whole of tail_last is pushed in time order; before each flight it is looked up."""
    from provender.feast_plugin import collaborators, runs

    arrivals = derived["tail_last"].sort_by("event_timestamp")
    instants = arrivals.column("event_timestamp").to_pylist()
    times = asked.column("event_timestamp").to_pylist()
    tails = asked.column("tailnum").to_pylist()
    looked_up, pushed, at = [], 0, 0
    with connect(settings=flights) as workspace, closing(bootstrap.online(flights)) as store:
        expected = workspace.training_set(
            asked, features=[f"tail_last:{name}" for name in FEATURES]
        )
        manifest = workspace.catalog.records.serving_manifest("flights")
        store.delete("flights", "tail_last")
        refs = tuple(FeatureRef("tail_last", name) for name in FEATURES)
        lookup = Lookup(
            store, compile_plan(manifest, refs, full_feature_names=False, transforms={})
        )
        while at < len(times):
            known = pushed
            while pushed < len(instants) and instants[pushed] <= times[at]:
                pushed += 1
            if pushed > known:
                runs.push(
                    flights.feature_repo,
                    "tail_arrivals",
                    arrivals.slice(known, pushed - known),
                    settings=server,
                )
            upto = at
            while upto < len(times) and times[upto] == times[at]:
                upto += 1
            answer = lookup.columns({"tailnum": tails[at:upto]}, now=times[at]).to_dict()
            looked_up += zip(*(answer[name] for name in FEATURES), strict=True)
            at = upto
    collaborators.close()
    retrieved = list(
        zip(*(expected.arrow().column(name).to_pylist() for name in FEATURES), strict=True)
    )
    differing = [
        (i, a, b) for i, (a, b) in enumerate(zip(looked_up, retrieved, strict=True)) if a != b
    ]
    assert len(looked_up) == EARLY / EVERY
    assert sum(row[0] is not None for row in retrieved) > len(retrieved) / 4
    assert differing == []


def test_out_of_order_arrivals_end_at_the_latest(flights, server, derived):
    """The same arrivals pushed backwards leave the same rows: an older one never overwrites."""
    from provender.feast_plugin import collaborators, runs

    part = derived["tail_last"].slice(0, 3_000)
    backwards = part.take(pa.array(range(part.num_rows - 1, -1, -1)))
    with closing(bootstrap.online(flights)) as store:
        store.delete("flights", "tail_last")
        runs.push(flights.feature_repo, "tail_arrivals", part, settings=server)
        forwards = rows(flights, store, part)
        store.delete("flights", "tail_last")
        for start in range(0, backwards.num_rows, 1_000):
            runs.push(
                flights.feature_repo,
                "tail_arrivals",
                backwards.slice(start, 1_000),
                settings=server,
            )
        assert rows(flights, store, part) == forwards
    collaborators.close()


def rows(flights, store, part):
    with connect(settings=flights) as workspace:
        manifest = workspace.catalog.records.serving_manifest("flights")
    refs = tuple(FeatureRef("tail_last", name) for name in FEATURES)
    lookup = Lookup(store, compile_plan(manifest, refs, full_feature_names=False, transforms={}))
    tails = sorted(set(part.column("tailnum").to_pylist()))
    last = pc.max(part.column("event_timestamp")).as_py()
    return lookup.columns({"tailnum": tails}, now=last).values
