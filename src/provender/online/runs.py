"""How far a run that fills the online store has come, kept in the store beside its rows.

A record says that all rows before ``next_row`` are acknowledged. It was written after them to
the same store, so where it survives a crash they do, too, and a run that was killed goes on
there. While a run lasts, the store may be emptied or fail over: rows that were acknowledged are
gone then, and only some of them. A store's `State` tells: it is another one afterwards. On a
cluster, where each node lives its own life, records count only in the life they are of.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

import pyarrow as pa

from provender.core.errors import Corrupt, Unavailable
from provender.online.arrow import BatchEncoder, Progress
from provender.online.beside import run_key
from provender.online.bulk import Writer
from provender.online.options import Topology
from provender.online.script import Expiry
from provender.online.state import State
from provender.online.store import OnlineStore
from provender.values import from_json, to_json

CHECKPOINT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run over one view: which rows it writes, of which window, and how far it is.

    ``source`` is what the rows are read from and ``layout`` what is made of them; where both
    and the window are the same, row ``next_row`` is the same row.
    """

    run: str
    source: str
    layout: str
    start: datetime
    end: datetime
    epoch: str
    replid: str
    next_row: int = 0
    written: int = 0
    kept: int = 0

    @property
    def life(self) -> State:
        return State(self.epoch, self.replid)


class Interrupted(Unavailable):
    """The store was emptied or failed over while a run lasted: rows that it wrote may be gone."""


def begin(
    store: OnlineStore, *, source: str, layout: str, start: datetime, end: datetime
) -> RunRecord:
    """Return the record of a run that has not begun."""
    now = store.state()
    return RunRecord(
        run=uuid4().hex,
        source=source,
        layout=layout,
        start=start,
        end=end,
        epoch=now.epoch,
        replid=now.replid,
    )


def unfinished(store: OnlineStore, project: str, view: str) -> RunRecord | None:
    """Return the record of a run over ``view`` that did not end, if the rows it wrote are there still."""
    with store.commands() as client:
        text = client.hget(run_key(project), view)
    try:
        found = from_json(RunRecord, text) if text else None
    except Corrupt:
        return None
    if found is None:
        return None
    now = store.state()
    lives = (found.epoch, now.epoch)
    if store.options.topology is Topology.CLUSTER:
        lives = (found.epoch + found.replid, now.epoch + now.replid)
    return replace(found, epoch=now.epoch, replid=now.replid) if lives[0] == lives[1] else None


def remember(store: OnlineStore, project: str, view: str, record: RunRecord) -> None:
    """Keep ``record`` as the run over ``view`` that did not end yet."""
    with store.commands() as client:
        client.hset(run_key(project), view, to_json(record))


def forget(store: OnlineStore, project: str, view: str) -> None:
    """Keep no run over ``view``: it ended, or must not be gone on with."""
    with store.commands() as client:
        client.hdel(run_key(project), view)


def check(store: OnlineStore, project: str, view: str, record: RunRecord) -> None:
    """Raise Interrupted unless the store has all that ``record`` says was written."""
    with store.commands() as client:
        is_known = client.hget(run_key(project), view) is not None
    if store.state() != record.life or not is_known:
        raise Interrupted(
            f"the online store at {store.options.address} was emptied, restarted or failed over "
            f"while {view} was written",
            hint="run it again once the store is steady: provender features materialize",
        )


def fill(
    store: OnlineStore,
    encoder: BatchEncoder,
    project: str,
    record: RunRecord,
    batches: Callable[[int], Iterable[pa.RecordBatch]],
    *,
    resumable: bool = True,
    expiry: Expiry | None = None,
    progress: Progress | None = None,
    seconds: float = CHECKPOINT_SECONDS,
) -> RunRecord:
    """Write the rows from ``record.next_row`` on; return the record of all of them.

    ``batches`` gives the rows from a number on. About every ``seconds`` it is remembered how far
    the run is; where rows are ``resumable``. The record stays, for `finish`.

    Raises:
        Interrupted: the store was emptied or failed over meanwhile.
        Conflict: the view is defined otherwise by now.
        InvalidInput: a column does not fit.
        Unavailable: the store does not answer; running again goes on where it was.
    """
    view, rows = encoder.view.name, 0
    store.claim(project, encoder.view, newest=True)
    remember(store, project, view, record)
    due = time.monotonic() + seconds

    def settled(writer: Writer) -> RunRecord:
        done = writer.settle()
        check(store, project, view, record)
        store.claim(project, encoder.view)
        after = replace(
            record,
            next_row=record.next_row + rows,
            written=record.written + done.written,
            kept=record.kept + done.kept,
        )
        remember(store, project, view, after if resumable else replace(after, next_row=0))
        return after

    with store.writer(expiry=expiry) as writer:
        for batch in batches(record.next_row):
            writer.send(encoder.frame(batch))
            rows += batch.num_rows
            if progress is not None:
                progress(batch.num_rows)
            if time.monotonic() >= due:
                record, rows, due = settled(writer), 0, time.monotonic() + seconds
        return settled(writer)
