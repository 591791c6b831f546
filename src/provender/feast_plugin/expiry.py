"""When rows vanish from the online store by themselves: what ``online_expiry`` says of a view."""

from feast import FeatureView
from feast.repo_config import RepoConfig

from provender.feast_plugin import collaborators
from provender.online.script import Expiry


def expiry_of(config: RepoConfig, view: FeatureView) -> Expiry | None:
    """Return when rows of ``view`` vanish; None: as the store says, which is never by default.

    Never where the clock is frozen, too: old data is replayed then, which would vanish at once.
    """
    chosen = getattr(config.online_store, "online_expiry", "none")
    if chosen != "view-ttl" or collaborators.settings().clock is not None:
        return None
    return Expiry.of_view(view.ttl or None)
