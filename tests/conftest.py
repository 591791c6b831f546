"""The order of the files: those that take long begin first, so that all processes end together."""

import pytest

LONG = (
    "test_benchmarks.py",
    "test_online_benchmarks.py",
    "test_stretches.py",
    "test_concurrency.py",
    "test_differential.py",
    "test_index_truth.py",
    "test_fuzz.py",
    "test_failpoints.py",
    "test_threads.py",
    "test_jobs.py",
    "test_browser.py",
    "test_spark.py",
    "test_migrations.py",
    "test_instants.py",
    "test_publishing.py",
    "test_crash_offline.py",
    "test_getting.py",
    "test_convert.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of `LONG` first; `--no-loadscope-reorder` lets xdist keep to it."""
    items.sort(key=lambda item: item.path.name not in LONG)
