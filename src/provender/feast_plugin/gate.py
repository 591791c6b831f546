"""May the actor look features up, or write rows, through Feast's online store? And what is written down.

Views on datasets of the catalog only: nobody governs the rows of a file. The online server
does not come by here; what it may serve and take is compiled into its manifest.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from feast.feature_view import FeatureView
from feast.repo_config import RepoConfig

from provender import bootstrap
from provender.core.audit import EventKind
from provender.core.clock import utc_now
from provender.core.errors import Denied, NotFound
from provender.core.features import RepoSpec, ViewSpec
from provender.core.leases import LEASE, Ruling, Standing, Unconfirmed
from provender.core.names import DatasetRef, FeatureRef
from provender.core.parted import Parts, found_by, permitted
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.serving import SERVER, ServedView
from provender.core.tally import Matter, matter_of
from provender.feast_plugin import collaborators
from provender.feast_plugin.source import CatalogSource
from provender.online.assent import Assent
from provender.online.journal import Ledger
from provender.online.veil import Veil, Veils, veiled
from provender.settings import Settings

if TYPE_CHECKING:
    from provender.core.protocols import Records

REMEMBERED = timedelta(seconds=60)
"""How long a yes is good for where what is served is as it was when features were applied."""
PASSES = 10_000
COMPUTED = "ask for a feature that is computed from it, by a python function of plain views: Feast reads the inputs of others as if they were asked for"
Rows = Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: features of one view, with the columns behind them; for whom, for what."""

    settings: Settings
    project: str
    purpose: str
    governed: "Governed"


@dataclass(frozen=True, slots=True)
class Governed:
    """Features of a view whose dataset is in the catalog, with the columns that they and their rows are found by.

    Those ``given`` are returned, the others feed functions only.
    """

    dataset: DatasetRef
    served: ServedView
    features: tuple[FeatureRef, ...]
    columns: tuple[ColumnRef, ...]
    given: tuple[FeatureRef, ...]

    @classmethod
    def of(
        cls,
        view: FeatureView,
        served: ServedView,
        features: Sequence[str] | None,
        given: Collection[str] | None = None,
    ) -> "Governed | None":
        """Return what ``features`` (none: all) of ``view`` rest on; None where nobody governs it.

        None of them is ``given`` that is not said to be, if that is said.
        """
        if not isinstance(view.batch_source, CatalogSource):
            return None
        dataset = view.batch_source.ref.dataset
        fields = [field for field in served.columns if not features or field.name in features]
        refs = [FeatureRef(view.name, field.name) for field in fields]
        spec = _spec(served, view.batch_source.ref.at(None))
        columns = {*found_by(spec), *(ColumnRef(dataset, field.source_column) for field in fields)}
        return cls(
            dataset=view.batch_source.ref.at(None),
            served=served,
            features=tuple(refs),
            columns=tuple(sorted(columns)),
            given=tuple(ref for ref in refs if given is None or ref.feature in given),
        )

    @property
    def view(self) -> ViewSpec:
        """The view as it is defined, as far as rows online tell."""
        return _spec(self.served, self.dataset)


def _spec(served: ServedView, dataset: DatasetRef) -> ViewSpec:
    return ViewSpec(
        name=served.name,
        entities=(),
        join_keys=served.join_keys,
        features=served.columns,
        dataset=dataset,
        event_timestamp=served.event_timestamp,
        created_timestamp=served.created_timestamp,
    )


@dataclass(frozen=True, slots=True)
class Yes:
    """A yes of the catalog: until when, whether everybody has it, what it leaves of rows, what is written down."""

    until: datetime | None
    is_public: bool
    veil: Veil | None
    matter: Matter | None
    ledger: Ledger | None


NOT_YET = Yes(None, is_public=False, veil=None, matter=None, ledger=None)


class Pass:
    """The answer to what is ``asked``: a yes that counts until the policy is another one, or it ends."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._yes = NOT_YET
        self._is_live = asked.settings.online_policy == "live"
        self._assent = Assent(
            lambda: self._records.policy_state(asked.project),
            without=Unconfirmed(asked.settings.online_unconfirmed),
            lasts=LEASE if self._is_live else REMEMBERED,
        )

    @property
    def veil(self) -> Veil | None:
        """What lies over the rows, as it was said last; None: nothing."""
        return self._yes.veil

    def stands(self, told: str) -> bool:
        """Whether it is yes for rows that came with a word of the state ``told`` of the policy."""
        return not self._is_over and self._assent.stands(self._heard(told))

    def renew(self, told: str, entities: int) -> None:
        """Return if the actor may have the rows of so many ``entities``; the catalog is asked.

        Raises:
            Denied: they may not, a feature is closed for serving, to servers and so to them, or
                nobody confirms the policy.
        """
        yes, over = self._yes, self._is_over
        is_public = yes.is_public and not over
        try:
            self._assent.renew(self._heard(told), self._ask, is_public=is_public, again=over)
        except (Denied, NotFound) as error:
            if yes.ledger is not None:
                yes.ledger.refused(yes.matter, entities, error)
            raise

    def count(self, entities: int) -> None:
        """Have it written down that rows of ``entities`` are handed out.

        Raises:
            Denied: that cannot be.
        """
        yes = self._yes
        if yes.ledger is not None:
            yes.ledger.served(yes.matter, entities, is_public=yes.is_public)

    @property
    def _is_over(self) -> bool:
        return self._yes.until is not None and utc_now() >= self._yes.until

    @property
    def _records(self) -> "Records":
        return collaborators.catalog(self._asked.settings).records

    def _heard(self, told: str) -> str:
        return told if self._is_live else ""

    def _ask(self) -> None:
        """Ask for all of it; what was said before counts until then, but is nobody else's any more."""
        asked, now = self._asked, utc_now()
        governed, settings = asked.governed, asked.settings
        self._yes = replace(self._yes, is_public=False)
        ruling = _live(self._records, asked) if self._is_live else _applied(self._records, asked)
        standing = _standing(ruling, governed, is_live=self._is_live)
        standing.require(now)
        permit = collaborators.catalog(settings).permit(
            Action.SERVE, governed.columns, purpose=asked.purpose
        )
        permit.cover(governed.columns, now=now, shielded=True)
        parts = _parts(permit, governed, ruling)
        if never := parts.refusal(map(str, governed.given)):
            raise Denied(never, hint=COMPUTED)
        key = partial(bootstrap.mask_key, settings, asked.project)
        ends = [end for end in (standing.until, permit.expires) if end is not None]
        self._yes = Yes(
            until=min(ends, default=None),
            is_public=standing.is_public,
            veil=Veils(parts, key).of(governed.served, [ref.feature for ref in governed.features]),
            matter=matter_of(
                permit,
                project=asked.project,
                views={governed.served.name: governed.served.version},
                tags=ruling.tags if ruling else {},
            ),
            ledger=collaborators.ledger(settings),
        )


_LOCK = threading.Lock()
_PASSES: dict[Asked, Pass] = {}


def passes(
    config: RepoConfig, governed: Iterable[Governed | None], *, purpose: str
) -> list[Pass | None]:
    """Return what has to `stand` before rows of what is ``governed`` are handed out, of each of it."""
    found = list(governed)
    if not any(found):
        return [None] * len(found)
    settings = settings_of(config)
    return [
        _pass(Asked(settings, config.project, purpose, item)) if item is not None else None
        for item in found
    ]


def unsettled(wanted: Iterable[Pass | None], told: str) -> list[Pass]:
    """Return which of those that are ``wanted`` the catalog has to be asked for."""
    return [item for item in wanted if item is not None and not item.stands(told)]


def settle(wanted: Iterable[Pass | None], told: str, entities: int) -> None:
    """Return if all that are ``wanted`` let rows of ``entities`` be handed out, read with a word of ``told``.

    Raises:
        Denied: as `Pass.renew`.
    """
    for item in unsettled(wanted, told):
        item.renew(told, entities)


def left(wanted: Sequence[Pass | None], rows: Rows, size: int) -> Rows:
    """Return what settled passes leave of rows, of which each has ``size``; that is written down.

    Raises:
        Denied: it cannot be.
    """
    for item in wanted:
        if item is not None:
            item.count(size)
    veils = [item.veil if item is not None else None for item in wanted]
    return veiled(veils, rows, size) if any(veils) else rows


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


@dataclass(frozen=True, slots=True)
class Said:
    """What servers may serve, and the tags of columns, where the catalog told them."""

    ruling: Ruling
    tags: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


def _live(records: "Records", asked: Asked) -> Said | None:
    """Return what servers may serve by the policy of now.

    What plain Feast applied no lease knows: then only the actor's own permission counts.
    """
    try:
        lease = records.policy_lease(asked.project)
    except NotFound:
        return None
    return Said(lease.verdict(SERVER), lease.tags)


def _applied(records: "Records", asked: Asked) -> Said | None:
    """Return what they may by the policy as it was when features were applied."""
    try:
        manifest = records.serving_manifest(asked.project)
    except NotFound:
        return None
    refs = [str(ref) for ref in asked.governed.features]
    opened = {ref: manifest.open_until.get(ref) for ref in refs if ref not in manifest.closed}
    return Said(Ruling(opened=opened, closed=manifest.closed))


def _standing(said: Said | None, governed: Governed, *, is_live: bool) -> Standing:
    """Return how servers stand with the features."""
    if said is None:
        return Standing()
    ruling, refs = said.ruling, [str(ref) for ref in governed.features]
    if not is_live:
        return ruling.standing(refs)
    known = [ref for ref in refs if ref in ruling.opened or ref in ruling.closed]
    standing = ruling.standing(known, map(str, governed.given))
    return standing if known == refs else replace(standing, is_public=False)


def _parts(permit: Permit, governed: Governed, said: Said | None) -> Parts:
    """Return what the actor's permit and the servers' lease leave of the features, both of them."""
    repo = RepoSpec(project="", entities=(), views=(governed.view,))
    parts = permitted(permit, repo, map(str, governed.features))
    return parts.within(said.ruling.parts) if said is not None else parts
