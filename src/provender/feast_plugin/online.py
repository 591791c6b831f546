"""The online store for Feast's own calls: the same rows, by the same codec, that the server reads.

Feast finds the configuration's class beside the store's, by name; both belong in this file.
Materialisation does not come through here: `engine.ProvenderEngine` writes Arrow batches.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

from feast.entity import Entity
from feast.feature_service import FeatureService
from feast.feature_view import FeatureView
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.infra.registry.base_registry import BaseRegistry
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.metrics import track_online_store_read
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, PositiveInt, model_validator

from provender.core.errors import ProvenderError
from provender.core.serving import PURPOSE, ServedView, serve_view
from provender.feast_plugin import collaborators, gate
from provender.feast_plugin.expiry import expiry_of
from provender.feast_plugin.lookups import Plans
from provender.feast_plugin.questions import EntityRows, FeastQuestion
from provender.feast_plugin.resolution import FeastPlan, Unplanned
from provender.feast_plugin.translation import view_spec
from provender.feast_plugin.view_rows import Read, Written, codec_of, explained, noting_oldest
from provender.online.epoch import Epoch
from provender.online.options import from_connection_string
from provender.online.place import Place
from provender.online.store import OnlineStore
from provender.online.stream import Stream


class ProvenderOnlineStoreConfig(FeastConfigBaseModel):
    """The section ``online_store`` of feature_store.yaml; the names are those of Feast's redis store.

    Without a ``connection_string`` it is the store of ``PROVENDER_REDIS_URL``, or the embedded one.
    """

    type: Literal["provender.feast_plugin.online.ProvenderOnlineStore"] = (
        "provender.feast_plugin.online.ProvenderOnlineStore"
    )
    connection_string: str = Field(
        "", description="host:port,parameter=value, as for Feast's redis store", repr=False
    )
    redis_type: Literal["redis", "redis_cluster", "redis_sentinel"] = "redis"
    sentinel_master: str = "mymaster"
    key_ttl_seconds: PositiveInt | None = Field(
        None, description="rows vanish this long after they were written"
    )
    online_expiry: Literal["none", "view-ttl"] = Field(
        "none",
        description="view-ttl: rows vanish an hour after they are older than the view's ttl; "
        "takes about 30 bytes a row",
    )
    full_scan_for_deletion: bool = Field(
        True, description="delete the rows of feature views that are removed"
    )
    enforce_ttl: bool = Field(True, description="withhold values older than the feature view's ttl")
    purpose: str = Field(PURPOSE, description="what governed features are looked up for")

    @model_validator(mode="after")
    def _one_expiry(self) -> Self:
        if self.key_ttl_seconds and self.online_expiry != "none":
            raise ValueError("set key_ttl_seconds or online_expiry, not both")
        return self


class ProvenderOnlineStore(FeastOnlineStore):
    """Packed rows in Redis or Valkey, one key per entity and feature view."""

    _versioned_read_supported = False

    def __init__(self) -> None:
        self._readers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Stream]] = (
            WeakKeyDictionary()
        )
        self._epochs: dict[str, Epoch] = {}
        self._plans = Plans()

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods(read=True, write=True)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Written],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows, each unless a newer one is stored; a row with a null join key is left out.

        Raises:
            Denied: the actor may not publish the dataset behind the view.
            Conflict: the view was applied otherwise since this process read its definition.
            InvalidInput: a value is not of its field's type, or a row is from after now.
            Unavailable: the store does not answer; writing all rows again is safe.
        """
        codec = codec_of(config, table)
        gate.check_push(config, [table])
        store = store_of(config)
        pairs = list(codec.pairs(data, now=_now()))
        store.claim(config.project, codec.served)
        done = store.write(pairs, expiry=expiry_of(config, table))
        gate.note_push(config, table, read=len(data), written=done.written)
        if progress:
            progress(len(data))

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Written],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Do as `online_write_batch`, in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Read]:
        """Return per entity its event timestamp and values; two Nones where there is no row.

        The values of a row older than the view's TTL are null.

        Raises:
            Denied: the actor may not look one of the features up, or nobody may.
        """
        codec = codec_of(config, table)
        wanted = codec.passes(config, requested_features)
        keys = codec.keys(entity_keys)
        epoch = self._epoch(config)
        rows = store_of(config).read(keys, epoch=epoch)
        gate.settle(wanted, epoch.told.word.state, len(keys))
        left = gate.left(wanted, rows, len(keys))
        return codec.answer(keys, left, requested_features, now=_now())

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Read]:
        """Do as `online_read`, through connections of the running event loop."""
        codec = codec_of(config, table)
        wanted = codec.passes(config, requested_features)
        keys = codec.keys(entity_keys)
        rows = await self._reader(config).read(keys)
        await self._settle(config, wanted, len(keys))
        left = gate.left(wanted, rows, len(keys))
        return codec.answer(keys, left, requested_features, now=_now())

    def get_online_features(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: EntityRows,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        include_feature_view_version_metadata: bool = False,
    ) -> OnlineResponse:
        """Return what Feast does, in the order asked, with a status that says why a value is null.

        All views are read in one round trip, also while they are materialised. A null join key
        finds nothing. What Feast's code answers in its own way (`lookups`) goes through it.

        Raises:
            Denied: the actor may not look one of the features up, or nobody may.
            Unavailable: the store does not answer.
        """
        try:
            plan = self._plan(config, features, registry, project, full_feature_names)
            question = FeastQuestion(plan, entity_rows, _now())
        except Unplanned:
            _serve_while_materializing(registry)
            with noting_oldest() as oldest:
                response = super().get_online_features(
                    config=config,
                    features=features,
                    entity_rows=entity_rows,
                    registry=registry,
                    project=project,
                    full_feature_names=full_feature_names,
                    include_feature_view_version_metadata=include_feature_view_version_metadata,
                )
            return explained(response, oldest)
        wanted, epoch = _passes(config, plan), self._epoch(config)
        started = time.monotonic()
        rows = store_of(config).read(question.keys, epoch=epoch)
        track_online_store_read(time.monotonic() - started)
        gate.settle(wanted, epoch.told.word.state, question.size)
        left = gate.left(wanted, rows, question.size)
        return question.answer(left, with_versions=include_feature_view_version_metadata)

    async def get_online_features_async(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: EntityRows,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        include_feature_view_version_metadata: bool = False,
    ) -> OnlineResponse:
        """Do as `get_online_features`, through connections of the running event loop."""
        try:
            plan = self._plan(config, features, registry, project, full_feature_names)
            question = FeastQuestion(plan, entity_rows, _now())
        except Unplanned:
            _serve_while_materializing(registry)
            with noting_oldest() as oldest:
                response = await super().get_online_features_async(
                    config=config,
                    features=features,
                    entity_rows=entity_rows,
                    registry=registry,
                    project=project,
                    full_feature_names=full_feature_names,
                    include_feature_view_version_metadata=include_feature_view_version_metadata,
                )
            return explained(response, oldest)
        wanted = _passes(config, plan)
        started = time.monotonic()
        rows = await self._reader(config).read(question.keys)
        track_online_store_read(time.monotonic() - started)
        await self._settle(config, wanted, question.size)
        left = gate.left(wanted, rows, question.size)
        return question.answer(left, with_versions=include_feature_view_version_metadata)

    def _plan(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        registry: BaseRegistry,
        project: str,
        full: bool,
    ) -> FeastPlan:
        aged = getattr(config.online_store, "enforce_ttl", True)
        return self._plans.plan(registry, project, features, full=full, aged=aged)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Delete the rows of removed views of this project, and say how those of others lie now.

        Raises:
            Unavailable: the store does not answer: whoever knows an older definition could
                write rows over those of the newer one.
        """
        if config.online_store.full_scan_for_deletion:
            for view in tables_to_delete:
                store_of(config).delete(config.project, view.name)
        if _may_have_rows(config):
            kept = [served for view in tables_to_keep if (served := _served(view)) is not None]
            store_of(config).declare(config.project, *kept)

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        """Delete everything of this project, and nothing of any other."""
        store_of(config).delete(config.project)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        for reader in self._readers.pop(asyncio.get_running_loop(), {}).values():
            await reader.close()

    def _reader(self, config: RepoConfig) -> Stream:
        readers = self._readers.setdefault(asyncio.get_running_loop(), {})
        if config.project not in readers:
            readers[config.project] = store_of(config).reader(epoch=self._epoch(config))
        return readers[config.project]

    def _epoch(self, config: RepoConfig) -> Epoch:
        """Return what has the policy's word that comes with the rows of the project."""
        epoch = self._epochs.get(config.project)
        if epoch is None:
            epoch = Epoch(config.project, lambda: None, leased=True)
            epoch = self._epochs.setdefault(config.project, epoch)
        return epoch

    async def _settle(
        self, config: RepoConfig, wanted: Sequence[gate.Pass | None], entities: int
    ) -> None:
        """Return if the rows that were read last may be handed out; ask in a thread, if at all."""
        told = self._epoch(config).told.word.state
        if unsettled := gate.unsettled(wanted, told):
            await asyncio.to_thread(gate.settle, unsettled, told, entities)


def store_of(config: RepoConfig) -> OnlineStore:
    """Return the store that the configuration names; one per process and address."""
    options = config.online_store
    ttl = getattr(options, "key_ttl_seconds", None)
    address = getattr(options, "connection_string", "")
    if not address:
        return collaborators.online(key_ttl_seconds=ttl)
    return _named_store(
        address,
        getattr(options, "redis_type", "redis"),
        getattr(options, "sentinel_master", ""),
        ttl,
    )


@cache
def _named_store(
    address: str, redis_type: str, sentinel_master: str, key_ttl_seconds: int | None
) -> OnlineStore:
    options = from_connection_string(
        address, redis_type=redis_type, sentinel_master=sentinel_master
    )
    return OnlineStore(options, key_ttl_seconds=key_ttl_seconds)


def _may_have_rows(config: RepoConfig) -> bool:
    """Return whether anybody can have written: an embedded server that never ran is not started."""
    settings = collaborators.settings()
    named = getattr(config.online_store, "connection_string", "") or settings.redis_url
    return bool(named) or Place.of(settings.home).folder.exists()


def _served(view: FeatureView) -> ServedView | None:
    """Return how rows of ``view`` lie; None if it has none, or none that could be written."""
    if isinstance(view, OnDemandFeatureView):
        return None
    try:
        return serve_view(view_spec(view))
    except ProvenderError:
        return None


def _now() -> datetime:
    return collaborators.settings().now()


def _passes(config: RepoConfig, plan: FeastPlan) -> list[gate.Pass | None]:
    """Return what has to be allowed before the plan's rows are handed out."""
    purpose = getattr(config.online_store, "purpose", PURPOSE)
    return gate.passes(config, [view.governed for view in plan.stored], purpose=purpose)


def _serve_while_materializing(registry: BaseRegistry) -> None:
    """Have Feast's own code, too, look up views that are being materialised: their rows are whole."""
    if not getattr(registry, "serve_features_while_materializing", False):
        registry.serve_features_while_materializing = True
