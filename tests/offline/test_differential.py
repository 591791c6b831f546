"""Every engine against the oracle, cell by cell: all options of point-in-time retrieval crossed."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.offline.comparison import ask
from tests.offline.configurations import NOW, build, option_sets
from tests.offline.engines import ENGINES
from tests.offline.million import compare_rows, words
from tests.stress import times

DUCKDB = ENGINES["duckdb"]
SEED = 20_260_101


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return tmp_path_factory.mktemp("lake")


@settings(max_examples=times(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(options=option_sets(without=DUCKDB.cannot))
def test_every_cell_is_the_one_found_by_hand(lake, options):
    with tempfile.TemporaryDirectory(dir=lake) as place:
        configuration = build(options, lake, Path(place).name)
        outcome = ask(DUCKDB.make(lake), configuration, now=NOW)
        assert not outcome.problems, "\n".join([*outcome.problems, configuration.describe()])


def test_a_hundred_thousand_random_rows_have_no_differing_cell():
    """With STRESS=10 a million."""
    report = compare_rows("duckdb", times(100_000), SEED)
    assert report.rows >= times(100_000)
    assert report.differing == 0, words(report)
