import json
import subprocess
import sys
from pathlib import Path

import pytest

from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.online.views import T0
from tests.serving.conftest import ROUTE, Running


@pytest.mark.slow
def test_feasts_remote_online_store_reads_writes_and_fails_as_with_its_own_server(
    shared: Running, store: OnlineStore, tmp_path: Path
) -> None:
    store.write(
        ColumnEncoder("flights", ROUTE).encode(
            {"origin": ["JFK"], "dest": ["SFO"], "delay": [0.5], "event_timestamp": [T0]}
        )
    )
    program = Path(__file__).parent / "feast_client.py"
    done = subprocess.run(
        [sys.executable, str(program), shared.address, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    delays = {"origin": ["JFK", "LGA"], "dest": ["SFO", "SFO"], "delay": [0.5, None]}
    assert seen["list"] == delays
    assert seen["service"]["delay"] == [0.5, None]
    assert seen["written"] == {"origin": ["LGA"], "temp": [2.5]}
    assert "did you mean weather?" in seen["error"]
