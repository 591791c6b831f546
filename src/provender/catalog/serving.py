"""What servers are told: compiled here, from recorded definitions and the policy as it is now.

An online server asks nobody, so what it may serve, and which pushed rows it may take, is decided
for ``service:online`` when definitions are recorded; what it may serve is decided again with every
change of the policy, in a lease. Nobody hands either in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import access
from provender.core.features import RepoSpec, ViewSpec
from provender.core.leases import PolicyLease, Ruling
from provender.core.names import FeatureRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Decision
from provender.core.serving import PURPOSE, SERVER, ServingManifest, compile_manifest

ANYONE = Actor("anyone")
"""Who is nobody in particular: what they may be served, everybody may."""


@dataclass(slots=True)
class Openness:
    """Features that are closed, with the reason; until when others are open; views not to write."""

    closed: dict[FeatureRef, str] = field(default_factory=dict)
    open_until: dict[FeatureRef, datetime] = field(default_factory=dict)
    write_closed: dict[str, str] = field(default_factory=dict)


def compile_serving(db: Session, repo: RepoSpec, *, now: datetime) -> ServingManifest:
    """Return what servers need to know of ``repo``, with the policy as it is at ``now``.

    A feature is closed if its column is, or a join key of its view: rows are reached by both.
    One computed on demand is as closed as any of its inputs. Features of files are open: no
    catalog governs them.
    """
    server = access.actor(db, SERVER)
    openness = _opened(db, server, repo, now=now)
    for view in repo.views:
        if view.online and view.dataset is not None:
            _judge_writing(db, server, view, view.dataset.dataset, openness, now=now)
    return compile_manifest(
        repo,
        closed=openness.closed,
        open_until=openness.open_until,
        write_closed=openness.write_closed,
        now=now,
    )


def compile_lease(db: Session, repo: RepoSpec, *, state: str, now: datetime) -> PolicyLease:
    """Return what servers may serve of ``repo`` by the policy at ``now``, of which ``state`` tells."""
    server = _opened(db, access.actor(db, SERVER), repo, now=now)
    anyone = _opened(db, ANYONE, repo, now=now)
    served = [FeatureRef(v.name, f.name) for v in repo.views if v.online for f in v.features]
    served += [FeatureRef(v.name, f.name) for v in repo.on_demand for f in v.features]
    opened = [ref for ref in served if ref not in server.closed]
    verdict = Ruling(
        opened={str(ref): server.open_until.get(ref) for ref in sorted(opened)},
        closed={str(ref): why for ref, why in sorted(server.closed.items())},
        public=tuple(sorted(str(ref) for ref in opened if ref not in anyone.closed)),
    )
    return PolicyLease(project=repo.project, state=state, holders={SERVER: verdict})


def _opened(db: Session, who: Actor, repo: RepoSpec, *, now: datetime) -> Openness:
    """Return which features of ``repo`` may be served to ``who``."""
    openness = Openness()
    for view in repo.views:
        if view.online and view.dataset is not None:
            _judge(db, who, view, view.dataset.dataset, openness, now=now)
    for computed in repo.on_demand:
        for feature in computed.features:
            _inherit(FeatureRef(computed.name, feature.name), computed.inputs, openness)
    return openness


def _judge(
    db: Session, server: Actor, view: ViewSpec, dataset: str, openness: Openness, *, now: datetime
) -> None:
    keys = [ColumnRef(dataset, key.source_column) for key in view.join_keys]
    columns = {
        FeatureRef(view.name, feature.name): [ColumnRef(dataset, feature.source_column), *keys]
        for feature in view.features
    }

    def decide(asked: Iterable[ColumnRef]) -> Decision:
        return access.weigh(db, server, Action.SERVE, asked, purpose=PURPOSE, now=now)

    whole = decide(column for needed in columns.values() for column in needed)
    because = {r.column: r.because for r in whole.reasons if not r.is_whole}
    for ref, needed in columns.items():
        if not because.keys().isdisjoint(needed):
            openness.closed[ref] = _why_not_served(server, needed, because)
        elif whole.expires is not None and (until := decide(needed).expires) is not None:
            openness.open_until[ref] = until


def _judge_writing(
    db: Session, server: Actor, view: ViewSpec, dataset: str, openness: Openness, *, now: datetime
) -> None:
    written = access.weigh(db, server, Action.PUBLISH, [ColumnRef(dataset)], purpose="", now=now)
    if not written.allowed or written.expires is not None:
        standing = "" if not written.allowed else " for good"
        openness.write_closed[view.name] = (
            f"{SERVER} may not publish {dataset}{standing}; a rule in catalog/policies/ "
            "with the action publish lets it"
        )


def _why_not_served(who: Actor, needed: list[ColumnRef], because: Mapping[ColumnRef, str]) -> str:
    """Say which column is closed: the feature's own, before the join keys of its view."""
    column = next(column for column in needed if column in because)
    what = str(column) if column == needed[0] else f"the join key {column}"
    return f"{who} may not serve {what} ({because[column]})"


def _inherit(ref: FeatureRef, inputs: tuple[FeatureRef, ...], openness: Openness) -> None:
    closed = next((needed for needed in inputs if needed in openness.closed), None)
    if closed is not None:
        openness.closed[ref] = f"it is computed from {closed}: {openness.closed[closed]}"
        return
    ends = [openness.open_until[needed] for needed in inputs if needed in openness.open_until]
    if ends:
        openness.open_until[ref] = min(ends)
