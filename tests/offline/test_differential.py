"""Every engine against the oracle, cell by cell: all options of point-in-time retrieval crossed.

They bite: mutants that Hypothesis alone killed. In the SQL (300 examples, the engine before slots): tie-break on created dropped, reversed, null first; tie-breakers dropped, ascending, null first; `>` for `>=` on TTL, on time; TTL ignored, zero TTL a bound; created filter dropped, null created known, superseded row kept, filter without created; bounds of pruning exclusive; third key forgotten; order of rows and of duplicates lost; known later `>=`, without TTL; milliseconds; another zone. In the slots (200): the same of time, TTL, created and tie-breakers; surpassed ties kept, ties' values or features of other rows, event ignored when carried, null instant a time.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.offline.comparison import ask_within
from tests.offline.configurations import NOW, build
from tests.offline.engines import ENGINES
from tests.offline.million import compare_rows, words
from tests.offline.options import option_sets
from tests.stress import times

HERE = ("duckdb", "slots")
SEED = 20_260_101
ROWS = times(50_000, calm=20_000)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return tmp_path_factory.mktemp("lake")


@pytest.mark.parametrize("name", HERE)
def test_every_cell_is_the_one_found_by_hand(name, lake):
    under_test = ENGINES[name]

    @settings(
        max_examples=times(100, calm=40),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(options=option_sets(without=under_test.cannot))
    def asks(options):
        with tempfile.TemporaryDirectory(dir=lake) as place:
            configuration = build(options, lake, Path(place).name)
            outcome = ask_within(under_test.make(lake), configuration, now=NOW)
            assert not outcome.problems, "\n".join([*outcome.problems, configuration.describe()])

    asks()


@pytest.mark.parametrize("name", HERE)
def test_tens_of_thousands_of_random_rows_have_no_differing_cell(name):
    """With STRESS=10 half a million: a million with both shapes of the join."""
    report = compare_rows(name, ROWS, SEED)
    assert report.rows >= ROWS
    assert report.differing == 0, words(report)
