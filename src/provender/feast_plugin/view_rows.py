"""Rows of one feature view between Feast's protobuf and the store's bytes, for Feast's own calls."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache
from typing import Any

from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.freshness import refuse, staleness
from provender.core.serving import PURPOSE, ServedView, serve_view
from provender.feast_plugin import gate
from provender.feast_plugin.joins import alias_of
from provender.feast_plugin.translation import view_spec
from provender.feast_plugin.values import NULL, is_null, to_protos, to_python
from provender.online.blocks import PRESENT, ViewReader
from provender.online.codec import KeyCodec, RowCodec
from provender.online.kinds import MICROSECOND, from_micros, micros
from provender.online.skew import refuse_future

Written = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Read = tuple[datetime | None, dict[str, Value] | None]
OLDEST: ContextVar[dict[str, datetime] | None] = ContextVar("oldest", default=None)
"""While features are looked up: per output name, the oldest event timestamp that is served."""


class ViewCodec:
    """The rows of one feature view between Feast's protobuf and the store's bytes."""

    def __init__(self, project: str, view: FeatureView, served: ServedView, *, aged: bool) -> None:
        self._view = view
        self.served = served
        self._keys, self._rows = _codecs(project, served)
        self._types = {feature.name: feature.dtype.to_value_type() for feature in view.features}
        self._aged = aged
        self._max_age = served.max_age(with_ttl=aged)

    def passes(self, config: RepoConfig, features: Sequence[str] | None) -> list[gate.Pass | None]:
        """Return what has to be allowed before ``features`` are handed out."""
        purpose = getattr(config.online_store, "purpose", PURPOSE)
        governed = gate.Governed.of(self._view, self.served, features)
        return gate.passes(config, [governed], purpose=purpose)

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
            key = self._keys.key([self._key_value(named, k.name) for k in self.served.join_keys])
            if key is not None:
                values = {name: to_python(value) for name, value in features.items()}
                created = to_utc(created_timestamp) if created_timestamp else None
                event = to_utc(event_timestamp)
                refuse_future(self.served.name, event, now, created=created)
                yield key, self._rows.encode(key, values, event, created)

    def answer(
        self,
        keys: Sequence[bytes],
        rows: Sequence[bytes | None],
        features: Sequence[str] | None,
        *,
        now: datetime,
    ) -> list[Read]:
        """Return what Feast wants of each row; old values, and rows from later, are withheld.

        Raises:
            Stale: a row is staler than the view lets serve.
        """
        names = list(features) if features else [column.name for column in self.served.columns]
        block = ViewReader(self.served, names).block(keys, rows, micros(now), awaits=self._aged)
        self._refuse_stale(block.event_us, now)
        oldest = self._note_oldest(names, now)
        columns = [to_protos(block.python(at), self._types[name]) for at, name in enumerate(names)]
        answers: list[Read] = []
        for index, status in enumerate(block.statuses):
            if status != PRESENT:
                answers.append((None, None))
                continue
            event = from_micros(block.event_us[index])
            kept = oldest is None or event >= oldest
            values = [column[index] if kept else NULL for column in columns]
            answers.append((event, dict(zip(names, values, strict=True))))
        return answers

    def _refuse_stale(self, event_us: Sequence[int], now: datetime) -> None:
        limit = self.served.max_staleness
        if limit is not None:
            told = staleness(
                event_us,
                micros(now),
                limit_us=limit // MICROSECOND,
                on_stale=self.served.on_stale,
            )
            refuse(self.served.name, told, limit)

    def _note_oldest(self, names: Sequence[str], now: datetime) -> datetime | None:
        if self._max_age is None:
            return None
        oldest = now - self._max_age
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


@lru_cache(maxsize=1024)
def _codecs(project: str, served: ServedView) -> tuple[KeyCodec, RowCodec]:
    return KeyCodec(project, served), RowCodec(served)


def _join_key_values(entity: EntityKey) -> dict[str, Any]:
    return {
        name: to_python(value)
        for name, value in zip(entity.join_keys, entity.entity_values, strict=True)
        if name != DUMMY_ENTITY_ID
    }


@contextmanager
def noting_oldest() -> Iterator[dict[str, datetime]]:
    """Give where the oldest event timestamps served meanwhile are noted, by output name."""
    noted: dict[str, datetime] = {}
    token = OLDEST.set(noted)
    try:
        yield noted
    finally:
        OLDEST.reset(token)


def explained(response: OnlineResponse, oldest: dict[str, datetime]) -> OnlineResponse:
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
