"""A publisher is killed at every point of publishing; there is the old version or the new, whole."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from provender.catalog.local import LocalCatalog
from provender.sdk import connect
from provender.settings import Settings
from provender.tables.versions import verify_version
from tests.catalog.failpoints import COMMITTED, FILES, POINTS, STATEMENTS, publish
from tests.catalog.world import FLIGHTS, Clock, declared, governing, versions_of
from tests.stress import times

ROOT = Path(__file__).parents[2]
KILLS = times(1)


@contextmanager
def forker(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process with everything imported, that forks a publisher for each line it reads."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.catalog.failpoints", settings.home, settings.catalog_url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_there_are_twelve_points_from_the_first_file_to_the_answer():
    assert len(POINTS) == 12 == len(FILES) + len(STATEMENTS) + 1


def test_a_publisher_killed_at_any_point_leaves_the_old_version_or_the_new_and_at_most_orphans(
    governed_url: str, tmp_path: Path
):
    """240 kills -9 under STRESS=10: each of the 12 points 10 times in each database, in any order."""
    with LocalCatalog(governed_url, actor="person:gov", clock=Clock()) as gov:
        within = replace(declared(FLIGHTS), fresh_within=timedelta(hours=1))
        gov.desk.apply(governing(within))
    ops = Settings(home=tmp_path / "home", catalog_url=governed_url, actor="person:ops")
    latest = [publish(ops, number) for number in (0, 1)][-1]
    order = list(POINTS) * KILLS
    random.Random(11).shuffle(order)
    with (
        forker(ops) as process,
        connect(settings=ops) as workspace,
        connect(settings=ops.model_copy(update={"actor": "person:gov"})) as gov,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for number, point in enumerate(order, 2):
            print(number, point, file=process.stdin, flush=True)
            assert int(process.stdout.readline()) == -signal.SIGKILL, point
            found = workspace.version(str(FLIGHTS))
            if point == COMMITTED:
                assert found.number == latest.number + 1
                latest = found
            assert found == latest, point
            verify_version(ops.lake, found.manifest)
            assert not gov.fsck(remove=True).is_damaged, point
            after = gov.fsck()
            assert (after.faults, after.findings) == ((), ()), (
                point
            )  # one pass removed what was left
        assert publish(ops, number).number == latest.number + (order[-1] != COMMITTED)
        assert [v.number for v in versions_of(workspace.catalog, FLIGHTS)] == list(
            range(1, workspace.version(str(FLIGHTS)).number + 1)
        )
