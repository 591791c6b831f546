"""The serving manifest: all that an online server needs to know, compiled when features are applied.

A feature that the policy does not open for serving is listed as closed, with the reason, and
is refused at every lookup.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from provender.core.digest import digest, digest_bytes
from provender.core.features import FieldSpec, OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.names import FeatureRef, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedView:
    """How rows of a view lie in the online store: values in the order of ``columns``."""

    name: str
    join_keys: tuple[FieldSpec, ...]
    columns: tuple[FieldSpec, ...]
    ttl: timedelta | None = None
    push_sources: tuple[str, ...] = ()
    event_timestamp: str = "event_timestamp"
    created_timestamp: str | None = None

    @property
    def fingerprint(self) -> bytes:
        """Four bytes that change whenever the names, types or order of the columns do."""
        layout = "|".join(f"{column.name}:{column.type}" for column in self.columns)
        return bytes.fromhex(digest_bytes(layout.encode()).removeprefix("sha256:")[:8])


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingManifest:
    """A snapshot of one project's definitions, for the online server and in-process lookups."""

    project: str
    repo_digest: str
    compiled_at: datetime
    views: tuple[ServedView, ...] = ()
    on_demand: tuple[OnDemandSpec, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    closed: dict[str, str] = field(default_factory=dict)
    open_until: dict[str, datetime] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The identity of what is served; when it was compiled does not matter."""
        content = [self.project, self.views, self.on_demand, self.services, self.closed]
        return digest([*content, self.open_until])

    def view(self, name: str) -> ServedView:
        """Return the served view called ``name``; NotFound, with a near one, if there is none."""
        for view in self.views:
            if view.name == name:
                return view
        names = [view.name for view in self.views] + [view.name for view in self.on_demand]
        raise unknown("feature view", name, names)

    def service(self, name: str) -> ServiceSpec:
        """Return the service called ``name``; NotFound, with a near one, if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise unknown("feature service", name, [s.name for s in self.services])


def serve_view(view: ViewSpec) -> ServedView:
    """Return how ``view`` lies in the online store: its features sorted by name.

    Sorted, because the order of features in a Feast view differs between processes.
    """
    return ServedView(
        name=view.name,
        join_keys=tuple(sorted(view.join_keys, key=lambda key: key.name)),
        columns=tuple(sorted(view.features, key=lambda feature: feature.name)),
        ttl=view.ttl or None,
        push_sources=view.push_sources,
        event_timestamp=view.event_timestamp,
        created_timestamp=view.created_timestamp,
    )


def compile_manifest(
    repo: RepoSpec,
    *,
    closed: Mapping[FeatureRef, str],
    open_until: Mapping[FeatureRef, datetime],
    now: datetime,
) -> ServingManifest:
    """Return the manifest of ``repo``; ``closed`` and ``open_until`` are policy's answers."""
    return ServingManifest(
        project=repo.project,
        repo_digest=repo.digest,
        compiled_at=now,
        views=tuple(serve_view(view) for view in repo.views if view.online),
        on_demand=repo.on_demand,
        services=repo.services,
        closed={str(ref): why for ref, why in sorted(closed.items())},
        open_until={str(ref): until for ref, until in sorted(open_until.items())},
    )
