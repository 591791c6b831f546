import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.online.views import T0
from tests.serving.conftest import ROUTE, Running
from tests.serving.test_metrics import scrape

LOOKUP = "/get-online-features"


@pytest.mark.slow
def test_feasts_remote_online_store_reads_writes_and_fails_as_with_its_own_server(
    shared: Running, store: OnlineStore, tmp_path: Path
) -> None:
    store.write(
        ColumnEncoder("flights", ROUTE).encode(
            {"origin": ["JFK"], "dest": ["SFO"], "delay": [0.5], "event_timestamp": [T0]}
        )
    )
    seen = client(shared.address, tmp_path, "ask")
    delays = {"origin": ["JFK", "LGA"], "dest": ["SFO", "SFO"], "delay": [0.5, None]}
    assert seen["list"] == seen["versions"] == delays
    assert seen["service"]["delay"] == [0.5, None]
    assert seen["full"]["route__delay"] == [0.5, None]
    assert seen["written"] == {"origin": ["LGA"], "temp": [2.0]}
    assert seen["type"] == "double", "a float without a fraction stays a float"
    assert seen["pushed"] == {"origin": ["BOS"], "temp": [3.0]}
    assert seen["read"] == [[T0.isoformat(), "double_val"], [T0.isoformat(), None]]
    assert seen["part"][0] == "FeastError"
    assert "no join key" in seen["part"][1]
    assert seen["error"][0] == "FeatureViewNotFoundException"
    assert "did you mean weather?" in seen["error"][1]
    assert seen["documents"][0] == "FeastError"
    assert "no documents to search" in seen["documents"][1]
    found = scrape(shared)
    lookups = {key[2]: n for key, n in found.items() if key[:2] == ("requests_total", LOOKUP)}
    assert lookups["404"] == 1, "an error of the user is not tried again"
    assert lookups["422"] == 1


QUICKLY = """
import runpy, sys
import provender.feast_plugin
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Importing Feast after us costs less."""


def client(address: str, folder: Path, what: str) -> Any:
    """Return what Feast's own client saw."""
    program = Path(__file__).parent / "feast_client.py"
    done = subprocess.run(
        [sys.executable, "-c", QUICKLY, str(program), address, str(folder), what],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
