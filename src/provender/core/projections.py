"""Feature views as a service renames them. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from provender.core.names import FeatureRef, suggest


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionSpec:
    """A feature view under another name, or with join keys under other names.

    ``join_keys`` are pairs: a join key of the view, and what the entities call it.
    """

    alias: str
    view: str
    join_keys: tuple[tuple[str, str], ...] = ()

    def given(self, key: str) -> str:
        """Return what the entities call the join key ``key`` of the view."""
        return dict(self.join_keys).get(key, key)


def itself(view: str) -> ProjectionSpec:
    """Return ``view`` under its own name, by its own join keys."""
    return ProjectionSpec(alias=view, view=view)


def own_features(
    features: Sequence[FeatureRef], projections: Sequence[ProjectionSpec]
) -> tuple[FeatureRef, ...]:
    """Return ``features`` by the names that their views have themselves."""
    views = {projection.alias: projection.view for projection in projections}
    return tuple(FeatureRef(views.get(ref.view, ref.view), ref.feature) for ref in features)


def check_projections(
    where: str, projections: Sequence[ProjectionSpec], keys: Mapping[str, Collection[str]]
) -> list[str]:
    """Return every problem of the ``projections`` of what ``where`` names, in words.

    ``keys`` holds the join keys of each feature view.
    """
    aliases = [projection.alias for projection in projections]
    problems = [
        f"{where}: calls two feature views {alias}"
        for alias in sorted(set(aliases))
        if aliases.count(alias) > 1
    ]
    for projection in projections:
        known = keys.get(projection.view, ())
        problems += [
            f"{where}: feature view {projection.view} has no join key {key!r} to rename "
            f"({suggest(key, known)})"
            for key, _ in projection.join_keys
            if key not in known
        ]
    return problems
