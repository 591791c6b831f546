"""What a killed writer did not commit to a Delta table is found and removed, and nobody else's."""

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from provender.tables.spill import noted_table
from provender.tables.upkeep import sweep

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from provender.feast_plugin.retrieval import ProvenderRetrievalJob
from feast.data_format import DeltaFormat
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from provender.offline.answer import Answer

target, spill = map(Path, sys.argv[1:])
before = set(target.rglob("*.parquet*"))
schema = pa.schema([("n", pa.int64())])
numbers = pa.array(np.random.default_rng(1).integers(0, 2**62, 1 << 20))

def batches():
    for _ in range(200):
        if set(target.rglob("*.parquet*")) - before:
            os.kill(os.getpid(), signal.SIGKILL)
        yield pa.record_batch([numbers], schema=schema)

job = ProvenderRetrievalJob(
    read=lambda _: Answer(schema, batches()), explain=str, place=str, spill=spill
)
storage = SavedDatasetFileStorage(path=str(target), file_format=DeltaFormat())
job.persist(storage, allow_overwrite=True)
"""
"""Is killed when a file is there that is not committed."""


@pytest.mark.parametrize("before", ["nothing", "another writer"])
def test_what_a_killed_delta_writer_left_is_found_and_removed(tmp_path: Path, before: str) -> None:
    (lake := tmp_path / "lake").mkdir()
    target, spill = tmp_path / "delta", tmp_path / "spill"
    if before != "nothing":
        write_deltalake(target, pa.table({"n": [1], "text": ["a"]}))
    kept = set(target.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(target), str(spill)],
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    left = {path for path in target.rglob("*.parquet*") if path not in kept}
    assert left, "it had begun to write"
    if before == "another writer":
        with noted_table(target, tmp_path / "other"):
            assert not [f for f in sweep(lake, [spill], list, clean=True) if f.path in left]
        assert left <= set(target.iterdir()), "they might be the other's"
    named = {finding.path for finding in sweep(lake, [spill], list)}
    assert named >= ({target} if before == "nothing" else left)
    assert all(finding.removed for finding in sweep(lake, [spill], list, clean=True))
    assert set(target.rglob("*")) == kept
    assert target.exists() == (before != "nothing")
    assert sweep(lake, [spill], list) == []
