"""What the server serves: the manifest published last, compiled, and swapped as one reference.

A manifest that cannot be fetched or read changes nothing: the last good one goes on, and
`Snapshots.problem` says why. A copy on disk serves a start while the store does not answer.
"""

import contextlib
import logging
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote, unquote

from provender.core.errors import Denied, InvalidInput, NotFound, ProvenderError, Unavailable
from provender.core.features import OnDemandSpec
from provender.core.names import FeatureRef, unknown
from provender.core.serving import ServingManifest
from provender.online.beside import LOOK_SECONDS, Beside
from provender.online.columns import ColumnEncoder
from provender.online.coverage import Completeness
from provender.online.epoch import Epoch
from provender.online.leasing import Word
from provender.online.manifests import read_manifest
from provender.online.plan import LookupPlan, Transform, Values, compile_plan
from provender.online.store import OnlineStore
from provender.online.tenure import Tenure
from provender.serving.wire import FeaturesRequest
from provender.values import to_json

log = logging.getLogger(__name__)
PLANS = 1000
"""Compiled plans kept; a client that asks for ever other lists costs time, not memory."""
OUTPUTS = 200_000
"""Features of all compiled plans kept: lists may be long. The plan asked for last is kept anyway."""
LISTS = 100
"""Feature lists asked for last that are compiled again before a swap, so that nobody waits."""

MISSPELT = 0.8
"""How like a project that is there a name has to be, to be taken for a mistake."""

LoadTransform = Callable[[OnDemandSpec], Transform]
PlanKey = tuple[str, tuple[str, ...], bool]


@dataclass(slots=True)
class Snapshot:
    """One manifest with all that is compiled from it. ``problems`` are of on-demand functions.

    Where it is ``leased``, a policy lease decides what is served of it.
    """

    manifest: ServingManifest
    digest: str
    transforms: dict[str, Transform]
    problems: dict[str, str]
    leased: bool = False
    _plans: OrderedDict[PlanKey, LookupPlan] = field(default_factory=OrderedDict)
    _encoders: dict[str, ColumnEncoder] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        manifest: ServingManifest,
        load: LoadTransform,
        *,
        before: "Snapshot | None" = None,
        leased: bool = False,
    ) -> "Snapshot":
        """Return the snapshot of ``manifest``; a function that cannot be loaded is refused later.

        Plans are compiled for all services, and for the lists that were asked of the one ``before``.
        """
        transforms: dict[str, Transform] = {}
        problems: dict[str, str] = {}
        for spec in manifest.on_demand:
            try:
                transforms[spec.name] = load(spec)
            except ProvenderError as error:
                problems[spec.name] = error.message
                transforms[spec.name] = _refusing(error)
        made = cls(manifest, manifest.digest, transforms, problems, leased)
        made._prepare(before.asked_last(LISTS) if before else ())
        return made

    def is_like(self, other: "Snapshot") -> bool:
        """Whether both answer the same: of one manifest, with the same functions."""
        return (self.digest, self.problems) == (other.digest, other.problems)

    def asked_last(self, count: int) -> list[PlanKey]:
        """Return what was asked for last, at most ``count``, the last one last."""
        return list(self._plans)[-count:]

    def _prepare(self, asked: Iterable[PlanKey]) -> None:
        """Compile what will be asked for; what cannot be is refused when it is."""
        services = [
            (service.name, (), full) for service in self.manifest.services for full in (True, False)
        ]
        for key in dict.fromkeys((*services, *asked)):
            with contextlib.suppress(ProvenderError):
                self._plan(key)

    def plan(self, request: FeaturesRequest) -> LookupPlan:
        """Return the compiled plan that answers ``request``.

        Raises:
            NotFound, Denied, InvalidInput: as `compile_plan`.
        """
        asked = () if request.service else request.features
        return self._plan((request.service, asked, request.full_feature_names))

    def refs(self, request: FeaturesRequest) -> list[str]:
        """Return the features that ``request`` asks for, as policy leases call them.

        Raises:
            NotFound: there is no such service.
            InvalidInput: what is asked for is no name of a feature.
        """
        if request.service:
            return [str(ref) for ref in self.manifest.service(request.service).own_features]
        return [str(FeatureRef.parse(text)) for text in request.features]

    def fed(self, push_source: str) -> list[str]:
        """Return the feature views that ``push_source`` feeds."""
        return [view.name for view in self.manifest.views if push_source in view.push_sources]

    def _plan(self, key: PlanKey) -> LookupPlan:
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        name, asked, full = key
        service = self.manifest.service(name) if name else None
        plan = compile_plan(
            self.manifest.left_to_leases if self.leased else self.manifest,
            service.features if service else [FeatureRef.parse(text) for text in asked],
            full_feature_names=full,
            transforms=self.transforms,
            projections=service.projections if service else (),
            service=name,
        )
        self._plans[key] = plan
        while len(self._plans) > 1 and self._is_full:
            self._plans.popitem(last=False)
        return plan

    @property
    def _is_full(self) -> bool:
        kept = sum(len(plan.outputs) for plan in self._plans.values())
        return len(self._plans) > PLANS or kept > OUTPUTS

    def encoder(self, view: str) -> ColumnEncoder:
        """Return what encodes rows for the feature view called ``view``.

        Raises:
            NotFound: there is no such view.
            Denied: the server may not write rows of it.
        """
        if view not in self._encoders:
            served = self.manifest.view(view)
            if served.write_closed:
                raise Denied(
                    f"feature view {view} takes no rows over HTTP: {served.write_closed}",
                    hint="give the server a rule or grant to publish the dataset, then apply the features again",
                )
            self._encoders[view] = ColumnEncoder(self.manifest.project, served)
        return self._encoders[view]

    def encoders(self, push_source: str) -> list[ColumnEncoder]:
        """Return an encoder per feature view that ``push_source`` feeds.

        Raises:
            NotFound: it feeds none.
            Denied: the server may not write rows of one of them.
        """
        views = self.manifest.views
        fed = self.fed(push_source)
        if not fed:
            known = [name for view in views for name in view.push_sources]
            raise unknown("push source", push_source, known)
        return [self.encoder(view) for view in fed]


def _refusing(error: ProvenderError) -> Transform:
    def refuse(columns: Values) -> Values:
        raise error.with_traceback(None)

    return refuse


class Snapshots:
    """The current snapshot of one project, and how to look for a newer one."""

    def __init__(
        self,
        store: OnlineStore,
        project: str,
        folder: Path,
        load: LoadTransform,
        *,
        tenure: Tenure | None = None,
    ) -> None:
        self.project = project
        self.problem = ""
        self._current: Snapshot | None = None
        self._store = store
        self._load = load
        self._copy = folder / f"{quote(project, safe='')}.json"
        self._completeness = Completeness()
        self.tenure = tenure
        self.epoch = Epoch(project, self._completeness.emptied, leased=tenure is not None)

    @property
    def current(self) -> Snapshot:
        """The snapshot to answer with.

        Raises:
            Unavailable: there is none yet.
        """
        if self._current is None:
            raise Unavailable(
                f"project {self.project} has no serving manifest: {self.problem}",
                hint="run provender features apply, or wait until the store answers",
            )
        return self._current

    @property
    def found(self) -> Snapshot | None:
        return self._current

    @property
    def lost(self) -> frozenset[str]:
        """The views whose rows are not known to be all there, when it was looked last."""
        return self._completeness.lost

    def incomplete(self, plan: LookupPlan) -> list[str]:
        """Return which of the views that ``plan`` reads are `lost`, by the names asked for."""
        lost = self._completeness.lost
        return [read.name for read in plan.reads if read.view.name in lost] if lost else []

    def refresh(self) -> bool:
        """Swap to the manifest published last; return whether that changed anything.

        Never raises: `problem` says why it could not, and the log does once.
        """
        try:
            return self._refresh()
        except Exception as error:
            problem = f"the serving manifest cannot be taken up: {type(error).__name__}: {error}"
            if problem != self.problem:
                self.problem = problem
                log.exception(problem)
            return False

    def _refresh(self) -> bool:
        since = self.epoch.changes
        try:
            seen = self._store.beside(self.project, deadline=LOOK_SECONDS)
        except ProvenderError as error:
            self.problem = error.message
            return self._fall_back()
        if self.tenure is not None:
            self.tenure.look(Word.of(seen.leased))
        swapped = self._swap(seen.digest)
        if self._current is not None:
            self._look_at_rows(seen, self._current.manifest, since=since)
        return swapped

    def _look_at_rows(self, seen: Beside, manifest: ServingManifest, *, since: int) -> None:
        """Note which views' rows were lost, unless answers showed meanwhile what is newer."""
        with self.epoch.looked(seen.word, since=since) as is_news:
            if is_news:
                self._completeness.see(manifest.views, seen.covered)

    def _swap(self, digest: str | None) -> bool:
        if self._is_current(digest):
            self.problem = ""
            return False
        try:
            manifest = self._store.manifest(self.project, deadline=LOOK_SECONDS)
        except ProvenderError as error:
            self.problem = error.message
            return self._fall_back()
        if manifest is None:
            self.problem = "the online store has none"
            return self._fall_back()
        made = self._made(manifest)
        self.problem = ""
        if self._current is not None and made.is_like(self._current):
            return False
        self._current = made
        for name, problem in made.problems.items():
            log.warning("on-demand view %s is refused: %s", name, problem)
        self._keep(manifest)
        return True

    def _made(self, manifest: ServingManifest) -> Snapshot:
        leased = self.tenure is not None
        return Snapshot.of(manifest, self._load, before=self._current, leased=leased)

    def _is_current(self, digest: str | None) -> bool:
        """Whether there is nothing to do; a function that could not be loaded is tried again."""
        current = self._current
        return current is not None and current.digest == digest and not current.problems

    def _fall_back(self) -> bool:
        """Serve the copy on disk, where there is nothing else to serve."""
        if self._current is not None or not self._copy.exists():
            return False
        try:
            manifest = read_manifest(self._copy.read_bytes())
        except (ProvenderError, OSError) as error:
            self.problem += f"; the copy {self._copy} cannot be read: {error}"
            return False
        self._current = self._made(manifest)
        self._completeness.see(manifest.views, {})
        return True

    def _keep(self, manifest: ServingManifest) -> None:
        """Write the copy on disk; that it cannot be written is said, and harms nothing else."""
        try:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._copy.parent, prefix=".manifest-")
            with os.fdopen(descriptor, "w") as stream:
                stream.write(to_json(manifest))
            Path(name).replace(self._copy)
        except OSError as error:
            self.problem = f"the copy {self._copy} cannot be written: {error.strerror or error}"


def choose_project(store: OnlineStore, project: str, folder: Path) -> str:
    """Return ``project``, or the only one that has a manifest where none is named.

    A server may be started before its project is applied, which is told in the log.

    Raises:
        NotFound: no project has one yet, or ``project`` has none and is almost called as one that has.
        InvalidInput: several have; they are listed.
        Unavailable: the store does not answer, and no copy of one project is on disk.
    """
    kept = [unquote(copy.stem) for copy in folder.glob("[!.]*.json")]
    try:
        known = store.projects(deadline=LOOK_SECONDS)
    except Unavailable:
        if project:
            return project
        if len(kept) != 1:
            raise
        known = kept
    if project:
        if project not in known and project not in kept:
            _say_that_it_waits(project, known, store.options.address)
        return project
    if not known:
        raise NotFound(
            f"no project has features to serve in {store.options.address}",
            hint="run provender features apply first",
            what="project",
        )
    if len(known) > 1:
        raise InvalidInput(
            f"there are {len(known)} projects: {', '.join(known)}",
            hint="say which with --project",
        )
    return known[0]


def _say_that_it_waits(project: str, known: list[str], address: str) -> None:
    """Say that ``project`` is not applied yet.

    Raises:
        NotFound: it is almost called as one that is.
    """
    if near := get_close_matches(project, known, n=1, cutoff=MISSPELT):
        raise NotFound(
            f"project {project!r} has no features to serve in {address}",
            hint=f"did you mean {near[0]}? Else run provender features apply first",
            what="project",
        )
    others = f"; there are: {', '.join(known)}" if known else ""
    log.warning(
        "project %s has no features to serve in %s yet: the server waits until it is applied%s",
        *(project, address, others),
    )
