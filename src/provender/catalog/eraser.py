"""Erasures in this process."""

from collections.abc import Sequence

from provender.catalog import erasures, resting, whereabouts
from provender.catalog.door import Door
from provender.catalog.records import check_limit
from provender.core.datasets import Listed
from provender.core.erasure import Dropped, Erasure, Found, Readers, Scope
from provender.core.policy import Action


class LocalErasures:
    """`core.erasure.Erasures` in this process."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def foresee(self, join_key: str, *, datasets: Sequence[str] = ()) -> Scope:
        """Return where values of ``join_key`` are; in ``datasets`` only, where some are named."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return whereabouts.foresee(db, who, join_key, datasets, now=now)

    def readers(self, versions: Sequence[str]) -> Readers:
        """Return what rests on ``versions``, ``domain.name@version``, and would be named if they went."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return resting.readers(db, who, versions, now=now)

    def begin(
        self,
        join_key: str,
        sought: Sequence[str],
        *,
        key: str,
        reason: str,
        datasets: Sequence[str] = (),
    ) -> Erasure:
        """Return a new erasure; one that is not done, of the same subject and places, as it is."""
        with self._door.writing(Action.GOVERN) as (db, change):
            return erasures.begin(
                db,
                self._door.who(db),
                join_key,
                sought,
                key=key,
                reason=reason,
                datasets=datasets,
                change=change,
            )

    def erase(self, identity: str, found: Found) -> Erasure:
        """Return an erasure after versions of a dataset went, and the next one took their place."""
        with self._door.writing(Action.GOVERN) as (db, change):
            return erasures.erase(db, self._door.who(db), identity, found, change=change)

    def finish(self, identity: str, *, online: Sequence[Dropped] = ()) -> Erasure:
        """Return the certificate of an erasure: it is done."""
        with self._door.writing(Action.GOVERN) as (db, change):
            return erasures.finish(db, self._door.who(db), identity, online, change=change)

    def erasure(self, identity: str) -> Erasure:
        """Return an erasure as far as it is."""
        with self._door.reading() as db:
            return erasures.get(db, self._door.who(db), identity, now=self._door.clock())

    def erasures(self, *, limit: int = 50, after: str = "") -> Listed[Erasure]:
        """Return erasures, the last first."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return erasures.listed(db, who, limit=limit, after=after, now=now)
