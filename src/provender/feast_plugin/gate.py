"""May the actor look features up, or write rows, through Feast's online store? And what is written down.

Views on datasets of the catalog only: nobody governs the rows of a file. The online server
does not come by here; what it may serve and take is compiled into its manifest.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from feast.feature_view import FeatureView
from feast.repo_config import RepoConfig

from provender.core.audit import EventKind
from provender.core.clock import utc_now
from provender.core.errors import Denied, NotFound
from provender.core.names import FeatureRef
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.serving import ServedView
from provender.feast_plugin import collaborators
from provender.feast_plugin.source import CatalogSource
from provender.settings import Settings

if TYPE_CHECKING:
    from provender.core.protocols import Library

REMEMBERED = timedelta(seconds=60)
"""How long a yes is good for: lookups stay quick, and what is revoked ends a minute later."""
PASSES = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: features of one view, with the columns behind them."""

    settings: Settings
    project: str
    purpose: str
    features: tuple[FeatureRef, ...]
    columns: tuple[ColumnRef, ...]


@dataclass(frozen=True, slots=True)
class Governed:
    """Features of a view whose dataset is in the catalog, with the columns behind them."""

    features: tuple[FeatureRef, ...]
    columns: tuple[ColumnRef, ...]

    @classmethod
    def of(
        cls, view: FeatureView, served: ServedView, features: Sequence[str] | None
    ) -> "Governed | None":
        """Return what ``features`` (none: all) of ``view`` rest on; None where nobody governs it."""
        if not isinstance(view.batch_source, CatalogSource):
            return None
        dataset = view.batch_source.ref.dataset
        fields = [field for field in served.columns if not features or field.name in features]
        return cls(
            features=tuple(FeatureRef(view.name, field.name) for field in fields),
            columns=tuple(sorted({ColumnRef(dataset, field.source_column) for field in fields})),
        )

    def unanswered(self, config: RepoConfig, settings: Settings, purpose: str) -> Asked | None:
        """Return what `ask` has to answer; None where the answer was yes a moment ago."""
        asked = Asked(settings, config.project, purpose, self.features, self.columns)
        known = _PASSES.get(asked)
        return None if known is not None and utc_now() < known.until else asked


@dataclass(frozen=True, slots=True)
class Pass:
    """A yes: the permit, and until when it need not be asked for again."""

    permit: Permit
    until: datetime


_LOCK = threading.Lock()
_PASSES: dict[Asked, Pass] = {}


def unanswered(
    config: RepoConfig,
    view: FeatureView,
    served: ServedView,
    features: Sequence[str] | None,
    *,
    purpose: str,
) -> Asked | None:
    """Return what `ask` has to answer before ``features`` (none: all) of ``view`` are looked up.

    None where nobody governs the view, or the answer was yes a moment ago.
    """
    governed = Governed.of(view, served, features)
    return governed.unanswered(config, settings_of(config), purpose) if governed else None


def ask(asked: Asked) -> None:
    """Return if the actor may look the features up now, and remember it.

    Raises:
        Denied: they may not, or a feature is closed for serving, to servers and so to them.
    """
    now = utc_now()
    catalog = collaborators.catalog(asked.settings)
    ends = _ends(catalog, asked, now)
    permit = catalog.permit(Action.SERVE, asked.columns, purpose=asked.purpose)
    permit.require_whole()
    if permit.expires is not None:
        ends.append(permit.expires)
    with _LOCK:
        if len(_PASSES) >= PASSES:
            _PASSES.clear()
        _PASSES[asked] = Pass(permit, min([now + REMEMBERED, *ends]))


def check_push(config: RepoConfig, views: Iterable[FeatureView]) -> None:
    """Return if the actor may publish every dataset behind ``views``: a pushed row is served as one of its own.

    Raises:
        Denied: they may not publish one of them.
    """
    sources = [view.batch_source for view in views]
    governed = {source.ref.dataset for source in sources if isinstance(source, CatalogSource)}
    if governed:
        catalog = collaborators.catalog(settings_of(config))
        catalog.permit(Action.PUBLISH, [ColumnRef(name) for name in sorted(governed)], purpose="")


def note_push(config: RepoConfig, view: FeatureView, *, read: int, written: int) -> None:
    """Write down that ``read`` rows were pushed to ``view``, of which ``written`` are online now."""
    if isinstance(view.batch_source, CatalogSource):
        collaborators.catalog(settings_of(config)).records.note(
            EventKind.FEATURES_PUSH,
            view.batch_source.ref.dataset,
            {"project": config.project, "view": view.name, "read": read, "written": written},
        )


def settings_of(config: RepoConfig) -> Settings:
    """Return the settings in use, with the actor that the repository names, if it does."""
    return collaborators.settings(actor=getattr(config.offline_store, "actor", "") or "")


def _ends(catalog: "Library", asked: Asked, now: datetime) -> list[datetime]:
    """Return until when the features are open for serving, those that are so for a time only.

    What plain Feast applied has no manifest: then only the actor's own permission counts.
    """
    try:
        manifest = catalog.records.serving_manifest(asked.project)
    except NotFound:
        return []
    ends: list[datetime] = []
    for ref in map(str, asked.features):
        if ref in manifest.closed:
            raise Denied(
                f"feature {ref} is closed for serving: {manifest.closed[ref]}",
                hint="ask a steward of its dataset for a grant to serve it, then apply the features again",
            )
        until = manifest.open_until.get(ref)
        if until is not None and now >= until:
            raise Denied(
                f"feature {ref} was open for serving until {until.isoformat()}",
                hint="ask a steward of its dataset to renew the grant, then apply the features again",
            )
        ends += [until] if until is not None else []
    return ends
