"""An erasure that is killed, with SIGKILL, at any step on the disk or in the catalog goes on to the same end."""

import json
import subprocess
import sys
from pathlib import Path

from provender.core.datasets import Format
from tests.erasure.conftest import FORMATS, made
from tests.stress import times

PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
import provender.catalog.local, provender.tables.delta, provender.tables.versions
from tests.erasure.bytes import holding
from tests.erasure.conftest import SECRET, SUBJECT, people
from tests.killing import in_a_process_of_its_own

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
home, base, tries = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def erasing(killed_at):
    steps = 0
    def step(*_):
        nonlocal steps
        steps += 1
        if steps == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(
        lambda name, given: step() if name in STEPS and str(home) in str(given[0]) else None
    )
    event.listen(Engine, "commit", step)
    with people(home) as acting:
        acting("gov").erase(SUBJECT, reason="x")
    return steps

def outcome():
    with people(home) as acting:
        gov = acting("gov")
        (begun,) = gov.catalog.erasures.erasures().items or [None]
        done = gov.erase(resume=begun.id) if begun else gov.erase(SUBJECT, reason="x")
        report = gov.fsck()
        rows = {one.dataset: acting("ana").read(one.dataset).num_rows for one in done.erased}
    return {
        "held": holding(home, SECRET),
        "state": done.state,
        "erased": [[o.dataset, o.erased, o.before, o.after, o.rows, o.files] for o in done.erased],
        "rows": rows,
        "wrong": [str(one) for one in (*report.findings, *report.faults)],
    }

def at(killed_at):
    shutil.rmtree(home)
    shutil.copytree(base, home)
    status, steps = in_a_process_of_its_own(lambda: erasing(killed_at))
    _, found = in_a_process_of_its_own(outcome)
    return os.WIFSIGNALED(status), steps, found

_, steps, whole = at(0)
wrong = []
every = max(1, steps // tries) if tries else 1
points = range(1 + every // 2, steps + 1, every)
for point in points:
    killed, _, found = at(point)
    if not killed or found != whole:
        wrong.append([point, killed, found])
print(json.dumps({"steps": steps, "tried": len(points), "whole": whole, "wrong": wrong}))
"""


def test_it_goes_on_to_the_same_end(tmp_path: Path):
    home, base = tmp_path / "home", tmp_path / "base"
    home.mkdir()
    made(home, [Format.DELTA] if times(1) == 1 else list(FORMATS))
    home.rename(base)
    home.mkdir()
    tries = 1 if times(1) == 1 else 0
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), str(base), str(tries)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["wrong"] == []
    assert told["tried"] >= 1
    whole = told["whole"]
    assert (whole["held"], whole["state"], whole["wrong"]) == ([], "done", [])
    assert len(whole["erased"]) >= 2
