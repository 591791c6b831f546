"""How all tests run: long files begin first, so that all processes end together; garbage is rare.

Collecting it took a quarter of the processor's time: thousands of tests and what they import are
walked again and again, though none of it ever goes. Thousands of small catalogs and lakes are
made, too: in memory, where there is room, that takes a tenth less of the processor's time.
"""

import gc
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from provender.feast_plugin.typechecks import hasten
from tests.offline.cluster import spark_master
from tests.stress import times

__all__ = ["spark_master"]

settings.register_profile("ours", max_examples=times(100, calm=25))
settings.load_profile("ours")

MEMORY = Path("/dev/shm")
ROOM = 8 << 30
"""Bytes that all tests together may take there, at most, while those that passed are removed."""


def _take_memory() -> None:
    """Let temporary files of tests, and of processes that they start, lie in memory if half of it is free."""
    with suppress(OSError):
        free = min(psutil.virtual_memory().available, shutil.disk_usage(MEMORY).free)
        if "TMPDIR" not in os.environ and free > 2 * ROOM:
            os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


_take_memory()
hasten()  # some tests import Feast before anything of ours
gc.disable()  # until all is collected
YOUNG = 20_000
"""Objects more than went, at which the young ones are looked through."""

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


TOGETHER = ("spark", "tests/walks/", "tests/demo/")
"""In the names of files that share what takes long to make: a cluster, a year of flights."""


class Together(LoadFileScheduling):
    """The tests of a file run in one process, and those of files that share what takes long to make."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return shared_by(file) or file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put `LONG` and `TOGETHER` first; `--no-loadscope-reorder` lets xdist keep to it."""
    items.sort(key=lambda item: item.path.name not in LONG and not shared_by(item.nodeid))


def shared_by(name: str) -> str:
    """Return what of `TOGETHER` is in the name of a file, or of a test in it."""
    return next((shared for shared in TOGETHER if shared in name.partition("::")[0]), "")


def pytest_collection_finish() -> None:
    """Leave what was imported out of collections, and collect less often."""
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
    gc.enable()
