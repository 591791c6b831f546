"""Benchmarks have one door, each result one shape; contenders agree, and are stopped at limits."""

import json
import math
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import comparison, lake
from benchmarks.limits import Limits, watch
from benchmarks.offline_b6 import right_sum
from benchmarks.report import markdown
from benchmarks.results import Claim, Figure, Row
from benchmarks.tables import Entities, feature_table, spine_table
from tests.stress import STRESSED

ROOT = Path(__file__).parents[1]
KEYS = {
    "bench", "case", "unit", "ours", "peer", "peer_name", "floor",
    "peer_over_ours", "ours_over_floor", "peak_mb", "contenders", "claims",
}  # fmt: skip
ONLINE = [
    "online_http", "online_inprocess", "online_materialize",
    "online_w1", "online_w2", "online_soak",
]  # fmt: skip
CATALOG = ["catalog_lineage", "catalog_mix", "catalog_pages", "catalog_publish", "catalog_search"]
GOVERNANCE = ["governance_training", "governance_lookup"]
QUICK = [("offline_b6", "W7", ("ours", "polars"))]
if STRESSED:  # else the flagship tells: it is the same join
    QUICK.append(("offline_b1", "20k x 200k, TTL", ("ours", "polars", "floor")))


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


def quick(data, name, *arguments):
    path = data / "rows.json"
    done = benchmarks(
        "run", name, "--quick", "--data", str(data), "--json", str(path), *arguments
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done


def test_they_are_listed_with_their_claims():
    listed = benchmarks("list")
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert names == [
        *(f"offline_b{number}" for number in range(1, 7)),
        *ONLINE,
        *CATALOG,
        *GOVERNANCE,
    ]
    assert "flagship" in listed.stdout
    assert benchmarks("run", "flagshp").returncode == 2


def test_the_flagship_runs_on_smaller_data_and_agrees_with_its_peers(data):
    document, done = quick(data, "flagship")
    (row,) = document["rows"]
    assert set(row) >= KEYS
    assert row["bench"] == "offline_b5"
    assert math.isclose(row["peer_over_ours"], row["peer"] / row["ours"], abs_tol=1e-3)
    assert document["machine"]["cores"]
    seen = {figure["name"]: figure for figure in row["contenders"]}
    assert list(seen) == ["ours", "feast", "polars", "floor"]
    assert [seen[peer]["differing"] for peer in ("feast", "polars")] == [0, 0]
    assert all(figure["peak_mb"] > 50 and figure["value"] > 0 for figure in seen.values())
    assert "no cell unlike Feast's, seen 0: met" in done.stdout


@pytest.mark.parametrize(("name", "case", "contenders"), QUICK)
def test_a_quick_benchmark_runs_and_its_contenders_agree(data, name, case, contenders):
    chosen = [part for contender in contenders for part in ("--contender", contender)]
    document, _ = quick(data, name, "--case", case, *chosen)
    (row,) = document["rows"]
    assert case in row["case"]
    ended = {figure["name"]: figure["ended"] for figure in row["contenders"]}
    assert ended == dict.fromkeys(contenders, "")
    compared = [f["differing"] for f in row["contenders"] if f["differing"] is not None]
    assert compared == [0]


def test_masks_are_measured_beside_a_permit_for_all(data):
    document, _ = quick(data, "governance_training", "--case", "20k x 200k")
    (row,) = document["rows"]
    whole, masked = row["contenders"]
    assert (whole["name"], masked["name"]) == ("whole", "masked")
    assert masked["differing"] > 1_000
    assert row["peer_over_ours"] > 0


def test_lookups_by_the_policy_of_now_are_measured_beside_those_without(data):
    document, _ = quick(data, "governance_lookup", "--case", "1 views x 1 entities")
    (row,) = document["rows"]
    on, off = row["contenders"]
    assert (on["name"], off["name"]) == ("policy on", "policy off")
    assert [on["differing"], off["differing"]] == [0, 0]
    assert 0 < row["peer_over_ours"] < 2


# Each takes half a minute of two cores, and is made of what those above are made of.
if STRESSED:

    def test_selective_spines_read_datasets_of_the_catalog(data):
        document, _ = quick(data, "offline_b3", "--case", "segment", "--contender", "ours")
        as_it_came, optimised = document["rows"]
        assert as_it_came["ours"] > 0
        assert as_it_came["case"].endswith("as it came")
        assert optimised["case"].endswith("optimised")
        home = next(data.glob("home-*"))
        again = dict.fromkeys(("view0", "view1", "view2"), data / "never read again")
        assert lake.publish(home, again) == {name: f"bench.{name}" for name in again}

    def test_lineage_at_scale_is_measured_beside_a_walk_without_rights(data):
        document, _ = quick(data, "catalog_lineage", "--case", "sqlite")
        (row,) = document["rows"]
        shown, cut = row["seen"]["edges shown, p50 and p95"], row["seen"]["cut"]
        assert 100 < shown[0] < shown[1] < 4_000
        assert cut == 0
        assert {figure["name"] for figure in row["contenders"]} == {"ours", "floor"}
        assert row["ours_over_floor"] > 1


def test_a_contender_that_fails_is_told_and_has_no_ratio(data):
    document, done = quick(
        data, "offline_b4", "--contender", "floor", "--case", "20k x 200k"
    )  # fmt: skip
    (row,) = document["rows"]
    (floor,) = row["contenders"]
    assert floor["ended"] == (
        "failed: the floor writes a frame that another contender has made; none has"
    )
    assert (floor["value"], row["ours_over_floor"]) == (None, None)
    assert "peak of at most 500MB and 20 %: not decided" in done.stdout


def test_a_case_that_is_not_there_is_an_error(data):
    done = benchmarks("run", "offline_b1", "--case", "3 x 4", "--data", str(data))
    assert done.returncode == 1
    assert "no case has '3 x 4' in its name" in done.stderr


def test_generated_tables_are_the_same_every_time_and_each_tie_has_one_latest_row(tmp_path):
    one, other = (
        feature_table(tmp_path / name, 0, 5_000, Entities(100)) for name in ("one", "other")
    )
    assert pq.read_table(one).equals(pq.read_table(other))
    with duckdb.connect() as db:
        rows, stamps, created = db.execute(
            f"""
            SELECT count(*), count(DISTINCT (entity_id, event_timestamp)),
                   count(DISTINCT (entity_id, event_timestamp, created_timestamp)) FROM '{one}'
            """
        ).fetchone()
    assert rows == created == 5_000
    assert rows - stamps >= 100


def test_a_segment_holds_entities_of_its_stretch_only(tmp_path):
    entities = Entities(10_000, power=1, segment=(0.4, 0.41))
    drawn = pq.read_table(spine_table(tmp_path, 2_000, entities))["entity_id"].to_pylist()
    assert min(drawn) >= 4_000
    assert max(drawn) < 4_100
    assert len(set(drawn)) > 90


def test_the_sum_of_the_duckdb_post_is_the_published_one():
    assert right_sum(50, 100_000) == 124_996_250_025


def test_frames_are_compared_by_row_whatever_their_order(tmp_path):
    def frame(name, rows, counts=None):
        path = tmp_path / f"{name}.parquet"
        columns = {
            "row_id": pa.array([row[0] for row in rows], pa.int64()),
            "count": pa.array([row[1] for row in rows], counts),
            "share": pa.array([row[2] for row in rows], pa.float64()),
        }
        pq.write_table(pa.table(columns), path)
        return path

    features = {"count": "BIGINT", "share": "DOUBLE"}
    base = frame("base", [(1, 7, 0.5), (2, None, None), (3, 9, 0.1)])
    floats = frame("floats", [(3, 9.0, 0.1), (1, 7.0, 0.5), (2, math.nan, math.nan)], pa.float64())
    changed = frame("changed", [(1, 7, 0.5), (2, None, 0.0), (3, 8, 0.1)])
    shorter = frame("shorter", [(1, 7, 0.5), (3, 9, 0.1)])
    halves = frame("halves", [(1, 7.4, 0.5), (2, None, None), (3, 9.0, 0.1)])
    assert comparison.digest(base, features) == comparison.digest(floats, features)
    assert comparison.digest(base, features) != comparison.digest(changed, features)
    others = (floats, changed, shorter, halves)
    assert [comparison.differing(base, other, features) for other in others] == [0, 2, 2, 1]


@pytest.mark.parametrize(
    ("code", "limits", "why"),
    [
        ("import time; time.sleep(60)", Limits(0.5, 4_000), "> 0.5 s"),
        ("b = bytes(1) * 400_000_000; import time; time.sleep(60)", Limits(60, 200), "killed at"),
        ("pass", Limits(60, 4_000), ""),
    ],
)
def test_a_process_is_stopped_at_its_limit_and_only_there(code, limits, why):
    process = subprocess.Popen([sys.executable, "-c", code])
    end = watch(process, limits)
    assert end.why.startswith(why)
    assert bool(end.why) == bool(why)
    assert process.poll() is not None


def row(*figures, claims=()):
    return Row(bench="b", case="c", figures=figures, claims=claims)


def test_a_peer_that_was_stopped_is_at_least_that_much_slower():
    faster = Claim("20 times", "feast_over_ours", 20, at_least=True)
    stopped = Figure(name="feast", ended="> 600 s", at_least=600.0)
    record = row(Figure(name="ours", value=2.0), stopped, claims=(faster,)).record()
    assert record["peer"] is None
    assert record["claims"] == [{"says": "20 times", "seen": 300.0, "met": True}]
    table = markdown(
        [{"at": "2026-01-02T03:04:05", "quick": False, "machine": MACHINE, "rows": [record]}]
    )
    assert "### 2026-01-02" in table
    assert "| b: c | ours | 2 | s | 1.00 |" in table
    assert "|  | feast | > 600 s |  | > 300.00 |" in table


def test_a_peer_that_was_stopped_early_decides_nothing():
    faster = Claim("20 times", "feast_over_ours", 20, at_least=True)
    stopped = Figure(name="feast", ended="> 6 s", at_least=6.0)
    record = row(Figure(name="ours", value=2.0), stopped, claims=(faster,)).record()
    assert record["claims"] == [{"says": "20 times", "seen": 3.0, "met": None}]


def test_a_claim_about_ours_is_not_met_by_a_run_that_was_stopped():
    within = Claim("2.2 times the floor", "ours_over_floor", 2.2)
    memory = Claim("1 GB", "peak_mb", 1000)
    stopped = Figure(name="ours", ended="> 600 s", at_least=600.0, peak_mb=10.0)
    record = row(stopped, Figure(name="floor", value=900.0), claims=(within, memory)).record()
    assert [claim["met"] for claim in record["claims"]] == [None, None]


def test_a_claim_is_judged_at_its_limit():
    figures = (Figure(name="ours", value=2.2), Figure(name="floor", value=1.0))
    at_most = Claim("most", "ours_over_floor", 2.2)
    assert at_most.judge(row(*figures))["met"]
    assert not Claim("most", "ours_over_floor", 2.1).judge(row(*figures))["met"]
    assert Claim("least", "ours_over_floor", 2.2, at_least=True).judge(row(*figures))["met"]


MACHINE = {
    "cores": 2, "memory_gb": 24.0, "processor": "p", "python": "3.11", "packages": {"duckdb": "2"},
}  # fmt: skip
