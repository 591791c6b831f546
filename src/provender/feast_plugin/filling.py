"""One view into the online store: which rows of which window, how far, and what is known of them afterwards."""

import time
from dataclasses import dataclass, replace
from datetime import datetime

from provender.core.clock import utc_now
from provender.core.digest import digest
from provender.core.policy import Action, Permit
from provender.core.serving import ServedView
from provender.core.training import ViewJoin
from provender.feast_plugin.terms import Terms
from provender.offline.latest import Latest, latest_rows
from provender.online import runs
from provender.online.arrow import BatchEncoder, Progress
from provender.online.coverage import Coverage, readable_by
from provender.online.runs import Interrupted, RunRecord
from provender.online.script import Expiry
from provender.online.store import OnlineStore
from provender.online.upkeep import EPOCH, Expect, Materialized


@dataclass(frozen=True, slots=True)
class Work:
    """What one view is materialised from, and into which layout.

    ``entity_key`` is the id of the secret by which entity ids are hashed; empty: they are not.
    """

    terms: Terms
    served: ServedView
    join: ViewJoin
    expiry: Expiry | None = None
    entity_key: str = ""

    def permit(self, purpose: str) -> Permit:
        """Return the permit to serve what comes out.

        Raises:
            Denied: the actor may not serve a column, be it a join key or a timestamp.
        """
        return self.terms.permit(Action.SERVE, [self.join.table], self.join.reads, purpose=purpose)

    def resume(self, covered: Coverage | None) -> datetime:
        """Return where to start so that nothing is missing, given what the rows online hold."""
        is_whole = covered is not None and covered.is_whole and self.continues(covered)
        return covered.end if covered is not None and is_whole else EPOCH

    def continues(self, covered: Coverage | None) -> bool:
        """Return whether the rows online are from the same source and in the same layout."""
        known = covered and (covered.source, covered.layout)
        return known == (self._source, self.layout)

    def coverage(self, start: datetime, end: datetime, epoch: str) -> Coverage:
        """Return what a run over a window wrote, in this ``epoch`` of the store."""
        return Coverage(
            source=self._source,
            layout=self.layout,
            start=start,
            end=end,
            readable=readable_by(self.served),
            epoch=epoch,
        )

    @property
    def _source(self) -> str:
        return str(self.join.table.version or "")

    @property
    def layout(self) -> str:
        """Changes whenever other columns, keys or types would be written."""
        keys = [(key.name, key.type) for key in self.served.join_keys]
        stamps = [self.join.event_timestamp, self.join.created_timestamp]
        columns = [self.join.keys, self.join.features, stamps]
        ends = [self.expiry.how, str(self.expiry.life)] if self.expiry else []
        return digest([self.served.fingerprint.hex(), self.entity_key, keys, columns, ends])


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledView:
    """The rows of one view on their way into one store."""

    store: OnlineStore
    project: str
    work: Work
    permit: Permit
    checkpoint_seconds: float
    skip_expired: bool = False
    progress: Progress | None = None
    expect: Expect | None = None

    def run(self, start: datetime, end: datetime, covered: Coverage | None) -> Materialized:
        """Write the latest rows from ``start`` to ``end``, both inclusive; ``covered`` is there already.

        Raises:
            Interrupted: the store was emptied or failed over twice.
        """
        began, name = time.perf_counter(), self.work.served.name
        try:
            done = self._attempt(start, end, covered)
        except Interrupted:
            self.store.keep_coverage(self.project, name, None)
            runs.forget(self.store, self.project, name)
            anew = min(start, self.work.resume(None)) if covered is not None else start
            done = replace(self._attempt(anew, end, None), restarts=1)
        return replace(done, seconds=time.perf_counter() - began)

    def _attempt(self, start: datetime, end: datetime, covered: Coverage | None) -> Materialized:
        work, name = self.work, self.work.served.name
        if not work.continues(covered):  # from now on the rows are a mixture, until this is done
            self.store.doubt_coverage(self.project, name)
        done = Materialized(view=name, start=start, end=end, source=work.join.table.version)
        before = self._unfinished(start, end)
        if before is not None:
            done = self._window(done, start, before.end, before)
        if before is None or before.end < end:
            done = self._window(done, before.end if before else start, end, None)
        runs.forget(self.store, self.project, name)
        return done

    def _unfinished(self, start: datetime, end: datetime) -> RunRecord | None:
        """Return the run that did not end and is a beginning of this one."""
        found = runs.unfinished(self.store, self.project, self.work.served.name)
        if found is None or found.layout != self.work.layout or not found.next_row:
            return None
        return found if found.start == start and found.end <= end else None

    def _window(
        self, done: Materialized, start: datetime, end: datetime, before: RunRecord | None
    ) -> Materialized:
        work, terms = self.work, self.work.terms
        with latest_rows(
            terms.materialization,
            work.join,
            self.permit,
            start=self._since(start),
            end=end,
            now=utc_now(),
        ) as latest:
            record = self._record(latest, start, end, before)
            if self.expect is not None:
                self.expect(latest.total, record.next_row)
            after = runs.fill(
                self.store,
                self._encoder(),
                self.project,
                record,
                latest.batches,
                resumable=latest.is_ordered and not self.skip_expired,
                expiry=work.expiry,
                progress=self.progress,
                seconds=self.checkpoint_seconds,
            )
            self._cover(start, end, after)
        return replace(
            done,
            read=done.read + latest.total - record.next_row + latest.null_keys,
            written=done.written + after.written - record.written,
            kept=done.kept + after.kept - record.kept,
            resumed=done.resumed + record.next_row,
            null_keys=done.null_keys + latest.null_keys,
            null_times=latest.null_times,
        )

    def _since(self, start: datetime) -> datetime:
        """Return where the window begins in which rows are not expired."""
        if not self.skip_expired or self.work.expiry is None:
            return start
        return max(start, self.work.expiry.vanished_before(utc_now()))

    def _record(
        self, latest: Latest, start: datetime, end: datetime, before: RunRecord | None
    ) -> RunRecord:
        if before is not None and latest.is_ordered and before.source == latest.source:
            return before
        return runs.begin(
            self.store, source=latest.source, layout=self.work.layout, start=start, end=end
        )

    def _cover(self, start: datetime, end: datetime, record: RunRecord) -> None:
        """Keep what the rows online hold now: this window, and that of runs before if it joins on.

        Where keys vanish by themselves, nothing is known of what was written before. The store is
        asked again afterwards: what is kept in one that was just emptied is not true.
        """
        name = self.work.served.name
        fades = bool(self.store.key_ttl_seconds)
        covered = None if fades else self.store.coverage(self.project, name)
        window = self.work.coverage(end if fades else start, end, record.epoch)
        self.store.keep_coverage(self.project, name, covered.then(window) if covered else window)
        try:
            runs.check(self.store, self.project, name, record)
        except Interrupted:
            self.store.keep_coverage(self.project, name, None)
            raise

    def _encoder(self) -> BatchEncoder:
        return BatchEncoder(
            self.project,
            self.work.served,
            event_timestamp="event_timestamp",
            created_timestamp="created_timestamp",
        )
