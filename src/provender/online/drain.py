"""What takes the journals of lookups to the catalog, and deletes what it has.

Killed anywhere, it goes on where it was: a segment is deleted after it was taken, and what was taken
already is taken for that, by its name. What cannot be read, or is nothing that the catalog knows, is put
aside, for somebody to look at: it must not keep the rest from being told. All else waits, also where
the catalog refuses: lookups are refused then, too, before long.
"""

import atexit
import fcntl
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provender.core.audit import Outcome
from provender.core.closing import Closing
from provender.core.errors import Corrupt, InvalidInput, ProvenderError
from provender.core.tally import MOST, Batch, Matter, Tally, portions
from provender.online.journal import CLOSED, OPEN, Backlog, Journal, Ledger
from provender.online.spool import flush_folder, make_private, whole_lines
from provender.values import from_json

log = logging.getLogger(__name__)
REFUSED = "refused"
BEAT = 0.2
"""Seconds between looks for closed segments."""
PAUSE = 1.0
"""Seconds until the catalog is asked again after it did not answer."""
FAILED_SECONDS = 5.0
BATCH_BYTES = 1 << 20
"""What the matters of a batch may take, but for one that is larger by itself."""
Key = tuple[str, bool, str]
"""What is alike: the text of a matter, whether it was allowed, and why not."""
Take = Callable[[Batch], None]
"""Hands a batch to the catalog; raises what it says where it does not take it."""


@dataclass(slots=True)
class Drain:
    """Takes what is in ``folder`` to where ``take`` leads. For one thread at a time."""

    folder: Path
    take: Take
    problem: str = field(default="", init=False)

    def once(self) -> int:
        """Take all closed segments, and those that killed processes left; return the lookups told.

        Raises:
            ProvenderError: the catalog does not answer, or takes nothing of us; all is still there.
        """
        adopt(self.folder)
        return sum(map(self._take, sorted(self.folder.glob(f"*{CLOSED}"))))

    def go_on(self, ended: threading.Event) -> None:
        """Do so again and again until it ``ended``; what is wrong is said once."""
        while not ended.wait(BEAT):
            said = ""
            try:
                self.once()
            except ProvenderError as error:
                said = error.message
            except Exception:
                log.exception("lookups in %s cannot be told", self.folder)
                ended.wait(FAILED_SECONDS)
            if said != self.problem:
                self.problem = said
                log.warning("lookups are %s", f"not told: {said}" if said else "told again")
            if said:
                ended.wait(PAUSE)

    def finish(self) -> None:
        """Take what there is, if the catalog answers; else who comes next does."""
        try:
            self.once()
        except ProvenderError as error:
            log.warning("lookups wait in %s: %s", self.folder, error.message)

    def _take(self, segment: Path) -> int:
        try:
            batches = list(batches_of(segment))
            for batch in batches:
                self.take(batch)
        except FileNotFoundError:  # another one was faster
            return 0
        except (InvalidInput, Corrupt) as error:
            self._put_aside(segment, error.message)
            return 0
        with suppress(FileNotFoundError):
            segment.unlink()
        return sum(tally.lookups for batch in batches for tally in batch.tallies)

    def _put_aside(self, segment: Path, why: str) -> None:
        make_private(self.folder / REFUSED)
        with suppress(FileNotFoundError):
            segment.rename(self.folder / REFUSED / segment.name)
            flush_folder(self.folder / REFUSED)
        log.error("lookups in %s were refused, and put into %s: %s", segment.name, REFUSED, why)


class Bookkeeping(Closing):
    """The ledger of lookups in this process, and the thread that takes what is in it to the catalog.

    What an earlier process left is taken first. It is closed when the process ends, at the latest.
    """

    def __init__(self, folder: Path, take: Take, *, backlog: Backlog, passes: bool) -> None:
        self._drain = Drain(folder, take)
        self._drain.finish()
        self.ledger = Ledger(Journal(folder, backlog=backlog), passes)
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._drain.go_on, args=(self._ended,), name="lookup-drain", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Take what is left to the catalog; where it does not answer, who comes next does."""
        self.ledger.journal.close()
        self._ended.set()
        self._thread.join()
        self._drain.finish()
        atexit.unregister(self.close)


def adopt(folder: Path) -> None:
    """Close what processes that are gone left open."""
    for path in folder.glob(f"*{OPEN}"):
        with suppress(FileNotFoundError):
            opened = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.rename(path.with_suffix(CLOSED))
            except BlockingIOError:  # it is being written
                continue
            finally:
                os.close(opened)


def batches_of(segment: Path) -> Iterator[Batch]:
    """Yield what a segment holds, what is alike added up, in the same batches each time."""
    found: dict[Key, Tally] = {}
    for tally, key in _tallies(segment.read_bytes()):
        before = found.get(key)
        found[key] = tally if before is None else _together(before, tally)
    taken = (part for some in _portions(found) for part in portions(some))
    for number, part in enumerate(taken):
        yield Batch(id=f"{segment.stem}.{number}", tallies=part)


def _portions(found: Mapping[Key, Tally]) -> Iterator[list[Tally]]:
    """Yield the tallies in lists that are neither long nor large."""
    some: list[Tally] = []
    size = 0
    for (text, _, _), tally in found.items():
        if some and (len(some) >= MOST or size + len(text) > BATCH_BYTES):
            yield some
            some, size = [], 0
        some.append(tally)
        size += len(text)
    if some:
        yield some


def _tallies(data: bytes) -> Iterator[tuple[Tally, Key]]:
    texts: dict[str, str] = {}
    matters: dict[str, Matter] = {}
    for line in whole_lines(data):
        news, told = json.loads(line)
        texts |= news
        matters |= {number: from_json(Matter, text) for number, text in news.items()}
        for number, *rest in told:
            tally = _tally(matters[number], rest)
            yield tally, (texts[number], tally.allowed, tally.because)


def _tally(matter: Matter, told: Iterable[Any]) -> Tally:
    verdict, because, lookups, entities, first, last, began, ended = told
    return Tally(
        matter=matter,
        allowed=verdict == Outcome.ALLOW,
        because=because,
        lookups=lookups,
        entities=entities,
        first=first,
        last=last,
        began=datetime.fromtimestamp(began, UTC),
        ended=datetime.fromtimestamp(ended, UTC),
    )


def _together(one: Tally, other: Tally) -> Tally:
    return replace(
        one,
        lookups=one.lookups + other.lookups,
        entities=one.entities + other.entities,
        last=other.last,
        ended=max(one.ended, other.ended),
    )
