"""Benchmarks have one door, and each result one shape."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEYS = {
    "bench", "case", "unit", "ours", "peer", "peer_name", "floor",
    "peer_over_ours", "ours_over_floor", "peak_mb",
}  # fmt: skip


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_they_are_listed_with_their_claims():
    listed = benchmarks("list")
    assert listed.returncode == 0
    assert "flagship" in listed.stdout
    assert benchmarks("run", "flagshp").returncode == 2


def test_the_flagship_runs_on_smaller_data_and_agrees_with_its_peer(tmp_path):
    done = benchmarks("run", "flagship", "--quick", "--json", str(tmp_path / "rows.json"))
    assert done.returncode == 0, done.stderr
    assert "cells that differ between ours and Feast's: 0" in done.stderr
    document = json.loads((tmp_path / "rows.json").read_text())
    (row,) = document["rows"]
    assert set(row) >= KEYS
    assert row["peer_over_ours"] == round(row["peer"] / row["ours"], 3)
    assert document["machine"]["cores"]
