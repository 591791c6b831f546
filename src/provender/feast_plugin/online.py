"""The online store for Feast's own calls: the same rows, by the same codec, that the server reads.

Feast finds the configuration's class beside the store's, by name; both belong in this file.
Materialisation does not come through here: `engine.ProvenderEngine` writes Arrow batches.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

from feast.entity import Entity
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, PositiveInt, model_validator

from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.serving import PURPOSE, ServedView, serve_view
from provender.feast_plugin import collaborators, gate
from provender.feast_plugin.expiry import expiry_of
from provender.feast_plugin.joins import alias_of
from provender.feast_plugin.translation import view_spec
from provender.feast_plugin.values import NULL, is_null, to_protos, to_python
from provender.online.blocks import CLOCK_SKEW_US, PRESENT, ViewReader
from provender.online.codec import KeyCodec, RowCodec
from provender.online.kinds import from_micros, micros
from provender.online.options import from_connection_string
from provender.online.skew import refuse_future
from provender.online.store import OnlineStore
from provender.online.stream import Stream

Written = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Read = tuple[datetime | None, dict[str, Value] | None]
OLDEST: ContextVar[dict[str, datetime] | None] = ContextVar("oldest", default=None)
"""While features are looked up: per output name, the oldest event timestamp that is served."""


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
        self._readers: WeakKeyDictionary[asyncio.AbstractEventLoop, Stream] = WeakKeyDictionary()

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
            InvalidInput: a value is not of its field's type, or a row is from after now.
            Unavailable: the store does not answer; writing all rows again is safe.
        """
        codec = codec_of(config, table)
        gate.check_push(config, [table])
        store = store_of(config)
        pairs = list(codec.pairs(data, now=_now()))
        store.claim(config.project, table.name)
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
        if asked := codec.unanswered(config, requested_features):
            gate.ask(asked)
        keys = codec.keys(entity_keys)
        rows = store_of(config).read(keys)
        return codec.answer(keys, rows, requested_features, now=_now())

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Read]:
        """Do as `online_read`, through connections of the running event loop."""
        codec = codec_of(config, table)
        if asked := codec.unanswered(config, requested_features):
            await asyncio.to_thread(gate.ask, asked)
        keys = codec.keys(entity_keys)
        rows = await self._reader(config).read(keys)
        return codec.answer(keys, rows, requested_features, now=_now())

    def get_online_features(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Return what Feast does, with a status that says why a value is null."""
        with _noting_oldest() as oldest:
            response = super().get_online_features(*args, **kwargs)
        return _explained(response, oldest)

    async def get_online_features_async(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Do as `get_online_features`."""
        with _noting_oldest() as oldest:
            response = await super().get_online_features_async(*args, **kwargs)
        return _explained(response, oldest)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Delete the rows of removed views of this project. Others need no preparation."""
        if config.online_store.full_scan_for_deletion:
            for view in tables_to_delete:
                store_of(config).delete(config.project, view.name)

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        """Delete everything of this project, and nothing of any other."""
        store_of(config).delete(config.project)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        reader = self._readers.pop(asyncio.get_running_loop(), None)
        if reader is not None:
            await reader.close()

    def _reader(self, config: RepoConfig) -> Stream:
        loop = asyncio.get_running_loop()
        if loop not in self._readers:
            self._readers[loop] = store_of(config).reader()
        return self._readers[loop]


class ViewCodec:
    """The rows of one feature view between Feast's protobuf and the store's bytes."""

    def __init__(self, project: str, view: FeatureView, served: ServedView, *, aged: bool) -> None:
        self._view = view
        self._served = served
        self._keys, self._rows = _codecs(project, served)
        self._types = {feature.name: feature.dtype.to_value_type() for feature in view.features}
        self._aged = aged
        self._ttl = served.ttl if aged else None

    def unanswered(self, config: RepoConfig, features: Sequence[str] | None) -> gate.Asked | None:
        """Return what has to be allowed before ``features`` are looked up, if anything."""
        purpose = getattr(config.online_store, "purpose", PURPOSE)
        return gate.unanswered(config, self._view, self._served, features, purpose=purpose)

    def keys(self, entities: Sequence[EntityKey]) -> list[bytes]:
        """Return the key of each entity."""
        named = [_join_key_values(entity) for entity in entities]
        columns = [
            [self._key_value(row, key.name) for row in named] for key in self._keys.view.join_keys
        ]
        return self._keys.keys(columns, len(entities))

    def pairs(self, data: Sequence[Written], *, now: datetime) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and row of each written row that has all its join keys.

        Raises:
            InvalidInput: a value is not of its field's type, or a row is from after ``now``.
        """
        for entity, features, event_timestamp, created_timestamp in data:
            named = _join_key_values(entity)
            key = self._keys.key([self._key_value(named, k.name) for k in self._served.join_keys])
            if key is not None:
                values = {name: to_python(value) for name, value in features.items()}
                created = to_utc(created_timestamp) if created_timestamp else None
                event = to_utc(event_timestamp)
                refuse_future(self._served.name, event, now)
                yield key, self._rows.encode(key, values, event, created)

    def answer(
        self,
        keys: Sequence[bytes],
        rows: Sequence[bytes | None],
        features: Sequence[str] | None,
        *,
        now: datetime,
    ) -> list[Read]:
        """Return what Feast wants of each row; old values, and rows from later, are withheld."""
        names = list(features) if features else [column.name for column in self._served.columns]
        block = ViewReader(self._served, names).block(keys, rows)
        oldest = self._note_oldest(names, now)
        newest_us = micros(now) + CLOCK_SKEW_US
        columns = [to_protos(block.python(at), self._types[name]) for at, name in enumerate(names)]
        answers: list[Read] = []
        for index, status in enumerate(block.statuses):
            event_us = block.event_us[index]
            if status != PRESENT or (self._aged and event_us > newest_us):
                answers.append((None, None))
                continue
            event = from_micros(event_us)
            kept = oldest is None or event >= oldest
            values = [column[index] if kept else NULL for column in columns]
            answers.append((event, dict(zip(names, values, strict=True))))
        return answers

    def _note_oldest(self, names: Sequence[str], now: datetime) -> datetime | None:
        if self._ttl is None:
            return None
        oldest = now - self._ttl
        noted = OLDEST.get()
        if noted is not None:
            view = alias_of(self._view)
            for name in names:
                noted[name] = noted[f"{view}__{name}"] = oldest
        return oldest

    def _key_value(self, row: dict[str, Any], name: str) -> Any:
        if name not in row:
            raise InvalidInput(
                f"an entity of feature view {self._view.name} has no join key {name}; it has {', '.join(row)}",
                hint="give every join key of the view",
            )
        return row[name]


def codec_of(config: RepoConfig, view: FeatureView) -> ViewCodec:
    """Return the codec of ``view``.

    Raises:
        InvalidInput: its values are not kept online, or have a type that cannot be.
    """
    if isinstance(view, OnDemandFeatureView):
        raise InvalidInput(
            f"on-demand view {view.name} cannot be written to the online store",
            hint="leave out write_to_online_store: it is computed when it is asked for",
        )
    aged = getattr(config.online_store, "enforce_ttl", True)
    return ViewCodec(config.project, view, serve_view(view_spec(view)), aged=aged)


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


@lru_cache(maxsize=1024)
def _codecs(project: str, served: ServedView) -> tuple[KeyCodec, RowCodec]:
    return KeyCodec(project, served), RowCodec(served)


def _join_key_values(entity: EntityKey) -> dict[str, Any]:
    return {
        name: to_python(value)
        for name, value in zip(entity.join_keys, entity.entity_values, strict=True)
        if name != DUMMY_ENTITY_ID
    }


def _now() -> datetime:
    return collaborators.settings().now()


@contextmanager
def _noting_oldest() -> Iterator[dict[str, datetime]]:
    noted: dict[str, datetime] = {}
    token = OLDEST.set(noted)
    try:
        yield noted
    finally:
        OLDEST.reset(token)


def _explained(response: OnlineResponse, oldest: dict[str, datetime]) -> OnlineResponse:
    """Feast knows present and missing only: say of nulls whether they are stored or too old."""
    proto = response.proto
    for name, vector in zip(proto.metadata.feature_names.val, proto.results, strict=True):
        limit = oldest.get(name)
        for index, value in enumerate(vector.values):
            if vector.statuses[index] == FieldStatus.PRESENT and is_null(value):
                event = to_utc(vector.event_timestamps[index].ToDatetime())
                outside = limit is not None and event < limit
                vector.statuses[index] = (
                    FieldStatus.OUTSIDE_MAX_AGE if outside else FieldStatus.NULL_VALUE
                )
    return response
