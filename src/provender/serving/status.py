"""What the server says about itself: whether it is well, whether it is ready, and its numbers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson

from provender.core.clock import utc_now
from provender.core.errors import ProvenderError
from provender.serving.callers import Callers
from provender.serving.lookuplog import LookupLog
from provender.serving.messages import RETRY, Request, Response
from provender.serving.metrics import CONTENT_TYPE, Metrics
from provender.serving.rights import Rights
from provender.serving.snapshot import Snapshots
from provender.serving.watch import Read, Seen, catalog_address, catalog_problem, store_problem

log = logging.getLogger(__name__)

UNTOLD = "lookups are not answered now; the log of the server says why"


class Status:
    """``GET /health``, ``/ready`` and ``/metrics``. `look` renews what the first tells."""

    def __init__(
        self,
        snapshots: Snapshots,
        metrics: Metrics,
        read: Read,
        gauges: Callable[[], dict[str, int]],
        *,
        store: str,
        catalog_url: str,
        callers: Callers,
        lookup_log: LookupLog | None = None,
        rights: Rights | None = None,
    ) -> None:
        self._callers = callers
        self._snapshots = snapshots
        self._metrics = metrics
        self._read = read
        self._gauges = gauges
        self._store = Seen(store)
        self._catalog = Seen(catalog_address(catalog_url)) if catalog_url else None
        self._catalog_url = catalog_url
        self._lookup_log = lookup_log
        self._rights = rights
        self._logged: dict[str, str] = {}

    async def look(self) -> None:
        """See whether store and catalog are there, and leave the numbers for other workers."""
        self._store.problem = await store_problem(self._read)
        if self._catalog is not None:
            self._catalog.problem = await asyncio.to_thread(catalog_problem, self._catalog_url)
        if self._callers.asks:
            self._log_problems()
        self._metrics.keep(**self._gauges())

    async def health(self, request: Request) -> Response:
        """Tell whether there is something to serve, and how it is with what that depends on.

        A store that is gone makes no bad server: whoever restarts servers asks here. Where the server
        wants to know who asks, nobody is told names, places and reasons, and without a token nothing but
        the status.
        """
        snapshot, catalog = self._snapshots.found, self._catalog
        rights = self._rights
        policy = {
            "leased": rights is not None,
            "problem": rights.tenure.problem if rights else "",
            "journal": rights.unwritten if rights else "",
        }
        problems = self._problems()
        well = not any(problems.values())
        state: dict[str, Any] = {
            "status": "unavailable" if snapshot is None else "ok" if well else "degraded",
            "project": self._snapshots.project,
            "store": self._store.to_dict(),
            "catalog": catalog.to_dict() if catalog else None,
            "snapshot": {
                "digest": snapshot.digest if snapshot else None,
                "compiled_at": snapshot.manifest.compiled_at.isoformat() if snapshot else None,
                "stale": bool(self._snapshots.problem),
                "problem": self._snapshots.problem,
            },
            "policy": policy,
            "incomplete": sorted(self._snapshots.lost),
            "on_demand": snapshot.problems if snapshot else {},
            "lookup_log": self._lookup_log.to_dict() if self._lookup_log else None,
        }
        if self._callers.asks:
            state = {"status": state["status"]}
            if self._is_known(request):
                state |= {part: {"ok": not problem} for part, problem in problems.items()}
        return Response(503 if snapshot is None else 200, orjson.dumps(state))

    async def ready(self, request: Request) -> Response:
        """Tell whether a lookup would be answered now: whoever sends requests asks here."""
        problem = "" if self._snapshots.found else self._snapshots.problem
        problem = problem or await store_problem(self._read)
        if not problem and self._rights is not None:
            problem = self._rights.problem
        if problem and self._callers.asks:
            problem = UNTOLD
        body = orjson.dumps({"ready": not problem, "problem": problem})
        return Response(503, body, headers=(RETRY,)) if problem else Response(200, body)

    def _problems(self) -> dict[str, str]:
        """What is wrong with what the server depends on, by its name; empty where nothing is."""
        found = {"store": self._store.problem, "snapshot": self._snapshots.problem}
        if self._catalog is not None:
            found["catalog"] = self._catalog.problem
        if self._rights is not None:
            found["policy"] = self._rights.problem
        return found

    def _log_problems(self) -> None:
        """Write down what `health` tells nobody, when it changes."""
        found = self._problems() | {"incomplete": ", ".join(sorted(self._snapshots.lost))}
        if self._lookup_log is not None:
            problems = self._lookup_log.to_dict()["problems"]
            found["lookup log"] = "; ".join(f"{what}: {why}" for what, why in problems.items())
        for part, problem in found.items():
            if problem != self._logged.get(part, ""):
                log.warning("%s: %s", part, problem or "it is well again")
        self._logged = found

    def _is_known(self, request: Request) -> bool:
        """Return whether who asks has a token in force."""
        try:
            self._callers.known(request)
        except ProvenderError:
            return False
        return True

    async def metrics(self, request: Request) -> Response:
        """Tell the numbers of all workers as Prometheus reads them."""
        snapshot = self._snapshots.found
        up = float(not self._store.problem)
        alone = [("store_up", "Whether the online store answers.", up)]
        if snapshot is not None:
            age = (utc_now() - snapshot.manifest.compiled_at).total_seconds()
            alone.append(("snapshot_age_seconds", "Since the serving manifest was compiled.", age))
        page = self._metrics.page(alone=alone, **self._gauges())
        return Response(200, page, content_type=CONTENT_TYPE)
