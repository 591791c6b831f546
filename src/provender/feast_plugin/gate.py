"""May the actor look features up, or write rows, through Feast's online store? And what is written down.

Views on datasets of the catalog only: nobody governs the rows of a file. The online server
does not come by here; what it may serve and take is compiled into its manifest.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from feast.feature_view import FeatureView
from feast.repo_config import RepoConfig

from provender.core.audit import EventKind
from provender.core.clock import utc_now
from provender.core.errors import NotFound
from provender.core.leases import LEASE, Ruling, Standing, Unconfirmed
from provender.core.names import FeatureRef
from provender.core.policy import Action, ColumnRef
from provender.core.serving import SERVER, ServedView
from provender.feast_plugin import collaborators
from provender.feast_plugin.source import CatalogSource
from provender.online.assent import Assent
from provender.settings import Settings

if TYPE_CHECKING:
    from provender.core.protocols import Records

REMEMBERED = timedelta(seconds=60)
"""How long a yes is good for where what is served is as it was when features were applied."""
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


class Pass:
    """The answer to what is ``asked``: a yes that counts until the policy is another one, or it ends."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._until: datetime | None = None
        self._is_public = False
        self._is_live = asked.settings.online_policy == "live"
        self._assent = Assent(
            lambda: self._records.policy_state(asked.project),
            without=Unconfirmed(asked.settings.online_unconfirmed),
            lasts=LEASE if self._is_live else REMEMBERED,
        )

    def stands(self, told: str) -> bool:
        """Whether it is yes for rows that came with a word of the state ``told`` of the policy."""
        return not self._is_over and self._assent.stands(self._heard(told))

    def renew(self, told: str) -> None:
        """Return if the actor may have the rows; the catalog is asked.

        Raises:
            Denied: they may not, a feature is closed for serving, to servers and so to them, or
                nobody confirms the policy.
        """
        over = self._is_over
        self._assent.renew(
            self._heard(told), self._ask, is_public=self._is_public and not over, again=over
        )

    @property
    def _is_over(self) -> bool:
        return self._until is not None and utc_now() >= self._until

    @property
    def _records(self) -> "Records":
        return collaborators.catalog(self._asked.settings).records

    def _heard(self, told: str) -> str:
        return told if self._is_live else ""

    def _ask(self) -> None:
        asked, now = self._asked, utc_now()
        self._until, self._is_public = None, False
        standing = _live(self._records, asked) if self._is_live else _applied(self._records, asked)
        standing.require(now)
        permit = collaborators.catalog(asked.settings).permit(
            Action.SERVE, asked.columns, purpose=asked.purpose
        )
        permit.require_whole()
        ends = [end for end in (standing.until, permit.expires) if end is not None]
        self._until, self._is_public = min(ends, default=None), standing.is_public


_LOCK = threading.Lock()
_PASSES: dict[Asked, Pass] = {}


def passes(config: RepoConfig, governed: Iterable[Governed | None], *, purpose: str) -> list[Pass]:
    """Return what has to `stand` before rows of what is ``governed`` are handed out."""
    needed = [item for item in governed if item is not None]
    if not needed:
        return []
    settings = settings_of(config)
    return [
        _pass(Asked(settings, config.project, purpose, item.features, item.columns))
        for item in needed
    ]


def unsettled(wanted: Iterable[Pass], told: str) -> list[Pass]:
    """Return which of those that are ``wanted`` the catalog has to be asked for."""
    return [item for item in wanted if not item.stands(told)]


def settle(wanted: Iterable[Pass], told: str) -> None:
    """Return if all that are ``wanted`` let rows be handed out that came with a word of ``told``.

    Raises:
        Denied: as `Pass.renew`.
    """
    for item in unsettled(wanted, told):
        item.renew(told)


def _pass(asked: Asked) -> Pass:
    found = _PASSES.get(asked)
    if found is None:
        with _LOCK:
            if len(_PASSES) >= PASSES:
                _PASSES.clear()
            found = _PASSES.setdefault(asked, Pass(asked))
    return found


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


def _live(records: "Records", asked: Asked) -> Standing:
    """Return how servers stand with the features by the policy of now.

    What plain Feast applied no lease knows: then only the actor's own permission counts.
    """
    try:
        ruling = records.policy_lease(asked.project).verdict(SERVER)
    except NotFound:
        return Standing()
    refs = [str(ref) for ref in asked.features]
    if parted := next((ref for ref in refs if ruling.parts.of(ref)), None):
        return Standing(
            refusal=f"feature {parted} is served in part ({ruling.parts.of(parted)}), "
            "which plain Feast calls cannot give"
        )
    known = [ref for ref in refs if ref in ruling.opened or ref in ruling.closed]
    standing = ruling.standing(known)
    return standing if known == refs else replace(standing, is_public=False)


def _applied(records: "Records", asked: Asked) -> Standing:
    """Return how they stand with them by the policy as it was when features were applied."""
    try:
        manifest = records.serving_manifest(asked.project)
    except NotFound:
        return Standing()
    refs = [str(ref) for ref in asked.features]
    opened = {ref: manifest.open_until.get(ref) for ref in refs if ref not in manifest.closed}
    return Ruling(opened=opened, closed=manifest.closed).standing(refs)
