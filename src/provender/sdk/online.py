"""Lookups in process: compiled once, called with keys of many kinds, answered as columns or rows.

A lookup looks for newly applied definitions, at most once a second, and is compiled again when
there are any, and every minute. What is refused then is refused until it is not any more. By the
policy of now, rows are handed out only if the catalog said yes by the policy that the word read
with them confirms (`online.assent`); by the policy as it was applied, a lookup goes on with
what it has while the catalog is down. `OnlineLookup.problem` says so.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from provender.core.clock import Clock, utc_now
from provender.core.errors import Denied, InvalidInput, NotFound, ProvenderError, Unavailable
from provender.core.leases import unconfirmed
from provender.online.assent import Assent
from provender.online.beside import LOOK_SECONDS, Beside
from provender.online.coverage import Completeness
from provender.online.epoch import Epoch
from provender.online.folio import BulkQuestion, Folios
from provender.online.journal import Ledger
from provender.online.leasing import Word
from provender.online.plan import LookupPlan
from provender.online.store import OnlineStore
from provender.online.stream import Stream
from provender.sdk.answers import Answer
from provender.sdk.asked import Lookable
from provender.sdk.rows import arrow_table

COMPILE_SECONDS = 60.0
TURNS = 5
"""How often rows are read at most until the policy did not change while they were."""
UNSETTLED = f"the policy changed {TURNS} times while rows were read"
Keys = Any
"""Join keys and request columns: a dict of lists, a list of dicts, an Arrow table or a frame."""


class OnlineLookup:
    """The features of a service, or a list of features: call it with the entities' keys."""

    def __init__(
        self,
        store: OnlineStore,
        project: str,
        compiled: Callable[[], Lookable],
        *,
        now: Clock,
        ticks: Callable[[], float] = time.monotonic,
        assent: Assent | None = None,
        ledger: Callable[[], Ledger] | None = None,
    ) -> None:
        self.problem = ""
        self._assent = assent
        self._ledger = ledger
        self._store = store
        self._project = project
        self._compiled = compiled
        self._now = now
        self._ticks = ticks
        self._looking = threading.Lock()
        self._looked = self._compiled_at = ticks()
        self._refusal: ProvenderError | None = None
        self._completeness = Completeness()
        self._epoch = Epoch(project, self._completeness.emptied, leased=assent is not None)
        since, seen = self._beside()
        self._digest = seen.digest if seen else None
        if assent is None:
            self._take()
        else:
            told = Word.of(seen.leased if seen else None).state
            assent.renew(told, self._take, is_public=False)
        self._see(seen, since=since)
        self._readers: WeakKeyDictionary[asyncio.AbstractEventLoop, Stream] = WeakKeyDictionary()

    def __repr__(self) -> str:
        plan = self.plan
        of = f"{plan.project}/{plan.service}" if plan.service else plan.project
        return f"OnlineLookup({of}, {len(plan.outputs)} features)"

    @property
    def plan(self) -> LookupPlan:
        """What the next call will do."""
        return self._folios.plan

    def __call__(self, keys: Keys, *, now: datetime | None = None) -> Answer:
        """Return the features of the entities with these ``keys``, as of ``now``.

        Raises:
            InvalidInput: a column is missing, of another length or of the wrong type.
            Denied: a feature is closed for serving, or to the actor, since the last call; or
                nobody confirms the policy, and not everybody may be served them.
            Stale: a value is staler than its view lets serve.
            Unavailable: the store does not answer.
        """
        self._look()
        columns, at = columns_of(keys), _instant(now) if now is not None else self._now()
        with self._counted(columns):
            self._check()
            for _ in range(TURNS):
                question = BulkQuestion(self._folios, columns, at)
                rows = self._store.read(question.keys, epoch=self._epoch)
                told = self._told()
                if self._stands(told) or not self._renew(told):
                    return self._answer(question, rows)
            raise unconfirmed(UNSETTLED)

    async def aio(self, keys: Keys, *, now: datetime | None = None) -> Answer:
        """Do as a call does, through connections of the running event loop."""
        if self._is_due():
            await asyncio.to_thread(self._look)
        columns, at = columns_of(keys), _instant(now) if now is not None else self._now()
        with self._counted(columns):
            self._check()
            for _ in range(TURNS):
                question = BulkQuestion(self._folios, columns, at)
                rows = await self._reader().read(question.keys)
                told = self._told()
                if self._stands(told) or not await asyncio.to_thread(self._renew, told):
                    return self._answer(question, rows)
            raise unconfirmed(UNSETTLED)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        reader = self._readers.pop(asyncio.get_running_loop(), None)
        if reader is not None:
            await reader.close()

    @contextmanager
    def _counted(self, columns: Mapping[str, Sequence[Any]]) -> Iterator[None]:
        """Count a lookup of the entities in ``columns`` that is refused in the block."""
        try:
            yield
        except (Denied, NotFound) as error:
            if self._ledger is not None and self._matter is not None:
                size = max(map(len, columns.values()), default=1)
                self._ledger().refused(self._matter, size, error)
            raise

    def _answer(self, question: BulkQuestion, rows: Sequence[bytes | None]) -> Answer:
        if self._ledger is not None and self._matter is not None:
            is_public = self._folios.plan.is_public
            self._ledger().served(self._matter, question.rows, is_public=is_public)
        judged = question.judge(rows)
        lost = self._completeness.lost
        reads = question.plan.reads if lost else ()
        incomplete = tuple(read.name for read in reads if read.view.name in lost)
        return Answer(judged, question.folios, question.sheets, question.now_us, incomplete)

    def _told(self) -> str:
        """Return the state of the policy that the word named which came with rows last."""
        return self._epoch.told.word.state

    def _stands(self, told: str) -> bool:
        return self._assent is None or self._assent.stands(told)

    def _renew(self, told: str) -> bool:
        """Ask the catalog anew; whether the rows have to be looked up again, by another plan.

        Raises:
            Denied, NotFound: the features are not served any more, or nobody says that they are.
        """
        if self._assent is None:
            return False
        try:
            return self._assent.renew(told, self._take, is_public=self.plan.is_public)
        except ProvenderError as error:
            self._refusal = None if self._assent.problem else error
            raise
        finally:
            self.problem = self._assent.problem

    def _reader(self) -> Stream:
        loop = asyncio.get_running_loop()
        if loop not in self._readers:
            self._readers[loop] = self._store.reader(epoch=self._epoch)
        return self._readers[loop]

    def _is_due(self) -> bool:
        return self._ticks() - self._looked >= LOOK_SECONDS

    def _check(self) -> None:
        """Return if nothing was refused when the plan was compiled last, and it is not over.

        Raises:
            NotFound, Denied: something was, or a permission has ended.
        """
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        self._folios.plan.still_open(utc_now())

    def _look(self) -> None:
        """Compile again if there is reason to; one thread looks, the others go on."""
        if not self._is_due() or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked = self._ticks()
            since, seen = self._beside()
            digest = seen.digest if seen else None
            changed = digest is not None and digest != self._digest
            old = self._looked - self._compiled_at >= COMPILE_SECONDS
            if changed or old or self._refusal:
                self._compile(digest or self._digest)
            self._see(seen, since=since)
        finally:
            self._looking.release()

    def _compile(self, digest: str | None) -> None:
        """Take up the definitions and permits of now; what refuses them stays until it is over."""
        try:
            if self._assent is None:
                self._take()
            elif not self._assent.renew(
                self._told(), self._take, is_public=self.plan.is_public, again=True
            ):
                self.problem = self._assent.problem
                return
        except Unavailable as error:
            self.problem = error.message
            return
        except ProvenderError as error:
            self._refusal = error
            return
        self._digest, self._compiled_at = digest, self._looked
        self._refusal, self.problem = None, ""

    def _take(self) -> None:
        found = self._compiled()
        self._folios, self._matter = Folios(found.plan, found.veils), found.matter

    def _beside(self) -> tuple[int, Beside | None]:
        """Return what lies beside the rows, and the epoch's changes before it was looked at.

        None where the store does not say: the read will tell.
        """
        since = self._epoch.changes
        try:
            return since, self._store.beside(self._project, deadline=LOOK_SECONDS)
        except Unavailable:
            return since, None

    def _see(self, seen: Beside | None, *, since: int) -> None:
        """Note which views may lack rows, unless answers showed meanwhile what is newer."""
        if seen is None:
            return
        with self._epoch.looked(seen.word, since=since) as is_news:
            if is_news:
                views = [read.view for read in self._folios.plan.reads]
                self._completeness.see(views, seen.covered)


def _instant(now: datetime) -> datetime:
    if not isinstance(now, datetime) or now.tzinfo is None:
        raise InvalidInput(
            f"now is {now!r:.60}, and no instant with a time zone",
            hint="give one, such as datetime(2023, 12, 30, 18, tzinfo=UTC)",
        )
    return now


def columns_of(keys: Keys) -> Mapping[str, Sequence[Any]]:
    """Return ``keys`` by column.

    Raises:
        InvalidInput: they are none of the kinds understood, or rows have different columns.
    """
    if isinstance(keys, Mapping):
        return keys
    if isinstance(keys, list):
        return _by_column(keys)
    table = arrow_table(keys)
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _by_column(rows: list[Any]) -> Mapping[str, Sequence[Any]]:
    if not rows:
        raise InvalidInput("there are no entities", hint="give at least one row of keys")
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping) or row.keys() != rows[0].keys():
            raise InvalidInput(
                f"row {position} is {row!r:.80}, which has not the columns of row 0, {rows[0]!r:.80}",
                hint="give a dict per entity, all with the same keys",
            )
    return {name: [row[name] for row in rows] for name in rows[0]}
