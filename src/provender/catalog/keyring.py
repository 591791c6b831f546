"""API tokens of one actor, in this process."""

from datetime import datetime

from provender.catalog import tokens
from provender.catalog.door import Door
from provender.catalog.records import check_limit
from provender.core.datasets import Listed
from provender.core.limits import EVERY, NO_LIMITS, Limits
from provender.core.tokens import IssuedToken, Token


class LocalKeyring:
    """`core.tokens.Keyring` in this process."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def create(
        self,
        name: str,
        *,
        actor: str | None = None,
        limits: Limits = NO_LIMITS,
        until: datetime | None = None,
    ) -> IssuedToken:
        """Return a new token, for the catalog's own actor or a service, with its secret."""
        with self._door.writing(EVERY) as (db, change):
            return tokens.create(
                db,
                self._door.who(db),
                name=name,
                actor=actor or self._door.actor,
                limits=limits,
                until=until,
                within=self._door.identity,
                change=change,
            )

    def tokens(self, *, limit: int = 50, after: str = "") -> Listed[Token]:
        """Return the actor's own tokens, oldest first; all there are, to who governs.

        A limited token sees itself, and those that it could make and end.
        """
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            within = self._door.identity
            found = tokens.listed(db, who, within=within, limit=limit + 1, after=after, now=now)
        shown = tuple(found[:limit])
        return Listed(shown, shown[-1].id if len(found) > limit else None)

    def revoke(self, identity: str) -> Token:
        """End a token now: it opens nothing at the next request."""
        with self._door.writing(EVERY, own=identity) as (db, change):
            who, within = self._door.who(db), self._door.identity
            return tokens.revoke(db, who, identity, within=within, change=change)

    def rotate(self, identity: str) -> IssuedToken:
        """Return a token in place of another, which is over now."""
        with self._door.writing(EVERY, own=identity) as (db, change):
            who, within = self._door.who(db), self._door.identity
            return tokens.rotate(db, who, identity, within=within, change=change)
