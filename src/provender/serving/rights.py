"""Whether a lookup is answered by the policy of now, and that it is written down, either way.

Asked twice: before anything is looked at, of what the lease that is held refuses; and with the rows,
of the lease that the word beside them names.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from provender.core.clock import utc_now
from provender.core.errors import Denied, NotFound
from provender.online.journal import Ledger
from provender.online.leasing import Word
from provender.online.plan import LookupPlan
from provender.online.tenure import Held, Tenure

Rows = Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Rights:
    """What a server may answer, by the lease that ``tenure`` holds.

    What it decides is counted in the ``ledger``, None: nowhere.
    """

    tenure: Tenure
    ledger: Ledger | None = None

    @property
    def problem(self) -> str:
        """Why not everything that is open is answered; empty: it is."""
        return self.tenure.problem or self.unwritten

    @property
    def unwritten(self) -> str:
        """Why lookups cannot be written down; empty: they can, or are not to be."""
        return self.ledger.journal.problem if self.ledger is not None else ""

    async def check(self, plan: LookupPlan, bearer: str, entities: int) -> None:
        """Return if the lease that is held does not refuse the lookup, or the newest does not."""
        if self.tenure.refuses(plan, utc_now(), bearer):
            await asyncio.to_thread(self.tenure.renew)
            self._required(plan, bearer, entities, confirmed=True)

    async def left(
        self, plan: LookupPlan, stored: Rows, size: int, *, word: Word, bearer: str
    ) -> Rows:
        """Return what the lease of the ``word`` that came with rows leaves of them, ``size`` of each read.

        Raises:
            Denied: it leaves nothing, nobody confirms what is open, or it cannot be written down.
            NotFound, Unauthenticated: as `Tenure.require`.
        """
        if not stored:
            confirmed = not bearer or await asyncio.to_thread(self.tenure.confirm)
        else:
            confirmed = self.tenure.holds(word)
            if not confirmed and word.digest:
                confirmed = await asyncio.to_thread(self.tenure.renew, word)
        held = self._required(plan, bearer, size, confirmed=confirmed)
        if self.ledger is not None:
            self.ledger.served(held.matter, size, is_public=held.standing.is_public)
        return held.left(stored, size)

    def _required(self, plan: LookupPlan, bearer: str, entities: int, *, confirmed: bool) -> Held:
        """Return what the lease leaves; a refusal is counted."""
        try:
            return self.tenure.require(plan, utc_now(), confirmed=confirmed, bearer=bearer)
        except (Denied, NotFound) as error:
            held = self.tenure.held(plan, bearer)
            if self.ledger is not None and held is not None:
                self.ledger.refused(held.matter, entities, error)
            raise

    def close(self) -> None:
        """Write down what was counted."""
        if self.ledger is not None:
            self.ledger.journal.close()
