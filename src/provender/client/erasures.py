"""Erasures, asked over HTTP."""

from collections.abc import Sequence

from provender.client.wire import Wire
from provender.core.datasets import Listed
from provender.core.erasure import Dropped, Erasure, Found, Readers, Scope


class HttpErasures:
    """`core.erasure.Erasures` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def foresee(self, join_key: str, *, datasets: Sequence[str] = ()) -> Scope:
        """Return where values of ``join_key`` are; in ``datasets`` only, where some are named."""
        body = {"join_key": join_key, "datasets": datasets}
        return self._wire.send("POST", Scope, "foresight", "erasures", body=body, again=True)

    def readers(self, versions: Sequence[str]) -> Readers:
        """Return what rests on ``versions``, ``domain.name@version``, and would be named if they went."""
        body = {"versions": versions}
        return self._wire.send("POST", Readers, "foresight", "readers", body=body, again=True)

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
        body = {
            "join_key": join_key,
            "sought": sought,
            "key": key,
            "reason": reason,
            "datasets": datasets,
        }
        return self._wire.send("POST", Erasure, "erasures", body=body, again=True)

    def erase(self, identity: str, found: Found) -> Erasure:
        """Return an erasure after versions of a dataset went, and the next one took their place."""
        body = {"found": found}
        return self._wire.send("POST", Erasure, "erasures", identity, "erase", body=body)

    def finish(self, identity: str, *, online: Sequence[Dropped] = ()) -> Erasure:
        """Return the certificate of an erasure: it is done."""
        body = {"online": online}
        return self._wire.send("POST", Erasure, "erasures", identity, "finish", body=body)

    def erasure(self, identity: str) -> Erasure:
        """Return an erasure as far as it is."""
        return self._wire.get(Erasure, "erasures", identity)

    def erasures(self, *, limit: int = 50, after: str = "") -> Listed[Erasure]:
        """Return erasures, the last first."""
        return self._wire.listed(Erasure, "erasures", limit=limit, after=after)
