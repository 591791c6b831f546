"""What of a repository is open for serving, by the catalog's decisions: the online server asks nobody."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from provender.core.features import RepoSpec, ViewSpec
from provender.core.names import FeatureRef
from provender.core.policy import Action, ColumnRef, Decision
from provender.core.serving import ServingManifest, compile_manifest

PURPOSE = "serving"
SERVER = "service:online"
"""Who serves: what is open depends on the server's permission, not on that of whoever applies."""


class Decides(Protocol):
    """Says, without raising, whether an actor may."""

    def decide(
        self, action: Action, columns: list[ColumnRef], *, purpose: str, actor: str
    ) -> Decision: ...


@dataclass(slots=True)
class Openness:
    """Features that are closed, with the reason, and until when others are open."""

    closed: dict[FeatureRef, str] = field(default_factory=dict)
    open_until: dict[FeatureRef, datetime] = field(default_factory=dict)


def compile_serving(repo: RepoSpec, catalog: Decides, *, now: datetime) -> ServingManifest:
    """Return what servers need to know of ``repo``, with the policy as it is now."""
    openness = decide_openness(repo, catalog)
    return compile_manifest(repo, closed=openness.closed, open_until=openness.open_until, now=now)


def decide_openness(repo: RepoSpec, catalog: Decides) -> Openness:
    """Return the catalog's answer for every feature of ``repo``.

    A feature computed on demand is as closed as any of its inputs. Features of files are
    open: no catalog governs them.
    """
    openness = Openness()
    for view in repo.views:
        if view.online and view.dataset is not None:
            _judge(view, view.dataset.dataset, catalog, openness)
    for computed in repo.on_demand:
        for feature in computed.features:
            _inherit(FeatureRef(computed.name, feature.name), computed.inputs, openness)
    return openness


def _judge(view: ViewSpec, dataset: str, catalog: Decides, openness: Openness) -> None:
    column_of = {
        FeatureRef(view.name, feature.name): ColumnRef(dataset, feature.source_column)
        for feature in view.features
    }
    decision = catalog.decide(
        Action.SERVE, sorted(column_of.values()), purpose=PURPOSE, actor=SERVER
    )
    why = {reason.column: reason for reason in decision.reasons}
    for ref, column in column_of.items():
        if not why[column].allowed:
            openness.closed[ref] = (
                f"{decision.actor} may not serve {column} ({why[column].because})"
            )
        elif decision.expires is not None:
            alone = catalog.decide(Action.SERVE, [column], purpose=PURPOSE, actor=SERVER)
            if alone.expires is not None:
                openness.open_until[ref] = alone.expires


def _inherit(ref: FeatureRef, inputs: tuple[FeatureRef, ...], openness: Openness) -> None:
    closed = next((needed for needed in inputs if needed in openness.closed), None)
    if closed is not None:
        openness.closed[ref] = f"it is computed from {closed}: {openness.closed[closed]}"
        return
    ends = [openness.open_until[needed] for needed in inputs if needed in openness.open_until]
    if ends:
        openness.open_until[ref] = min(ends)
