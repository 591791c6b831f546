"""The serving manifest: all that an online server needs to know, compiled when features are applied.

A feature that the policy does not open for serving is listed as closed, with the reason, and
is refused at every lookup.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from provender.core.digest import digest, digest_bytes
from provender.core.features import (
    FieldSpec,
    OnDemandSpec,
    RepoSpec,
    ServiceSpec,
    ViewSpec,
    view_names,
)
from provender.core.freshness import OnStale
from provender.core.names import FeatureRef, unknown

SERVER = "service:online"
"""Who serves: what is open depends on the server's permission, not on that of whoever applies."""
PURPOSE = "serving"
"""What it serves for."""
ROW_FORMAT = "v2"
"""The format of rows in the online store: rows of another one are not read, and written anew."""


MANIFEST_FORMAT = 2
"""Counts up when an older server would misunderstand a manifest; it then keeps what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedView:
    """How rows of a view lie in the online store: values in the order of ``columns``.

    ``write_closed`` says why the server takes no pushed rows for it; empty: it takes them.
    ``entity_ids`` are ``plain`` or ``hashed`` in keys. ``version`` is that of the definition.
    When rows vanish is as in `ViewSpec`.
    """

    name: str
    join_keys: tuple[FieldSpec, ...]
    columns: tuple[FieldSpec, ...]
    ttl: timedelta | None = None
    max_staleness: timedelta | None = None
    on_stale: OnStale = OnStale.WARN
    push_sources: tuple[str, ...] = ()
    event_timestamp: str = "event_timestamp"
    created_timestamp: str | None = None
    write_closed: str = ""
    entity_ids: str = "plain"
    version: int = 0
    expires_with_ttl: bool = False
    expires_after: timedelta | None = None

    @property
    def fingerprint(self) -> bytes:
        """Four bytes that change whenever the names, types or order of join keys or columns do.

        And whenever a join key comes from another column of the source, the format of rows
        changes, or how entities are written in keys: keys are equal then, and mean others.
        """
        format_ = ROW_FORMAT if self.entity_ids == "plain" else f"{ROW_FORMAT}:{self.entity_ids}"
        keys = ",".join(map(_key_text, self.join_keys))
        columns = (f"{column.name}:{column.type}" for column in self.columns)
        layout = "|".join((format_, keys, *columns))
        return bytes.fromhex(digest_bytes(layout.encode()).removeprefix("sha256:")[:8])

    def max_age(self, *, with_ttl: bool = True) -> timedelta | None:
        """Return the age from which on values are withheld; None where there is no such age."""
        limits = [self.ttl] if with_ttl else []
        if self.on_stale is OnStale.NULL:
            limits.append(self.max_staleness)
        return min((limit for limit in limits if limit), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingManifest:
    """A snapshot of one project's definitions, for the online server and in-process lookups.

    ``entity_key`` is the id of the secret by which entity ids were hashed; empty: none are.
    """

    project: str
    repo_digest: str
    compiled_at: datetime
    format: int = MANIFEST_FORMAT
    views: tuple[ServedView, ...] = ()
    on_demand: tuple[OnDemandSpec, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    closed: dict[str, str] = field(default_factory=dict)
    open_until: dict[str, datetime] = field(default_factory=dict)
    entity_key: str = ""

    @property
    def digest(self) -> str:
        """The identity of what is served; when it was compiled does not matter."""
        content = [
            self.format,
            self.project,
            self.views,
            self.on_demand,
            self.services,
            self.closed,
            self.entity_key,
        ]
        return digest([*content, self.open_until])

    def of(self, repo: RepoSpec) -> "ServingManifest":
        """Return the part that is of the views and services in ``repo``, a part of what it is of."""
        views, services = view_names(repo.views, repo.on_demand), [s.name for s in repo.services]
        return replace(
            self,
            views=tuple(view for view in self.views if view.name in views),
            on_demand=tuple(view for view in self.on_demand if view.name in views),
            services=tuple(service for service in self.services if service.name in services),
            closed={k: v for k, v in self.closed.items() if k.partition(":")[0] in views},
            open_until={k: v for k, v in self.open_until.items() if k.partition(":")[0] in views},
        )

    @property
    def left_to_leases(self) -> "ServingManifest":
        """The manifest without its verdicts, for who holds a policy lease, which has newer ones."""
        return replace(self, closed={}, open_until={})

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


def _key_text(key: FieldSpec) -> str:
    own = f"{key.name}:{key.type}"
    return own if key.source_column == key.name else f"{own}={key.source_column}"


def serve_view(view: ViewSpec, *, write_closed: str = "") -> ServedView:
    """Return how ``view`` lies in the online store: its features sorted by name.

    Sorted, because the order of features in a Feast view differs between processes.
    """
    return ServedView(
        name=view.name,
        join_keys=tuple(sorted(view.join_keys, key=lambda key: key.name)),
        columns=tuple(sorted(view.features, key=lambda feature: feature.name)),
        ttl=view.ttl or None,
        max_staleness=view.max_staleness,
        on_stale=view.on_stale,
        push_sources=view.push_sources,
        event_timestamp=view.event_timestamp,
        created_timestamp=view.created_timestamp,
        write_closed=write_closed,
        entity_ids=view.entity_ids,
        version=view.version,
        expires_with_ttl=view.expires_with_ttl,
        expires_after=view.expires_after,
    )


def compile_manifest(
    repo: RepoSpec,
    *,
    closed: Mapping[FeatureRef, str],
    open_until: Mapping[FeatureRef, datetime],
    write_closed: Mapping[str, str] = MappingProxyType({}),
    now: datetime,
) -> ServingManifest:
    """Return the manifest of ``repo``; ``closed``, ``open_until`` and ``write_closed`` (by view)
    are policy's answers.
    """
    return ServingManifest(
        project=repo.project,
        repo_digest=repo.digest,
        compiled_at=now,
        views=tuple(
            serve_view(view, write_closed=write_closed.get(view.name, ""))
            for view in repo.views
            if view.online
        ),
        on_demand=repo.on_demand,
        services=repo.services,
        closed={str(ref): why for ref, why in sorted(closed.items())},
        open_until={str(ref): until for ref, until in sorted(open_until.items())},
    )
