"""When rows vanish from the online store by themselves: what its configuration says of a view.

Servers know no configuration: they get it with the definitions, as `declared`.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from feast import FeatureView
from feast.repo_config import RepoConfig

from provender.core.features import ViewSpec
from provender.feast_plugin import collaborators
from provender.online.script import Expiry


def expiry_of(config: RepoConfig, view: FeatureView) -> Expiry | None:
    """Return when rows of ``view`` vanish; None: as the store says, which is never by default.

    Never where the clock is frozen, too: old data is replayed then, which would vanish at once.
    """
    if not _by_ttl(config) or collaborators.settings().clock is not None:
        return None
    return Expiry.of_view(view.ttl or None)


def declared(config: RepoConfig, views: Iterable[ViewSpec]) -> tuple[ViewSpec, ...]:
    """Return ``views`` with what the configuration says of when their rows vanish."""
    seconds = getattr(config.online_store, "key_ttl_seconds", None)
    after = timedelta(seconds=seconds) if seconds else None
    by_ttl = _by_ttl(config)
    return tuple(
        replace(view, expires_with_ttl=by_ttl and bool(view.ttl), expires_after=after)
        for view in views
    )


def _by_ttl(config: RepoConfig) -> bool:
    return getattr(config.online_store, "online_expiry", "none") == "view-ttl"
