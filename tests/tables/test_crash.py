"""A publisher is killed again and again at random moments; what it had returned must hold."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from provender.core.datasets import Dataset, DatasetVersion, Format, Manifest
from provender.core.errors import Corrupt
from provender.core.names import DatasetRef
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.rows import logical_digest
from provender.tables.session import session
from provender.tables.versions import verify_version, write_version
from provender.values import from_json
from tests.stress import times
from tests.tables.conftest import NOON

KILLS = times(24)
PUBLISH = """
import os, sys
from pathlib import Path
import pyarrow as pa
from provender.core.datasets import Dataset, Format
from provender.core.names import DatasetRef
from provender.tables import format_for
from provender.tables.versions import write_version
from provender.values import to_json

lake, said = Path(sys.argv[1]), Path(sys.argv[2])
datasets = [
    Dataset(ref=DatasetRef("a", fmt), description="", owner="team:x", format=fmt) for fmt in Format
]
for dataset in datasets:
    format_for(dataset.format)
pa.table({"x": [1]})  # imports pandas, where it is installed

def publish(start):
    with said.open("a") as returned:
        for version in range(start, start + 10_000):
            rows = pa.table({"version": [version] * 20_000, "x": range(version, version + 20_000)})
            manifest = write_version(lake, datasets[version % len(datasets)], rows)
            returned.write(to_json(manifest) + "\\n")
            returned.flush()
            if version == start:
                print("published", flush=True)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        publish(int(line))
        os._exit(1)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
"""Imports once, then forks a publisher per line of its input and says when that one ended."""


def rows_of(lake: Path, manifest: Manifest) -> pa.Table:
    ref = DatasetRef("a", manifest.format, 1)
    version = DatasetVersion(ref=ref, manifest=manifest, published_at=NOON, published_by="x")
    table = Table.of(version)
    with session() as connection:
        return format_for(table.format).relation(table, lake, connection).to_arrow_table()


def returned(said: Path) -> list[Manifest]:
    """All manifests on whole lines: a kill may cut the last one off."""
    lines = said.read_text().splitlines(keepends=True) if said.exists() else []
    return [from_json(Manifest, line) for line in lines if line.endswith("\n")]


def repair_tail(said: Path) -> None:
    if said.exists():
        said.write_text("".join(f"{line}\n" for line in said.read_text().split("\n")[:-1]))


def test_what_a_killed_publisher_had_returned_verifies_and_nothing_is_mixed(
    tmp_path: Path,
) -> None:
    lake, said = tmp_path / "lake", tmp_path / "returned.jsonl"
    chance = random.Random(7)
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISH, str(lake), str(said)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as forker:
        assert forker.stdin is not None
        assert forker.stdout is not None
        for kill in range(KILLS):
            print(kill * 10_001, file=forker.stdin, flush=True)  # each begins with another format
            publisher = int(forker.stdout.readline())
            assert forker.stdout.readline() == "published\n"
            time.sleep(chance.uniform(0.0, 0.4))
            os.kill(publisher, signal.SIGKILL)
            while (line := forker.stdout.readline()) != "ended\n":
                assert line
            repair_tail(said)
        forker.stdin.close()
    manifests = returned(said)
    assert len(manifests) >= KILLS
    assert {manifest.format for manifest in manifests} == set(Format)
    for manifest in manifests:
        verify_version(lake, manifest)
    for manifest in chance.sample(manifests, 20):
        rows = rows_of(lake, manifest)
        assert logical_digest(rows) == manifest.logical_digest
        assert len(set(rows["version"].to_pylist())) == 1
    for folder in (path for path in lake.glob("a/*/*-*") if path.is_dir()):
        contents = {path.name for path in folder.iterdir()}
        fmt = folder.name.partition("-")[0]
        assert contents == {f"part-00000.{fmt}", "_files.json"}
    leftovers = [path for path in (lake / ".staging").iterdir() if path.is_dir()]
    assert len([path for path in leftovers if path.name != "locks"]) <= 1


@pytest.mark.parametrize("fmt", Format)
def test_a_flipped_byte_anywhere_in_a_small_version_is_found(tmp_path: Path, fmt: Format) -> None:
    dataset = Dataset(ref=DatasetRef("a", fmt), description="", owner="team:x", format=fmt)
    manifest = write_version(tmp_path, dataset, pa.table({"x": [1, 2, 3]}))
    file = tmp_path / manifest.location / manifest.files[0].path
    content = file.read_bytes()
    for position in range(len(content)):
        file.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        with pytest.raises(Corrupt):
            verify_version(tmp_path, manifest)
    file.write_bytes(content)
    verify_version(tmp_path, manifest)
