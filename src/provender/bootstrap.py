"""The composition root: settings in, working parts out. Heavy imports happen here, when asked for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from provender.core.cautions import warn_of_token
from provender.core.errors import Misconfigured
from provender.settings import Settings, read_settings

if TYPE_CHECKING:
    from provender.catalog.checkpoints import Sealing
    from provender.catalog.door import Door
    from provender.catalog.local import LocalCatalog
    from provender.core.erasure import Erasure, Sought
    from provender.core.protocols import Library
    from provender.offline.duck import DuckEngine
    from provender.offline.engines import Engines
    from provender.oidc.bearer import Provider
    from provender.online.drain import Bookkeeping
    from provender.online.journal import Backlog
    from provender.online.parity import Parity
    from provender.online.store import OnlineStore
    from provender.online.upkeep import Rebuilt, Watcher

__all__ = [
    "backlog",
    "bookkeeping",
    "catalog",
    "door",
    "engine",
    "erasure_key",
    "forget_online",
    "has_catalog",
    "identity_provider",
    "local_catalog",
    "mask_key",
    "online",
    "online_address",
    "online_upkeep",
    "prepare_home",
    "project_secret",
    "retrieval",
    "sealing",
    "settings",
    "sought",
]

ERASURES = ".erasures"
"""What the key of erasures is called among those of projects, none of which is called so."""


@cache
def settings() -> Settings:
    """Return the process's settings, read when they are needed first, and by each `sdk.connect`."""
    return read_settings()


def has_catalog(chosen: Settings) -> bool:
    """Return whether a catalog has been set up: a database is named, or is in the state folder."""
    return bool(chosen.catalog_url) or (chosen.home / "catalog.db").exists()


def prepare_home(chosen: Settings) -> None:
    """Make the state folder, private to its owner.

    Raises:
        Misconfigured: it cannot be made or written.
    """
    try:
        chosen.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = chosen.home / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Misconfigured(
            f"the state folder {chosen.home} cannot be written: {error.strerror or error}",
            hint="set PROVENDER_HOME to a folder that you may write",
        ) from error


def catalog(chosen: Settings | None = None) -> "Library":
    """Return the catalog of the settings: a database, or a service where its URL is http(s).

    It is warned of a token that nobody looks at.

    Raises:
        Misconfigured: the settings name an actor that the service does not take us for.
    """
    chosen = chosen or settings()
    if not chosen.is_remote:
        if chosen.token:
            warn_of_token(
                f"PROVENDER_TOKEN is not looked at: this catalog is no service, and takes whoever "
                f"opens it for PROVENDER_ACTOR, {chosen.actor}",
                hint="set PROVENDER_CATALOG_URL to the service that the token is of, or unset it",
            )
        return local_catalog(chosen)
    from provender.client import HttpCatalog
    from provender.client.credentials import token_for
    from provender.client.greeting import check_actor, check_token

    url = chosen.catalog_url
    token = chosen.token or token_for(url)
    remote = HttpCatalog(url, token=token)
    try:
        if token:
            check_token(remote, url)
        if "actor" in chosen.model_fields_set:
            check_actor(remote, url, chosen.actor)
    except BaseException:
        remote.close()
        raise
    return remote


def local_catalog(chosen: Settings | None = None) -> "LocalCatalog":
    """Return the catalog in its database, speaking for the actor of the settings.

    Its tables are made when they are missing.

    Raises:
        Misconfigured: the catalog of the settings is a service, whose database is not ours.
    """
    chosen = chosen or settings()
    from provender.catalog.local import LocalCatalog

    if not chosen.catalog_url:
        prepare_home(chosen)
    return LocalCatalog(
        chosen.database_url,
        actor=chosen.actor,
        sealing=sealing(chosen),
        unrecorded=chosen.unrecorded == "public",
    )


def door(chosen: Settings) -> "Door":
    """Return the way into the catalog's own database, for those who look after it.

    Raises:
        Misconfigured: the settings name no database, but a service in front of one.
    """
    from provender.catalog.door import Door
    from provender.catalog.reindexing import open_catalog
    from provender.core.clock import utc_now

    if not chosen.catalog_url:
        prepare_home(chosen)
    engine = sealing(chosen).bind(open_catalog(chosen.database_url))
    return Door(engine, actor=chosen.actor, clock=utc_now)


def sealing(chosen: Settings) -> "Sealing":
    """Return how the audit trail is signed: by the keys of the settings, or by those in home."""
    from provender.catalog.checkpoints import Sealing
    from provender.catalog.signing import Keys
    from provender.catalog.witness import Witness
    from provender.core.checkpoints import Rhythm

    named = chosen.audit_keys
    return Sealing(
        keys=Keys(named or chosen.home / "secrets" / "audit", makes=named is None),
        rhythm=Rhythm(
            events=chosen.audit_checkpoint_events,
            time=timedelta(seconds=chosen.audit_checkpoint_seconds),
        ),
        witness=Witness(chosen.audit_witness) if chosen.audit_witness else None,
    )


def identity_provider(chosen: Settings) -> "Provider | None":
    """Return what knows people by tokens of the settings' identity provider; None: there is none.

    Nothing is asked of it yet.

    Raises:
        Misconfigured: it is not said whom its tokens are for, or a package is missing.
    """
    if not chosen.oidc_issuer:
        return None
    if not chosen.oidc_audience:
        raise Misconfigured(
            f"tokens of {chosen.oidc_issuer} for anybody would be taken",
            hint="set PROVENDER_OIDC_AUDIENCE to what its tokens for this server say as aud",
        )
    try:
        from provender.oidc.bearer import Provider
        from provender.oidc.keys import ProviderKeys
    except ImportError as error:
        raise Misconfigured(
            f"tokens of an identity provider need {error.name}", hint="install provender[oidc]"
        ) from error
    from provender.core.claims import Claims

    return Provider(
        keys=ProviderKeys(
            issuer=chosen.oidc_issuer, url=chosen.oidc_keys_url, algorithms=chosen.oidc_algorithms
        ),
        audience=chosen.oidc_audience,
        claims=Claims(
            actor=chosen.oidc_actor_claim,
            domain=chosen.oidc_domain,
            teams=chosen.oidc_teams_claim,
            project=chosen.oidc_project_claim,
            purpose=chosen.oidc_purpose_claim,
        ),
        leeway=timedelta(seconds=chosen.oidc_leeway),
    )


def engine(chosen: Settings | None = None) -> "DuckEngine":
    """Return the engine over the lake of the settings."""
    from provender.offline.duck import DuckEngine

    chosen = chosen or settings()
    return DuckEngine(chosen.lake, memory_limit=chosen.memory_limit, threads=chosen.threads)


def retrieval(
    chosen: Settings,
    duck: "DuckEngine",
    *,
    engine: str = "",
    spark_master: str = "",
    spark_options: Mapping[str, str] | None = None,
) -> "Engines":
    """Return what runs point-in-time plans; what is not given is as in the settings."""
    from provender.offline.engines import Engines
    from provender.offline.spark import SparkEngine

    spark = SparkEngine(
        chosen.lake,
        spark_master or chosen.spark_master,
        spark_options or {},
        temp_directory=duck.temp_directory,
        memory_limit=duck.memory_limit,
    )
    return Engines(duck, spark, engine or chosen.engine)


def mask_key(chosen: Settings, project: str) -> bytes:
    """Return the key by which values are hashed for ``project``."""
    from provender.core.effects import project_key

    return project_key(project_secret(chosen, project), project)


def project_secret(chosen: Settings, project: str) -> bytes:
    """Return the secret of ``project``, of entity ids and other keys; Misconfigured if there can be none."""
    from provender.online.secrets import KEYRING

    KEYRING.look_in(chosen.home / "secrets", chosen.entity_secret)
    return KEYRING.secret(project)


def backlog(chosen: Settings) -> "Backlog":
    """Return how much of what is written down of lookups may wait for the catalog."""
    from provender.online.journal import Backlog

    return Backlog(seconds=chosen.journal_seconds, size_bytes=chosen.journal_megabytes << 20)


def bookkeeping(chosen: Settings, catalog: "Library") -> "Bookkeeping":
    """Return what writes down the lookups of this process, and has ``catalog`` know of them."""
    from provender.online.drain import Bookkeeping
    from provender.online.journal import journal_of

    return Bookkeeping(
        journal_of(chosen.home, catalog.actor.id),
        catalog.records.tell_lookups,
        backlog=backlog(chosen),
        passes=chosen.unrecorded == "public",
    )


def erasure_key(chosen: Settings) -> tuple[str, bytes]:
    """Return the key by which subjects that were erased are known again, and what it is called.

    It is beside the catalog and in no backup of it.

    Raises:
        Misconfigured: it cannot be read or made.
    """
    from provender.online.secrets import KEYRING

    KEYRING.look_in(chosen.home / "secrets", chosen.entity_secret)
    return KEYRING.key_id(ERASURES), KEYRING.secret(ERASURES)


def sought(chosen: Settings, *erasures: "Erasure") -> "Sought":
    """Return what knows the subjects of ``erasures``, which are of one join key.

    Raises:
        Misconfigured: the key that one was begun with is not here.
    """
    from provender.core.erasure import Sought

    name, secret = erasure_key(chosen)
    for erasure in erasures:
        if name != erasure.key:
            raise Misconfigured(
                f"{erasure.id} was begun with the key {erasure.key}, and the one here is {name}",
                hint=f"put back {chosen.home / 'secrets' / (ERASURES + '.key')}, or erase the subject anew",
            )
    digests = frozenset(digest for erasure in erasures for digest in erasure.sought)
    return Sought(secret, erasures[0].join_key, digests)


def forget_online(chosen: Settings, url: str) -> int:
    """Do again, in the online store at ``url``, the erasures of the lake that it does not know; count them.

    That is so where a copy of before was put back: nobody is to be served from it before.

    Raises:
        Unavailable: the store does not answer.
        Misconfigured: the key of the erasures is not here.
    """
    from provender.online.forgetting import forget, missing
    from provender.online.store import OnlineStore
    from provender.tables import ledger

    known = ledger.read(chosen.lake)
    if not known:
        return 0
    with OnlineStore(url) as store:
        again = missing(store, known)
        for join_key in {erasure.join_key for erasure in again}:
            those = [erasure for erasure in again if erasure.join_key == join_key]
            forget(store, [erasure.id for erasure in those], sought(chosen, *those))
    return len(again)


@contextmanager
def online_address(chosen: Settings) -> Iterator[str]:
    """The URL of the online store; an embedded server is kept up while the block runs."""
    if chosen.redis_url:
        yield chosen.redis_url
        return
    from provender.online.embedded import embedded_server

    prepare_home(chosen)
    with embedded_server(chosen.home) as server:
        yield server.url


def online(chosen: Settings | None = None) -> "OnlineStore":
    """Return the online store; without ``PROVENDER_REDIS_URL`` the embedded one, started if need be."""
    from provender.online.embedded import embedded_server
    from provender.online.secrets import KEYRING
    from provender.online.store import OnlineStore

    chosen = chosen or settings()
    KEYRING.look_in(chosen.home / "secrets", chosen.entity_secret)
    if chosen.redis_url:
        return OnlineStore(chosen.redis_url)
    prepare_home(chosen)
    server = embedded_server(chosen.home)
    return OnlineStore(server.url, on_close=server.close)


class OnlineUpkeep(Protocol):
    """What compares the online store of a Feast repository with offline, and fills it anew."""

    def verify(
        self,
        path: Path,
        *,
        settings: Settings,
        views: Sequence[str] = (),
        sample: int | None = None,
        watcher: "Watcher | None" = None,
    ) -> "Iterator[Parity]":
        """Compare each view's rows online with the latest ones offline; yield what is found."""
        ...

    def rebuild(
        self,
        path: Path,
        *,
        settings: Settings,
        views: Sequence[str] = (),
        delete_orphans: bool = False,
        watcher: "Watcher | None" = None,
    ) -> "Iterator[Rebuilt]":
        """Write every row again, delete those that offline lacks if so told; yield what was done."""
        ...


def online_upkeep() -> OnlineUpkeep:
    """Return the plug-in's upkeep, which reads Feast repositories, and so loads Feast.

    By its name: the plug-in stands on this module.
    """
    upkeep: OnlineUpkeep = import_module("provender.feast_plugin.upkeep").Upkeep()
    return upkeep
