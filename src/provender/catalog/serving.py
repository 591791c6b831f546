"""What servers are told: compiled here, from recorded definitions and the policy as it is now.

An online server asks nobody, so what it may serve, and which pushed rows it may take, is decided
for ``service:online`` when definitions are recorded; what it may serve is decided again with every
change of the policy, in a lease. Nobody hands either in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from provender.catalog import access, naming, testimony
from provender.core import remedies
from provender.core.decisions import Reason
from provender.core.effects import Effect
from provender.core.features import RepoSpec, ViewSpec
from provender.core.filters import Filter, all_of
from provender.core.leases import PolicyLease, Rest, Ruling
from provender.core.names import FeatureRef
from provender.core.parted import Parts, untold
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Decision
from provender.core.serving import PURPOSE, SERVER, ServingManifest, compile_manifest

FOUND_BY = (Effect.SEE, Effect.COMPUTE)
"""What has to be left of a join key: whoever looks up brings its values, and gets none."""
DECIDED_AS = 2
"""One more whenever openness is decided otherwise: what was decided before is not what is."""
ANYONE = Actor("anyone")
"""Who is nobody in particular: what they may be served, everybody may."""


@dataclass(slots=True)
class Openness:
    """Features that are closed, with the reason and what to do; until when others are open; views not to write.

    ``masks``, ``filters`` and ``computes`` say of which features there is a part, if one is wanted;
    ``reasons`` what opens or closes each column, by dataset.
    """

    closed: dict[FeatureRef, str] = field(default_factory=dict)
    open_until: dict[FeatureRef, datetime] = field(default_factory=dict)
    write_closed: dict[str, str] = field(default_factory=dict)
    masks: dict[FeatureRef, str] = field(default_factory=dict)
    filters: dict[FeatureRef, str] = field(default_factory=dict)
    computes: set[FeatureRef] = field(default_factory=set)
    hints: dict[FeatureRef, str] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        return Parts(
            masks={str(ref): mask for ref, mask in sorted(self.masks.items())},
            filters={str(ref): rows for ref, rows in sorted(self.filters.items())},
            computes=tuple(sorted(map(str, self.computes))),
        )


class Role(StrEnum):
    """What a column is to a view, in words before its name."""

    FEATURE = ""
    KEY = "the join key "
    TIME = "the timestamp "


def compile_serving(db: Session, repo: RepoSpec, *, now: datetime) -> ServingManifest:
    """Return what servers need to know of ``repo``, with the policy as it is at ``now``.

    A feature is closed if its column is, or a join key or a timestamp of its view: rows are found by them.
    One computed on demand is as closed as any of its inputs. Features of files are open: no
    catalog governs them.
    """
    server = access.actor(db, SERVER)
    openness = opened(db, server, repo, now=now)
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
    server = opened(db, access.actor(db, SERVER), repo, parted=True, now=now)
    anyone = opened(db, ANYONE, repo, now=now)
    served = [FeatureRef(v.name, f.name) for v in repo.views if v.online for f in v.features]
    served += [FeatureRef(v.name, f.name) for v in repo.on_demand for f in v.features]
    open_now = [ref for ref in served if ref not in server.closed]
    verdict = Ruling(
        opened={str(ref): server.open_until.get(ref) for ref in sorted(open_now)},
        closed={str(ref): why for ref, why in sorted(server.closed.items())},
        public=tuple(sorted(str(ref) for ref in open_now if ref not in anyone.closed)),
        parts=server.parts,
        hints={str(ref): hint for ref, hint in sorted(server.hints.items())},
        actor=SERVER,
        purpose=PURPOSE,
        reasons=server.reasons,
    )
    return PolicyLease(
        project=repo.project,
        state=state,
        holders={SERVER: verdict},
        rests=_rests(db, repo),
        tags={
            name: found
            for name, columns in sorted(server.reasons.items())
            if (found := testimony.tags(db, [ColumnRef(name, column) for column in columns]))
        },
    )


def _rests(db: Session, repo: RepoSpec) -> dict[str, Rest]:
    """Return what the governed views of ``repo`` rest on, by the names that datasets have now."""
    views = {view.name: (view, view.dataset) for view in repo.views if view.online}
    called = naming.current(db, {ref.dataset for _, ref in views.values() if ref})
    return {
        name: Rest(
            dataset=called[ref.dataset],
            keys=view.found_by,
            columns={feature.name: feature.source_column for feature in view.features},
        )
        for name, (view, ref) in sorted(views.items())
        if ref is not None
    }


def opened(
    db: Session,
    who: Actor,
    repo: RepoSpec,
    *,
    purpose: str = PURPOSE,
    parted: bool = False,
    now: datetime,
) -> Openness:
    """Return which features of ``repo`` may be served to ``who`` for ``purpose``: whole, or also ``parted``."""
    openness = Openness()
    called = naming.current(db, {view.dataset.dataset for view in repo.views if view.dataset})
    for view in repo.views:
        if view.online and view.dataset is not None:
            dataset = called[view.dataset.dataset]
            _judge(db, who, view, dataset, openness, purpose=purpose, parted=parted, now=now)
    for computed in repo.on_demand:
        for feature in computed.features:
            _inherit(FeatureRef(computed.name, feature.name), computed.inputs, openness)
    return openness


def _judge(
    db: Session,
    server: Actor,
    view: ViewSpec,
    dataset: str,
    openness: Openness,
    *,
    purpose: str,
    parted: bool,
    now: datetime,
) -> None:
    found_by = [ColumnRef(dataset, name) for name in view.found_by]
    columns = {
        FeatureRef(view.name, feature.name): [ColumnRef(dataset, feature.source_column), *found_by]
        for feature in view.features
    }

    def decide(asked: Iterable[ColumnRef]) -> Decision:
        return access.weigh(db, server, Action.SERVE, asked, purpose=purpose, now=now)

    whole = decide(column for needed in columns.values() for column in needed)
    reasons = {reason.column: reason for reason in whole.reasons}
    told = openness.reasons.setdefault(dataset, {})
    told |= {reason.column.column: reason.because for reason in whole.reasons}
    for ref, needed in columns.items():
        found = [reasons[column] for column in needed]
        why = _why_closed(found, view) if parted else _first(found, view, _is_whole)
        if why is not None:
            openness.closed[ref] = f"{server} may not serve {why}"
            if shut := [reason for reason in found if not reason.allowed]:
                openness.hints[ref] = remedies.hint(server.id, Action.SERVE, purpose, shut)
            continue
        if parted:
            _part(ref, found, openness)
        if whole.expires is not None and (until := decide(needed).expires) is not None:
            openness.open_until[ref] = until


def _why_closed(reasons: Sequence[Reason], view: ViewSpec) -> str | None:
    """Say why there is not even a part; ``reasons`` are the feature's, of the join keys and the timestamps.

    A key has to be as it is, or no row is found by it, if only to find one; a timestamp comes with
    the row; a filter has to be told by the row.
    """
    why = _first(reasons, view, _is_allowed) or _first(reasons, view, _finds_rows)
    if why is not None:
        return why
    why = untold([Filter(text) for one in reasons for text in one.filters], view)
    return f"{reasons[0].column}: {why}".rstrip(",") if why else None


def _is_whole(_: Role, one: Reason) -> bool:
    return one.is_whole


def _is_allowed(_: Role, one: Reason) -> bool:
    return one.allowed


def _finds_rows(role: Role, one: Reason) -> bool:
    """Whether what is left of a column does for its ``role``; one column may have several."""
    return role is Role.FEATURE or one.effect in (FOUND_BY if role is Role.KEY else (Effect.SEE,))


def _first(
    reasons: Sequence[Reason], view: ViewSpec, is_good: Callable[[Role, Reason], bool]
) -> str | None:
    """Say of the first that is not good what it is about, and why: a feature's column, a join key, a timestamp."""
    roles = (Role.FEATURE, *[Role.KEY] * len(view.keys), *[Role.TIME] * len(view.times))
    for role, reason in zip(roles, reasons, strict=True):
        if not is_good(role, reason):
            return f"{role}{reason.column} ({reason.because})"
    return None


def _part(ref: FeatureRef, reasons: Sequence[Reason], openness: Openness) -> None:
    """Note what there is of a feature, if it is not all."""
    feature = reasons[0]
    if feature.effect is Effect.COMPUTE:
        openness.computes.add(ref)
    if feature.mask:
        openness.masks[ref] = feature.mask
    filters = {Filter(text) for one in reasons for text in one.filters}
    if filters:
        openness.filters[ref] = str(all_of(filters))


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


def _inherit(ref: FeatureRef, inputs: tuple[FeatureRef, ...], openness: Openness) -> None:
    closed = next((needed for needed in inputs if needed in openness.closed), None)
    if closed is not None:
        openness.closed[ref] = f"it is computed from {closed}: {openness.closed[closed]}"
        if closed in openness.hints:
            openness.hints[ref] = openness.hints[closed]
        return
    ends = [openness.open_until[needed] for needed in inputs if needed in openness.open_until]
    if ends:
        openness.open_until[ref] = min(ends)
