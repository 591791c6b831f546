"""Whether the rows online are those that filling the store would write, key by key.

Offline rows come in Arrow batches; each is encoded as it would be written, and compared with
what is stored. A stored row that is newer was pushed and is no fault. Rows of keys that offline
knows nothing of are orphans, unless they are newer than everything offline: those were pushed,
too. An orphan may have been pushed as well, before offline had something newer: nobody can tell
it from a row that offline has no more. For that each offline key is remembered by 8 bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provender.core.clock import Clock, utc_now
from provender.core.serving import ServedView
from provender.online.arrow import BatchEncoder
from provender.online.codec import RowCodec, key_prefix
from provender.online.script import FOREVER, NEVER, Expiry
from provender.online.skew import CLOCK_SKEW, is_ahead
from provender.online.store import OnlineStore

READ_KEYS = 5_000
"""So many rows are read at once: the store answers others in between."""
Times = tuple[datetime, datetime]


@dataclass(slots=True, kw_only=True)
class Parity:
    """How many keys were compared and what was found; ``orphans`` is None where nobody looked.

    ``older`` rows are stored of an earlier time than offline has; ``different`` ones are of the
    same time with other values; those of an ``other_layout`` cannot be read. Rows ``ahead`` are of
    a time after now, so that nothing replaces them. ``expired`` ones are not stored any more, as
    was configured.
    """

    view: str
    keys: int = 0
    compared: int = 0
    equal: int = 0
    missing: int = 0
    older: int = 0
    newer: int = 0
    ahead: int = 0
    different: int = 0
    other_layout: int = 0
    expired: int = 0
    orphans: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everybody who asks gets what offline knows, or what was pushed since."""
        wrong = (self.missing, self.older, self.ahead, self.different, self.other_layout)
        return not any(wrong) and not self.orphans


@dataclass(slots=True)
class Comparison:
    """One view's rows in one store, at ``now``, beside the batches that filling it would write.

    ``ahead`` are the keys and rows of which `Parity` says so.
    """

    store: OnlineStore
    project: str
    view: ServedView
    now: datetime
    expiry: Expiry = FOREVER
    clock: Clock = utc_now
    ahead: list[tuple[bytes, bytes]] = field(init=False, default_factory=list)
    parity: Parity = field(init=False)
    _encoder: BatchEncoder = field(init=False)
    _codec: RowCodec = field(init=False)
    _known: list[NDArray[np.int64]] = field(init=False, default_factory=list)
    _newest: Times = field(init=False, default=(NEVER, NEVER))
    _vanished: datetime = field(init=False, default=NEVER)

    def __post_init__(self) -> None:
        self.parity = Parity(view=self.view.name)
        self._encoder = BatchEncoder(
            self.project,
            self.view,
            event_timestamp="event_timestamp",
            created_timestamp="created_timestamp",
        )
        self._codec = RowCodec(self.view)

    def compare(self, batch: pa.RecordBatch) -> None:
        """Count how the stored rows of the keys in ``batch`` compare with it.

        Raises:
            InvalidInput: a column does not fit.
            Unavailable: the store does not answer.
        """
        encoded = self._encoder.encode(batch)
        self.parity.compared += len(encoded.keys)
        self._known.append(_digests(encoded.keys))
        for start in range(0, len(encoded.keys), READ_KEYS):
            keys = encoded.keys[start : start + READ_KEYS]
            rows = encoded.rows[start : start + READ_KEYS]
            found = self.store.read(keys)
            self._vanished = self.expiry.vanished_before(self.clock() + CLOCK_SKEW)
            for key, ours, stored in zip(keys, rows, found, strict=True):
                self._count(key, ours, stored)

    def orphans(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the keys of orphans with their rows, once all batches were compared; they are counted, too.

        Raises:
            Unavailable: the store does not answer.
        """
        known = np.sort(np.concatenate([*self._known, np.empty(0, np.int64)]))
        self.parity.orphans = 0
        with self.store.commands() as client:
            found = client.scan_iter(
                match=key_prefix(self.project, self.view.name) + b"{*", count=1_000
            )
            while keys := list(islice(found, READ_KEYS)):
                asked = _digests(keys)
                at = np.minimum(np.searchsorted(known, asked), max(0, known.size - 1))
                strange = known[at] != asked if known.size else np.ones(len(keys), np.bool_)
                orphans = self._old([keys[number] for number in np.flatnonzero(strange)])
                self.parity.orphans += len(orphans)
                if orphans:
                    yield orphans

    def _count(self, key: bytes, ours: bytes, stored: bytes | None) -> None:
        parity, here = self.parity, self._times(key, ours)
        if here is not None:
            self._newest = max(self._newest, here)
        there = None if stored is None else self._times(key, stored)
        if stored == ours:
            parity.equal += 1
        elif stored is None and here is not None and here[0] < self._vanished:
            parity.expired += 1
        elif stored is None:
            parity.missing += 1
        elif there is None or here is None:
            parity.other_layout += 1
        elif there == here:
            parity.different += 1
        elif there > here:
            self._count_newer(key, stored, there)
        else:
            parity.older += 1

    def _count_newer(self, key: bytes, row: bytes, times: Times) -> None:
        if is_ahead(max(times), self.now):
            self.parity.ahead += 1
            self.ahead.append((key, row))
        else:
            self.parity.newer += 1

    def _old(self, strange: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return those of keys that offline lacks whose rows are not newer than all of it; count the others."""
        old = []
        for key, row in zip(strange, self.store.read(strange), strict=True):
            if row is None:
                continue
            times = self._times(key, row)
            if times is not None and times > self._newest:
                self._count_newer(key, row, times)
            else:
                old.append((key, row))
        return old

    def _times(self, key: bytes, row: bytes) -> Times | None:
        """Return the instants by which rows of one key are ordered; None of a row of another layout."""
        found = self._codec.decode(key, row)
        return (found.event_timestamp, found.created_timestamp or NEVER) if found else None


def _digests(keys: list[bytes]) -> NDArray[np.int64]:
    """Return 8 bytes for each key; two keys with the same ones make an orphan be overlooked, no more."""
    return np.fromiter(map(hash, keys), np.int64, len(keys))
