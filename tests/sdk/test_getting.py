"""The same data in another age or format."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pyarrow.csv as pa_csv
import pytest

from provender.core.audit import EventKind
from provender.core.datasets import Format
from provender.core.errors import Conflict, Denied, Gone, InvalidInput, NotFound, Stale
from provender.core.lifecycle import Step
from provender.core.retention import Retention
from provender.sdk import connect
from provender.settings import Settings
from provender.tables.convert import convert as convert_files
from tests.catalog.world import versions_of
from tests.sdk.conftest import ORDERS, Connect, orders
from tests.stress import times

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.sdk.test_getting", "provender.catalog.local", "deltalake"])


def convert(home: Path, fmt: str, pipe: Connection) -> None:
    """Make the version's other format when told to, and tell its digest."""
    with connect(settings=Settings(home=home, actor="person:sam")) as workspace:
        pipe.send("ready")
        pipe.recv()
        pipe.send(workspace.convert("shop.orders", fmt).version.manifest.digest)


def lose(home: Path, fmt: str, pipe: Connection) -> None:
    """Be killed when the files are there and nobody knows of them."""
    settings = Settings(home=home, actor="person:sam")
    with connect(settings=settings) as workspace:
        convert_files(settings.lake, workspace.version("shop.orders"), Format(fmt))
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def converting(
    home: Path, fmt: str, work: Callable[[Path, str, Connection], None] = convert
) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that does ``work``, forked from one that has imported what it needs; and how to talk to it."""
    ours, its = FORKS.Pipe()
    with ours, its:
        process = FORKS.Process(target=work, args=(home, fmt, its))
        process.start()
        yield process, ours
        process.kill()
        process.join()


def test_the_latest_is_got_or_the_one_that_is_named(acting: Connect) -> None:
    sam, ana = acting("sam"), acting("ana")
    sam.publish("shop.orders", orders(3))
    then = datetime.now(UTC)
    sam.publish("shop.orders", orders(4))
    assert ana.get("shop.orders").version.number == 2
    assert ana.get("shop.orders", version=1).version.number == 1
    assert ana.get("shop.orders@1").arrow().num_rows == 3
    assert ana.get("shop.orders", as_of=then).version.number == 1
    assert ana.get("shop.orders").arrow(["amount"]).column_names == ["amount"]
    frame = ana.get("shop.orders").pandas()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 4
    with pytest.raises(NotFound, match="had no version at"):
        ana.get("shop.orders", as_of=then - timedelta(days=1))
    with pytest.raises(InvalidInput, match="are two versions"):
        ana.get("shop.orders@1", version=2)
    with pytest.raises(InvalidInput, match="the same at any time"):
        ana.get("shop.orders@1", as_of=then)


def test_data_that_is_too_old_is_refused_by_its_last_event(acting: Connect) -> None:
    sam = acting("sam")
    recent = int(time.time()) - 3_600
    sam.publish("shop.orders", orders(2, first=recent))
    assert sam.get("shop.orders", max_age=timedelta(hours=2)).version.number == 1
    with pytest.raises(Stale, match=r"shop\.orders@1 is of .*, older than 30 min"):
        sam.get("shop.orders", max_age=timedelta(minutes=30))


def test_another_format_is_another_representation_of_the_same_version(acting: Connect) -> None:
    sam, ana = acting("sam"), acting("ana")
    made = sam.publish("shop.orders", orders(40))
    with pytest.raises(Denied):
        ana.get("shop.orders", format="arrow")
    for fmt in Format:
        if fmt is Format.CSV:
            continue  # it holds no lists
        got = sam.get("shop.orders", format=fmt)
        assert (got.version.ref, got.version.manifest.format) == (made.ref, fmt)
        assert got.version.manifest.logical_digest == made.manifest.logical_digest
        reread = ana.get("shop.orders", format=fmt)
        assert reread.version.manifest == replace(got.version.manifest, sums=())
        assert reread.arrow().to_pylist() == orders(40).to_pylist()
    assert [version.number for version in versions_of(sam.catalog, ORDERS)] == [1]
    assert set(ana.get("shop.orders").release.formats) == set(Format) - {Format.CSV}
    told = sam.catalog.records.audit_events(kind=EventKind.VERSION_REPRESENT)
    assert len(told) == len(Format) - 2
    with pytest.raises(InvalidInput, match="tags"):
        sam.get("shop.orders", format="csv")
    with pytest.raises(NotFound, match="format 'parkett' not found"):
        sam.get("shop.orders", format="parkett")


def test_files_are_pointed_at_with_permission_only(acting: Connect) -> None:
    sam, ana, max_ = acting("sam"), acting("ana"), acting("max")
    sam.publish("shop.orders", orders(3).drop(["tags"]))
    path = sam.get("shop.orders", format="csv").path
    assert path == ana.get("shop.orders", format="csv").files[0]
    assert pa_csv.read_csv(path).num_rows == 3
    assert ana.get("shop.orders").path.is_dir()
    reading = max_.get("shop.orders", format="csv")
    with pytest.raises(Denied):
        _ = reading.path
    with pytest.raises(Denied):
        reading.arrow()
    read = sam.catalog.records.audit_events(kind=EventKind.ACCESS_PERMIT, actor="person:ana")
    assert len(read) == 2


def test_what_to_mind_comes_with_the_version(acting: Connect) -> None:
    sam, ana = acting("sam"), acting("ana")
    sam.publish("shop.orders", orders(3))
    sam.catalog.desk.step(ORDERS.at(1), Step.DEPRECATE, reason="use the new ones")
    warnings = ana.get("shop.orders").warnings
    assert len(warnings) == 1
    assert "use the new ones" in warnings[0]
    assert sam.get("shop.orders", format="jsonl").warnings == warnings


def test_of_two_who_convert_at_once_both_get_the_one_that_is_made(
    home: Path, acting: Connect
) -> None:
    sam, fmt = acting("sam"), "delta"
    sam.publish("shop.orders", orders(200))
    with converting(home, fmt) as one, converting(home, fmt) as other:
        both = (one, other)
        assert [pipe.recv() for _, pipe in both] == ["ready", "ready"]
        for _, pipe in both:
            pipe.send("go")
        digests = {pipe.recv() for _, pipe in both}
        for process, _ in both:
            process.join(60)
        assert [process.exitcode for process, _ in both] == [0, 0]
    assert digests == {sam.get("shop.orders", format=fmt).version.manifest.digest}
    assert len(sam.catalog.records.audit_events(kind=EventKind.VERSION_REPRESENT)) == 1
    report = sam.fsck()
    assert report.findings == ()
    assert report.versions == 1


@pytest.mark.parametrize("fmt", ["delta", "avro"])
def test_what_a_killed_conversion_leaves_is_an_orphan_that_fsck_removes(
    home: Path, acting: Connect, fmt: str
) -> None:
    sam = acting("sam")
    sam.publish("shop.orders", orders(20))
    with converting(home, fmt, lose) as (process, _):
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    assert [finding.kind for finding in sam.fsck().findings][:1] == ["orphan"]
    assert all(finding.removed for finding in sam.fsck(remove=True).findings)
    assert sam.fsck().findings == ()
    assert sam.get("shop.orders", format=fmt).arrow().num_rows == 20
    assert sam.fsck().findings == ()


def test_a_conversion_killed_at_any_moment_leaves_the_version_whole(
    home: Path, acting: Connect
) -> None:
    sam = acting("sam")
    sam.publish("shop.orders", orders(20_000))
    chosen = random.Random(11)
    for _ in range(times(3)):
        with converting(home, "jsonl") as (process, pipe):
            assert pipe.recv() == "ready"
            pipe.send("go")
            time.sleep(chosen.random() * 0.5)
            process.kill()
        sam.fsck(remove=True)
        assert sam.fsck().findings == ()
        assert sam.read("shop.orders").num_rows == 20_000
    assert sam.get("shop.orders", format="jsonl").arrow().num_rows == 20_000


def test_a_representation_that_is_damaged_is_named(home: Path, acting: Connect) -> None:
    sam = acting("sam")
    sam.publish("shop.orders", orders(20))
    path = sam.get("shop.orders", format="arrow").path
    path.write_bytes(path.read_bytes()[:-1])
    (finding,) = sam.fsck().findings
    assert (finding.kind, finding.path) == ("damaged", path.resolve())
    assert sam.read("shop.orders").num_rows == 20


def test_rows_of_another_version_are_no_representation(acting: Connect) -> None:
    sam = acting("sam")
    one = sam.publish("shop.orders", orders(3))
    two = sam.publish("shop.orders", orders(4))
    with pytest.raises(Conflict, match="are not those of"):
        sam.catalog.represent(one.ref, two.manifest)


def test_with_its_data_a_version_loses_its_other_formats_and_no_other_version_does(
    home: Path, acting: Connect
) -> None:
    sam = acting("sam")
    for count in (3, 4):
        sam.publish("shop.orders", orders(count))
    tables = [sam.get(f"shop.orders@{number}", format="delta").path for number in (1, 2)]
    sam.catalog.desk.retention(ORDERS, Retention(keep_versions=1), expected=1, dry_run=False)
    sam.expire("shop.orders", dry_run=False)
    assert [table.exists() for table in tables] == [False, True]
    with pytest.raises(Gone):
        sam.get("shop.orders@1", format="delta")
    assert sam.get("shop.orders@2", format="delta").arrow().num_rows == 4
    assert sam.fsck().findings == ()
