"""What the online benchmarks serve: views of one entity, the same values in our layout and in Feast's.

Made from row numbers, the same every time. Features are drawn by a fixed generator; each value
is known without a store, so that answers can be held to it. ``python -m benchmarks.online_data
FOLDER`` is the part that imports Feast: it applies the views of ``FOLDER/population.json`` to a Feast repository
there and writes its rows with Feast's own Redis store.
"""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from provender.core.features import FieldSpec, ServiceSpec
from provender.core.names import FeatureRef
from provender.core.serving import ServedView, ServingManifest
from provender.feast_plugin.typechecks import hasten
from provender.online.columns import ColumnEncoder
from provender.online.coverage import Coverage, readable_by
from provender.online.store import OnlineStore

PROJECT = "bench"
KEY = "entity_id"
MIXED = ("float64",) * 6 + ("int64",) * 2 + ("string", "bool")
EVENT = datetime(2026, 1, 1, tzinfo=UTC)
FEAST_TYPES = {"float64": "Float64", "int64": "Int64", "string": "String", "bool": "Bool"}
EPOCH_TEXT = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Population:
    """How many views, of which features each, of how many entities; services of their first views.

    A service of N views is called ``first_N``.
    """

    views: int
    kinds: tuple[str, ...]
    entities: int
    services: tuple[int, ...]

    @cached_property
    def columns(self) -> list[dict[str, list[Any]]]:
        """The features of all entities, column by column, for each view."""
        return [
            {
                name: _drawn(kind, f"{view}/{place}", self.entities)
                for place, (name, kind) in enumerate(zip(self.names(view), self.kinds, strict=True))
            }
            for view in range(self.views)
        ]

    def names(self, view: int) -> list[str]:
        return [f"v{view}_f{place}" for place in range(len(self.kinds))]

    def manifest(self) -> ServingManifest:
        """Return what our server and our lookups need to know."""
        return ServingManifest(
            project=PROJECT,
            repo_digest="sha256:0",
            compiled_at=EVENT,
            views=tuple(self._served(view) for view in range(self.views)),
            services=tuple(
                ServiceSpec(name=f"first_{count}", features=self.asked(count))
                for count in self.services
            ),
        )

    def asked(self, views: int) -> tuple[FeatureRef, ...]:
        """Return the features of the first ``views`` views."""
        return tuple(
            FeatureRef(f"view{view}", name) for view in range(views) for name in self.names(view)
        )

    def request(self, views: int, entities: list[int]) -> str:
        """Return the body of a request, as JSON."""
        return json.dumps({"feature_service": f"first_{views}", "entities": {KEY: entities}})

    def answer(self, views: int, entities: list[int]) -> dict[str, Any]:
        """Return the right answer, as `load.told` gives one."""
        size = len(entities)
        present = ["PRESENT"] * size
        right: dict[str, Any] = {KEY: [entities, present, [EPOCH_TEXT] * size]}
        times = [_text(event_timestamp(entity)) for entity in entities]
        for columns in self.columns[:views]:
            for name, values in columns.items():
                right[name] = [[values[entity] for entity in entities], present, times]
        return right

    def wire_answer(self, views: int, entities: list[int]) -> bytes:
        """Return the right answer as servers write it."""
        right = self.answer(views, entities)
        fields = ("values", "statuses", "event_timestamps")
        results = [dict(zip(fields, column, strict=True)) for column in right.values()]
        answer = {"results": results, "metadata": {"feature_names": list(right)}}
        return json.dumps(answer, separators=(",", ":")).encode()

    def values(self, views: int, entities: list[int]) -> dict[str, list[Any]]:
        """Return the right values by name, without the entities'."""
        right = self.answer(views, entities)
        return {name: column[0] for name, column in right.items() if name != KEY}

    def draws(self, size: int, count: int) -> list[list[int]]:
        """Return ``count`` lists of ``size`` entities each; no list holds one twice."""
        drawn = random.Random(size)  # noqa: S311 - the same every time, nothing secret
        return [drawn.sample(range(self.entities), size) for _ in range(count)]

    def _served(self, view: int) -> ServedView:
        fields = zip(self.names(view), self.kinds, strict=True)
        return ServedView(
            name=f"view{view}",
            join_keys=(FieldSpec(name=KEY, type="int64"),),
            columns=tuple(FieldSpec(name=name, type=kind) for name, kind in sorted(fields)),
        )


def event_timestamp(entity: int) -> datetime:
    """Return when the entity's features were true: whole seconds within the day."""
    return EVENT + timedelta(seconds=entity % 86_400)


def write_ours(population: Population, url: str) -> None:
    """Write all rows and the manifest into the store at ``url``, in our layout."""
    manifest = population.manifest()
    with OnlineStore(url) as store:
        for number, view in enumerate(manifest.views):
            columns = _rows(population, number)
            store.write(ColumnEncoder(PROJECT, view).encode(columns))
            whole = Coverage(source="", layout="", end=EVENT, readable=readable_by(view))
            store.keep_coverage(PROJECT, view.name, whole)
        store.publish_manifest(manifest)


def write_feast(population: Population, folder: Path, port: int) -> None:
    """Apply the views to a Feast repository in ``folder`` and write all rows with Feast's store."""
    hasten()
    import pandas as pd
    from feast import FeatureService, FeatureStore

    (folder / "feature_store.yaml").write_text(feature_store_yaml(folder, port))
    store = FeatureStore(repo_path=str(folder))
    entity, views = _feast_views(population, folder)
    services = [
        FeatureService(name=f"first_{count}", features=views[:count])
        for count in population.services
    ]
    store.apply([entity, *views, *services])
    for number, view in enumerate(views):
        store.write_to_online_store(view.name, pd.DataFrame(_rows(population, number)))


def feature_store_yaml(folder: Path, port: int) -> str:
    """Return Feast's configuration, tuned as its performance page says.

    Source: Feast's "Online Server Performance Tuning": the registry cached for 300 s; Redis, whose
    reads of all views go in one pipeline; feature services.
    """
    return f"""\
project: {PROJECT}
provider: local
registry:
  path: {folder / "registry.db"}
  cache_ttl_seconds: 300
  cache_mode: thread
online_store:
  type: redis
  connection_string: 127.0.0.1:{port}
  skip_dedup: true
entity_key_serialization_version: 3
"""


def _feast_views(population: Population, folder: Path) -> tuple[Any, list[Any]]:
    import feast.types
    import pandas as pd
    from feast import Entity, FeatureView, Field, FileSource, ValueType

    entity = Entity(name=KEY, join_keys=[KEY], value_type=ValueType.INT64)
    path = folder / "rows.parquet"
    pd.DataFrame({KEY: [0], "event_timestamp": [EVENT]}).to_parquet(path)
    views = []
    for number in range(population.views):
        fields = zip(population.names(number), population.kinds, strict=True)
        schema = [
            Field(name=name, dtype=getattr(feast.types, FEAST_TYPES[kind])) for name, kind in fields
        ]
        source = FileSource(
            name=f"rows{number}", path=str(path), timestamp_field="event_timestamp"
        )  # fmt: skip
        key = Field(name=KEY, dtype=feast.types.Int64)
        views.append(
            FeatureView(
                name=f"view{number}", entities=[entity], schema=[key, *schema], source=source
            )
        )
    return entity, views


def _rows(population: Population, view: int) -> dict[str, list[Any]]:
    entities = range(population.entities)
    return {
        KEY: list(entities),
        "event_timestamp": [event_timestamp(entity) for entity in entities],
        **population.columns[view],
    }


def _drawn(kind: str, seed: str, count: int) -> list[Any]:
    return list(_values(kind, random.Random(seed), count))  # noqa: S311 - the same every time


def _values(kind: str, drawn: random.Random, count: int) -> Iterator[Any]:
    for _ in range(count):
        if kind == "float64":
            yield drawn.randrange(1_000_000) / 1000.0
        elif kind == "int64":
            yield drawn.randrange(1_000_000)
        elif kind == "string":
            yield f"c{drawn.randrange(1000)}"
        else:
            yield drawn.random() < 0.5


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def save(population: Population, folder: Path) -> None:
    """Write the population where `write_feast` in another process finds it."""
    (folder / "population.json").write_text(json.dumps(asdict(population)))


def read(folder: Path) -> Population:
    """Return the population that was saved in ``folder``."""
    given = json.loads((folder / "population.json").read_text())
    return Population(
        **given | {"kinds": tuple(given["kinds"]), "services": tuple(given["services"])}
    )


if __name__ == "__main__":
    write_feast(read(Path(sys.argv[1])), Path(sys.argv[1]), int(sys.argv[2]))
