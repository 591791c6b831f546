"""Who asks the server: everybody who reaches it, or whoever has a token that the policy lease knows.

Nothing is asked of anybody: tokens are looked up by their digests in the lease that is held, which
is confirmed with the rows that a lookup reads.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Protocol

from provender.core.clock import utc_now
from provender.core.errors import ProvenderError, Unauthenticated
from provender.core.leases import absent
from provender.core.serving import SERVER
from provender.core.tokens import sealed
from provender.online.tenure import Tenure
from provender.serving.messages import Request
from provender.serving.snapshot import Snapshot
from provender.serving.wire import FeaturesRequest

BEARER = re.compile(rb"bearer +(pvd_[A-Za-z0-9_-]{43})\Z", re.IGNORECASE)
KEPT = 1000
"""Headers whose digests are kept: of tokens that are known only."""


class Callers(Protocol):
    """What tells who sent a request. ``asks`` whether it wants to know."""

    asks: bool

    def known(self, request: Request) -> str:
        """Return what the lease calls who sent ``request``; nothing, where nobody is asked.

        Raises:
            Unauthenticated: nobody in force.
        """
        ...

    async def check_writing(self, request: Request, views: Sequence[str]) -> None:
        """Return if who sent ``request`` may write rows to ``views``, as far as that is theirs to say."""
        ...

    def unplanned(
        self, request: Request, snapshot: Snapshot, asked: FeaturesRequest, error: ProvenderError
    ) -> ProvenderError:
        """Return what is told where there is no plan for what was ``asked``, because of ``error``."""
        ...


class Everybody:
    """Takes whoever reaches the server for the server itself."""

    asks = False

    def known(self, request: Request) -> str:
        return ""

    async def check_writing(self, request: Request, views: Sequence[str]) -> None:
        """What the server may write is in its manifest."""

    def unplanned(
        self, request: Request, snapshot: Snapshot, asked: FeaturesRequest, error: ProvenderError
    ) -> ProvenderError:
        return error


class Bearers:
    """Takes nobody for anybody without a token of the lease that ``tenure`` holds."""

    asks = True

    def __init__(self, tenure: Tenure) -> None:
        self._tenure = tenure
        self._sealed: dict[bytes, str] = {}

    def known(self, request: Request) -> str:
        header = request.headers.get(b"authorization", b"")
        bearer = self._sealed.get(header) or _sealed(header)
        lease = self._tenure.lease
        if lease is None:
            raise Unauthenticated(
                f"whose token that is cannot be told: {self._tenure.problem}", hint="try again"
            )
        lease.check(bearer, utc_now())
        if header not in self._sealed:
            if len(self._sealed) >= KEPT:
                self._sealed.clear()
            self._sealed[header] = bearer
        return bearer

    async def check_writing(self, request: Request, views: Sequence[str]) -> None:
        now = utc_now()
        await asyncio.to_thread(self._tenure.check_writing, views, request.bearer, now)

    def unplanned(
        self, request: Request, snapshot: Snapshot, asked: FeaturesRequest, error: ProvenderError
    ) -> ProvenderError:
        """What is wrong with features is for who may know of all of them."""
        lease = self._tenure.lease
        ruling = lease.ruling(request.bearer, SERVER) if lease else None
        try:
            refs = snapshot.refs(asked)
        except ProvenderError:
            return absent() if asked.service else error
        return error if ruling is not None and ruling.knows(refs) else absent()


def _sealed(header: bytes) -> str:
    found = BEARER.match(header)
    if found is None:
        raise Unauthenticated(
            "this server wants to know who asks, and the request has no API token",
            hint="send Authorization: Bearer pvd_…; provender token create --action serve makes one",
        )
    return sealed(found[1].decode())
