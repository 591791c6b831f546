"""Catalogs to measure: hundreds of thousands of datasets with columns, tags, owners and a version each.

`generate` makes them up from a vocabulary in which a few words are common and most are rare;
`load` writes datasets into either database many at a time, their documents by the code that
writes them one by one.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from provender.catalog import findable, indexing, naming, nodes
from provender.catalog.db import transaction
from provender.catalog.findable import Known, Standing
from provender.catalog.rows import (
    AssignmentRow,
    ConsumptionRow,
    DatasetNameRow,
    DatasetRow,
    DatasetTermRow,
    OwnerRow,
    RestsOnRow,
    VersionRow,
)
from provender.core.datasets import Dataset, DatasetVersion, EventRange, FileEntry, Format, Manifest
from provender.core.documents import Document
from provender.core.features import EntitySpec, FieldSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.lifecycle import State
from provender.core.names import DatasetRef, FeatureRef
from provender.core.schema import Column, Schema

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEED = 7
BATCH = 4_000
OWNERS, TAGS, DOMAINS = 300, 60, 40
RARE_WORDS = 30_000
COLUMN_NAMES, COMMON_COLUMNS = 10_000, 0.8
"""Names that many datasets have columns of, and how many of a dataset's columns have one of them."""
PROJECTS, VIEWS, SERVICES = 60, 12, 3
"""Projects, and how many views and services each has."""
TYPES = ("string", "int64", "float64", "timestamp", "bool")
COMMON = """
customer order payment driver trip flight weather route station product price invoice account card
merchant session click event user profile address delivery stock inventory store basket item return
refund claim policy vehicle sensor reading meter device battery patient visit lab test result
employee salary shift project ticket agent call email campaign ad impression bid auction loan credit
score fraud risk limit balance transfer ledger currency rate tax region city country postal zip geo
map road traffic speed accident airport carrier tail arrival departure delay cancel gate runway
hourly daily weekly monthly yearly latest raw clean agg summary snapshot history rolling mean total
count ratio rank index model feature label training spine lookup reference dim fact stage mart export
import archive backup sample
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A dataset to load, with the columns of its version, if it has one, and how it stands."""

    dataset: Dataset
    columns: tuple[str, ...]
    has_version: bool = True
    standing: Standing = findable.NOTHING


def generate(count: int, *, seed: int = SEED) -> Iterator[Made]:
    """Yield ``count`` datasets; the same seed yields the same ones."""
    source = random.Random(seed)  # noqa: S311 - data, no secrets
    words = _Words(source)
    domains = [f"{word}_{at}" for at, word in enumerate(words.some(DOMAINS))]
    names: set[str] = set()
    while len(names) < count:
        domain = domains[min(DOMAINS - 1, int(source.paretovariate(1.0)) - 1)]
        name = "_".join(words.some(source.randint(2, 4)))[:60]
        name += f"_{source.randint(1, 99)}" if source.random() < 0.4 else ""
        if f"{domain}.{name}" in names:
            continue
        names.add(f"{domain}.{name}")
        yield _made(DatasetRef(domain, name[:63]), words, source)


def made(count: int, *, every: int = 1) -> Iterator[Made]:
    """Yield one in ``every`` of the datasets that `generate` makes up."""
    return islice(generate(count), 0, None, every)


def projects(datasets: Sequence[tuple[DatasetRef, Sequence[str]]]) -> Iterator[RepoSpec]:
    """Yield projects with views over ``datasets``, each with its columns, in turn; and services."""
    for number in range(PROJECTS):
        mine = (
            [datasets[at % len(datasets)] for at in range(number * VIEWS, (number + 1) * VIEWS)]
            if datasets
            else []
        )
        views = tuple(_view(at, ref, columns) for at, (ref, columns) in enumerate(mine))
        yield RepoSpec(
            project=f"project_{number}",
            entities=(EntitySpec(name="entity", join_key="id", type="int64"),),
            views=views,
            services=tuple(
                ServiceSpec(
                    name=f"service_{at}",
                    description="What a model asks for.",
                    features=tuple(
                        FeatureRef(view.name, field.name)
                        for view in views[at::SERVICES]
                        for field in view.features
                    ),
                    owner=f"team:t{number}",
                )
                for at in range(SERVICES if views else 0)
            ),
        )


def _view(at: int, ref: DatasetRef, columns: Sequence[str]) -> ViewSpec:
    return ViewSpec(
        name=f"view_{at}",
        entities=("entity",),
        join_keys=(FieldSpec(name="id", type="int64"),),
        features=tuple(FieldSpec(name=name, type="float64") for name in columns[:8]),
        dataset=ref,
        event_timestamp="event_timestamp",
        description=f"What models see of {ref.name}.",
        owner=f"team:t{at}",
    )


def load(
    engine: Engine,
    made: Iterable[Made],
    *,
    others: Iterable[Document] = (),
    known: Known | None = None,
    now: datetime = NOW,
) -> int:
    """Write datasets, and ``others`` to be found, into a catalog; return how many there are now."""
    waiting, number = iter(made), 0
    while batch := list(islice(waiting, BATCH)):
        with transaction(engine, write=True) as db:
            _write(db, batch, known or Known(), now=now)
        number += len(batch)
    with transaction(engine, write=True) as db:
        number += indexing.put_all(db, others, at=now)
    return number


def _write(db: Session, batch: Sequence[Made], known: Known, *, now: datetime) -> None:
    first = naming.take(db, "dataset", len(batch))
    numbered = list(enumerate(batch, first))
    _insert(db, DatasetRow, (_dataset(number, one, now) for number, one in numbered))
    _insert(
        db,
        DatasetNameRow,
        (
            {"name": one.dataset.ref.dataset, "dataset": n, "since_at": now, "until_at": None}
            for n, one in numbered
        ),
    )
    _insert(
        db,
        OwnerRow,
        (
            {"dataset": n, "actor": owner.id, "role": owner.role.value}
            for n, one in numbered
            for owner in one.dataset.owners
        ),
    )
    _insert(db, AssignmentRow, (row for n, one in numbered for row in _tags(n, one, now)))
    _insert(
        db,
        DatasetTermRow,
        (
            {"dataset": n, "column_name": "", "term": term}
            for n, one in numbered
            for term in dict.fromkeys(one.dataset.terms)
        ),
    )
    _insert(db, VersionRow, (_version(n, one, now) for n, one in numbered if one.has_version))
    _insert(db, ConsumptionRow, (row for n, one in numbered for row in _consumers(n, one, now)))
    found = nodes.ensured(db, (nodes.dataset_node(one.dataset.ref) for _, one in numbered))
    _insert(
        db,
        RestsOnRow,
        ({"node": found[nodes.dataset_node(one.dataset.ref)], "dataset": n} for n, one in numbered),
    )
    rows = [db.get_one(DatasetRow, n) for n, _ in numbered]
    indexing.settle(db, rows)
    documents = (
        findable.dataset_document(one.dataset, one.columns, known=known, standing=one.standing)
        for one in batch
    )
    indexing.put_all(db, documents, at=now)


def _insert(db: Session, kind: Any, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        db.connection().execute(insert(kind), listed)


def _dataset(number: int, made: Made, now: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "urn": naming.new_urn(now),
        "name": made.dataset.ref.dataset,
        "domain": made.dataset.ref.domain,
        "revision": 1,
        "latest": 1 if made.has_version else None,
        "scope": 0,
        "value": made.dataset,
        "created_at": now,
        "changed_at": now,
        "withdrawn_at": None,
    }


def _tags(number: int, made: Made, now: datetime) -> Iterator[dict[str, Any]]:
    for put in made.dataset.assignments:
        yield {
            "dataset": number,
            "column_name": put.column,
            "tag": put.tag,
            "value": put.value,
            "by": made.dataset.owner,
            "at": now,
        }


def _consumers(number: int, made: Made, now: datetime) -> Iterator[dict[str, Any]]:
    for at in range(made.standing.used):
        yield {
            "dataset": number,
            "number": 0,
            "consumer_kind": "actor",
            "consumer": f"person:p{at}",
            "first_at": now,
            "last_at": now,
            "times": 1,
        }


def _version(number: int, made: Made, now: datetime) -> dict[str, Any]:
    schema = Schema(
        tuple(
            Column(name=name, type=TYPES[at % len(TYPES)]) for at, name in enumerate(made.columns)
        )
    )
    until = made.standing.fresh_until
    within = made.dataset.fresh_within
    latest = until - within if until and within else now
    ref = made.dataset.ref.at(1)
    manifest = Manifest(
        format=made.dataset.format,
        location=f"{ref.domain}/{ref.name}/{number}",
        files=(FileEntry(path="part-0", size_bytes=number, sha256=f"sha256:{number}"),),
        schema=schema,
        row_count=number,
        logical_digest=f"sha256:{number}",
        event_range=EventRange(earliest=latest - timedelta(days=1), latest=latest),
    )
    version = DatasetVersion(
        ref=ref, manifest=manifest, published_at=now, published_by=made.dataset.owner
    )
    return {
        "dataset": number,
        "number": 1,
        "content": f"sha256:{number}",
        "published_at": now,
        "row_count": number,
        "size_bytes": number,
        "earliest": latest - timedelta(days=1),
        "latest": latest,
        "value": version,
        "state": made.standing.state or State.PUBLISHED.value,
        "state_at": now,
        "state_by": made.dataset.owner,
    }


class _Words:
    """Words, the early ones often and the late ones seldom."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._rare = _rare_words(random.Random(1))  # noqa: S311 - data, no secrets
        self._words = [*COMMON.split(), *self._rare[::15]]
        source.shuffle(self._words)
        self._weights = _less_and_less(len(self._words))
        self._columns = [self._name() for _ in range(COLUMN_NAMES)]
        self._of_columns = _less_and_less(COLUMN_NAMES)

    def some(self, count: int) -> list[str]:
        """Return ``count`` words; the same one may be among them twice."""
        return [self._one() for _ in range(count)]

    def column(self) -> str:
        """Return the name of a column: one that others have, too, or one of its own."""
        if self._source.random() < COMMON_COLUMNS:
            return self._source.choices(self._columns, cum_weights=self._of_columns)[0]
        return self._name()

    def _name(self) -> str:
        return "_".join(self.some(self._source.randint(1, 3)))

    def _one(self) -> str:
        if self._source.random() < 0.25:
            return self._source.choice(self._rare)
        return self._source.choices(self._words, cum_weights=self._weights)[0]


def _less_and_less(count: int) -> list[float]:
    return list(itertools.accumulate(1 / (at + 12) for at in range(count)))


def _rare_words(source: random.Random) -> list[str]:
    found: set[str] = set()
    while len(found) < RARE_WORDS:
        syllables = (
            source.choice("bcdfghklmnprstvz") + source.choice("aeiou")
            for _ in range(source.randint(2, 4))
        )
        found.add("".join(syllables) + source.choice(["", "n", "r", "s", "t"]))
    return sorted(found)


def _made(ref: DatasetRef, words: _Words, source: random.Random) -> Made:
    columns = dict.fromkeys(words.column() for _ in range(source.randint(4, 14)))
    tags = [f"group{tag % 7}.tag{tag}" for tag in source.sample(range(TAGS), source.randint(0, 4))]
    within = timedelta(hours=24) if source.random() < 0.3 else None
    dataset = Dataset(
        ref=ref,
        description=" ".join(words.some(source.randint(6, 30))),
        owner=f"team:t{int(source.random() ** 2 * OWNERS)}",
        format=source.choice(list(Format)),
        tags=tuple(tags),
        fresh_within=within,
    )
    standing = Standing(
        state=State.PUBLISHED if source.random() < 0.93 else State.DEPRECATED,
        fresh_until=NOW + timedelta(hours=source.randint(-72, 24)) if within else None,
        used=min(200, int(source.paretovariate(0.9)) - 1) if source.random() < 0.4 else 0,
    )
    return Made(dataset=dataset, columns=tuple(columns), standing=standing)
