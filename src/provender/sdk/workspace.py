"""A workspace: what one actor can do with the catalog, the lake and the online store."""

from pathlib import Path

from provender import bootstrap
from provender.sdk.arguments import checked
from provender.sdk.contracts import Contracts
from provender.sdk.datasets import Datasets
from provender.sdk.serving import Serving
from provender.sdk.training import Training
from provender.settings import Settings, settings_of


class Workspace(Datasets, Contracts, Training, Serving):
    """What an actor can do: publish, read, train, look up, search, ask for and grant access."""


@checked
def connect(
    *,
    home: str | Path | None = None,
    actor: str | None = None,
    purpose: str | None = None,
    settings: Settings | None = None,
) -> Workspace:
    """Return a workspace on the catalog, the lake and the online store of the settings.

    They are read from the environment now, unless they are given; the workspace keeps them.
    ``home``, ``actor`` and ``purpose`` override ``PROVENDER_HOME``, ``PROVENDER_ACTOR`` and
    ``PROVENDER_PURPOSE``.

    Raises:
        Misconfigured: a setting is unknown or malformed.
    """
    given = {"home": home and Path(home), "actor": actor, "purpose": purpose}
    chosen = settings or _settings_of_now()
    changes = {name: value for name, value in given.items() if value}
    if changes:  # what was not set stays so: a service says itself who asks
        chosen = settings_of(chosen.model_dump(exclude_unset=True) | changes)
    return Workspace(chosen)


def _settings_of_now() -> Settings:
    """The settings of the environment as it is, which are the process's from here on."""
    bootstrap.settings.cache_clear()
    return bootstrap.settings()
