"""Running the online server: sockets first, so that a taken port is an error and not a retry."""

import socket
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from provender.core.clock import frozen_at, utc_now
from provender.core.errors import Misconfigured, Unavailable
from provender.core.features import OnDemandSpec
from provender.core.leases import Unconfirmed
from provender.online.journal import Backlog, Journal, Ledger, journal_of_servers
from provender.online.secrets import KEYRING
from provender.online.store import OnlineStore
from provender.online.tenure import Tenure
from provender.serving.app import OnlineApp
from provender.serving.aside import Timed
from provender.serving.callers import Bearers, Everybody
from provender.serving.compat import Compat
from provender.serving.jobs import Jobs
from provender.serving.limits import Limits, fitting
from provender.serving.lookuplog import LogOptions, LookupLog
from provender.serving.metrics import Metrics
from provender.serving.pushes import Pushes
from provender.serving.rights import Rights
from provender.serving.snapshot import Snapshots, choose_project
from provender.serving.worker import BACKLOG, answer_requests, ending_on_signals
from provender.serving.workers import Workers
from provender.transforms import Transform, load_transform

LIMITS = Limits()
COMPAT = Compat()
NO_LOG = LogOptions(rate=0)
MANIFESTS = "serving"
"""The folder of the last good manifests, in the home."""
PORT = 6566
"""Feast's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a worker makes its application from: values only, so that it travels to a process.

    ``home`` keeps the last good manifest; ``repo`` holds the modules of on-demand functions;
    a ``clock`` freezes the time of lookups. Workers put their numbers in the folder ``board``.
    ``leased`` says that a policy lease decides what is served, and what is without one; None: the
    manifest decides, by the policy as it was when features were applied. What the lease decides is
    written down, of which a ``backlog`` may wait for the catalog (None: nothing is); where it cannot
    be, what is public is served if ``unrecorded`` says so. Where it is ``governed`` whoever asks
    needs a token that the lease knows.
    """

    url: str
    project: str
    home: Path
    repo: Path
    clock: datetime | None = None
    limits: Limits = LIMITS
    catalog_url: str = ""
    compat: Compat = COMPAT
    log: LogOptions = NO_LOG
    leased: Unconfirmed | None = None
    backlog: Backlog | None = None
    unrecorded: bool = False
    governed: bool = False
    slot: int = 0
    board: Path | None = None

    def of_slot(self, slot: int) -> "Application":
        """Return what worker number ``slot`` makes its application from."""
        return replace(self, slot=slot)

    def __call__(self) -> OnlineApp:
        """Return the application, with a store of its own; nothing is connected yet."""
        KEYRING.look_in(self.home / "secrets")
        store = OnlineStore(self.url)
        tenure = Tenure(store, self.project, without=self.leased) if self.leased else None
        folder = self.home / MANIFESTS
        snapshots = Snapshots(store, self.project, folder, self._load, tenure=tenure)
        callers = Bearers(tenure) if self.governed and tenure else Everybody()
        rights = Rights(tenure, self._ledger()) if tenure else None
        now = frozen_at(self.clock) if self.clock else utc_now
        metrics = Metrics(self.board / f"{self.slot}.json" if self.board else None)
        logged = not self.log.is_off
        return OnlineApp(
            store,
            snapshots,
            now=now,
            limits=self.limits,
            jobs=Jobs(snapshots, home=self.home, repo=self.repo, callers=callers),
            pushes=Pushes(home=self.home, repo=self.repo, seconds=self.limits.append_seconds),
            compat=self.compat,
            replaying=self.clock is not None,
            metrics=metrics,
            catalog_url=self.catalog_url,
            lookup_log=LookupLog(self.home, self.project, self.log, metrics) if logged else None,
            callers=callers,
            rights=rights,
        )

    def _ledger(self) -> Ledger | None:
        if self.backlog is None:
            return None
        journal = Journal(journal_of_servers(self.home), backlog=self.backlog)
        return Ledger(journal, passes=self.unrecorded)

    def _load(self, spec: OnDemandSpec) -> Transform:
        return Timed(load_transform(spec, self.repo))


def application(
    url: str,
    *,
    project: str = "",
    home: Path,
    repo: Path,
    clock: datetime | None = None,
    limits: Limits = LIMITS,
    catalog_url: str = "",
    compat: Compat = COMPAT,
    log: LogOptions = NO_LOG,
    leased: Unconfirmed | None = None,
    backlog: Backlog | None = None,
    unrecorded: bool = False,
    governed: bool = False,
) -> Application:
    """Return the application of ``project``, or of the only project that has a manifest.

    Raises:
        NotFound, InvalidInput, Unavailable: as `choose_project`.
        Misconfigured: it is to know who asks, without a policy lease that says who.
    """
    if governed and leased is None:
        raise Misconfigured(
            "a governed server knows who asks by the policy of now, which it is not served by",
            hint="set PROVENDER_ONLINE_POLICY=live and name a catalog, or PROVENDER_MODE=local",
        )
    with OnlineStore(url) as store:
        chosen = choose_project(store, project, home / MANIFESTS)
    return Application(
        url=url,
        project=chosen,
        home=home,
        repo=repo,
        clock=clock,
        limits=limits,
        catalog_url=catalog_url,
        compat=compat,
        log=log,
        leased=leased,
        backlog=backlog,
        unrecorded=unrecorded,
        governed=governed,
    )


def serve(
    make: Application,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    uds: Path | None = None,
    workers: int = 1,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Answer requests until a signal ends it; ``ready`` is told the address beforehand.

    Raises:
        Unavailable: the port or the socket is taken, or may not be used.
    """
    make = replace(make, limits=fitting(make.limits))
    listeners = [_listen_at(uds)] * workers if uds else _listen(host, port, workers)
    try:
        with ending_on_signals() as ending:
            if ready is not None:
                ready(_address(listeners[0]))
            if workers == 1:
                answer_requests(make, listeners[0], [ending])
            else:
                with tempfile.TemporaryDirectory(prefix="provender-online-") as board:
                    shared = replace(make, board=Path(board))
                    Workers(shared.of_slot, listeners).run(ending)
    finally:
        for listener in listeners:
            listener.close()
        if uds:
            uds.unlink(missing_ok=True)


def _listen(host: str, port: int, workers: int) -> list[socket.socket]:
    """Return a socket per worker, all on one port.

    The first is bound for itself, so that a port which others use, our own servers too, is an
    error; then it is shared.
    """
    first = _bound(host, port, shared=False)
    if workers == 1:
        return [first]
    taken = first.getsockname()[1]
    first.close()
    return [_bound(host, taken, shared=True) for _ in range(workers)]


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="stop the program that uses it, or choose another port",
        ) from error
    return listener


def _listen_at(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if _is_dead_socket(path):
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen at {path}: {error.strerror or error}",
            hint="stop the program that uses it, or choose another path",
        ) from error
    listener.listen(BACKLOG)
    return listener


def _is_dead_socket(path: Path) -> bool:
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return bool(probe.connect_ex(str(path)))


def _address(listener: socket.socket) -> str:
    name: Any = listener.getsockname()
    if listener.family is socket.AF_UNIX:
        return f"unix://{name}"
    host = f"[{name[0]}]" if listener.family is socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"
