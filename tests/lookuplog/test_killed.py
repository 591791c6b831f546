"""A process that ships, killed with SIGKILL at every step that it takes on the disk."""

import json
import subprocess
import sys
from pathlib import Path

from provender.catalog.local import LocalCatalog
from provender.sdk.lookuplog import ship
from provender.settings import Settings
from tests.lookuplog.world import TOTALS, spooled, totals
from tests.stress import STRESSED

APART = 1 if STRESSED else 2
"""Which steps it is killed at: every one, or every second."""
PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path
import provender.catalog.local, provender.tables.parquet, provender.tables.versions
import provender.offline.duck
from provender.online.spool import SpoolFolder
from provender.sdk import connect
from provender.sdk.lookuplog import ship
from provender.settings import Settings
from tests.killing import in_a_process_of_its_own

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}

def shipping(settings, killed_at):
    steps = 0
    def hook(event, arguments):
        nonlocal steps
        if event not in STEPS or str(settings.home) not in str(arguments[0]):
            return
        steps += 1
        if steps == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    with connect(settings=settings) as workspace:
        shipped = ship(workspace.catalog, settings, "shop")
    assert not any(one.problem for one in shipped), shipped
    return steps

def outcome(settings):
    with connect(settings=settings, purpose="skew") as workspace:
        shipped = ship(workspace.catalog, settings, "shop")
        assert not any(one.problem for one in shipped), shipped
        rows = workspace.read("serving_log.shop__totals").to_pylist()
        whole = workspace.version("serving_log.shop__totals").ref.at(None)
        versions = len(workspace.catalog.finder.releases(whole, limit=200).items)
    left = [p.name for p in SpoolFolder(settings.home, "shop").path.rglob("*") if p.is_file()]
    return {
        "ids": sorted(row["__request_id"] for row in rows),
        "versions": versions,
        "left": sorted(name for name in left if not name.startswith(".")),
    }

base, scratch, apart = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
killed_at, whole = 1, None
while True:
    home = scratch / str(killed_at)
    shutil.copytree(base, home)
    settings = Settings(home=home, actor="person:sam")
    status, steps = in_a_process_of_its_own(lambda: shipping(settings, killed_at))
    if status == 0:
        break
    assert status == signal.SIGKILL, status
    print(json.dumps([killed_at, in_a_process_of_its_own(lambda: outcome(settings))[1]]), flush=True)
    shutil.rmtree(home)
    killed_at += apart
"""


def test_a_segment_is_published_once_wherever_who_ships_it_is_killed(
    settings: Settings, catalog: LocalCatalog, tmp_path: Path
) -> None:
    spooled(settings, TOTALS, totals("before"))
    ship(catalog, settings, "shop")
    catalog.close()
    spooled(settings, TOTALS, totals("r1", "r2"))
    spooled(settings, TOTALS, totals("r3"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(settings.home), str(tmp_path / "killed"), str(APART)],
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) * APART >= 15
    for killed_at, outcome in outcomes:
        assert outcome["ids"] == sorted(["before", "r1", "r2", "r3"] * 2), killed_at
        assert outcome["left"] == [], killed_at
