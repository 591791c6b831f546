"""The log of what serving saw: which requests are taken, what its columns are, what protects them.

One dataset per feature service, one row per entity that was asked for. Its columns are those of
Feast's own logs (feast.feature_logging): join keys and request columns by their names, then
``view__feature``, ``…__timestamp`` and ``…__status`` of each feature. Pure.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from provender.core.datasets import Dataset, Format
from provender.core.digest import digest, short
from provender.core.features import FieldSpec, RepoSpec, ServiceSpec
from provender.core.names import PART, DatasetRef, FeatureRef
from provender.core.training import output_name

DOMAIN = "serving_log"
LOG_TIMESTAMP = "__log_timestamp"
LOG_DATE = "__log_date"
REQUEST_ID = "__request_id"
ROW = "__row"
MANIFEST = "__manifest"
"""The last two are ours: the place of the entity in its request, and what was served by."""
STATUSES = {"PRESENT": 1, "NULL_VALUE": 2, "NOT_FOUND": 3, "OUTSIDE_MAX_AGE": 4}
"""The numbers that Feast's logs have for statuses (feast.types.Field FieldStatus)."""
WORD_BITS = 64
GOLDEN = 0x9E3779B97F4A7C15
"""2⁶⁴ divided by the golden ratio: its multiples are spread evenly, and follow no period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedFeature:
    """A feature as it is logged: under the name its view has in the service."""

    view: str
    feature: str
    type: str

    @property
    def column(self) -> str:
        return output_name(self.view, self.feature, full=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogShape:
    """What the records of one segment hold, in order: ``given`` values, then features.

    ``hashed`` names the given columns that hold keyed digests in place of values.
    """

    project: str
    service: str
    manifest: str
    given: tuple[FieldSpec, ...]
    features: tuple[LoggedFeature, ...]
    hashed: tuple[str, ...] = ()

    def columns(self) -> Iterator[tuple[str, str]]:
        """Yield name and type word of each column of the log."""
        for field in self.given:
            yield field.name, "string" if field.name in self.hashed else field.type
        for feature in self.features:
            yield feature.column, feature.type
            yield f"{feature.column}__timestamp", "timestamp"
            yield f"{feature.column}__status", "int32"
        yield LOG_TIMESTAMP, "timestamp"
        yield LOG_DATE, "date"
        yield REQUEST_ID, "string"
        yield ROW, "int32"
        yield MANIFEST, "string"


def sampler(rate: float) -> Callable[[], bool]:
    """Return what says of each next request whether it is taken: evenly, and ``rate`` of all.

    Of any N requests in a row, ``rate * N`` are taken, give or take a few.
    """
    threshold, mask, at = int(rate * (1 << WORD_BITS)), (1 << WORD_BITS) - 1, 0

    def take() -> bool:
        nonlocal at
        at = (at + GOLDEN) & mask
        return at < threshold

    return take


def log_ref(project: str, service: str) -> DatasetRef:
    """Return the dataset that holds the log of a service: ``serving_log.<project>__<service>``.

    Names that a dataset cannot have are told apart by a digest.
    """
    name = f"{project}__{service}"
    if not PART.match(name):
        plain = re.sub(r"[^a-z0-9_]", "_", name.lower()).lstrip("_0123456789")[:50]
        name = f"{plain or 'log'}_{short(digest([project, service]), length=8)}"
    return DatasetRef(DOMAIN, name)


def inherited_tags(
    repo: RepoSpec, service: ServiceSpec, datasets: Mapping[str, Dataset]
) -> dict[str, frozenset[str]]:
    """Return the tags of each logged column: those of all that its values come from.

    When a feature's value is from, and whether there is one, is told by it too. ``datasets``
    holds what the views read, by name.
    """
    tags: dict[str, set[str]] = {}
    renamed = {projection.alias: projection for projection in service.projections}
    for asked, own in zip(service.features, service.own_features, strict=True):
        column = output_name(asked.view, asked.feature, full=True)
        for name in (column, f"{column}__timestamp", f"{column}__status"):
            tags.setdefault(name, set()).update(_feature_tags(repo, own, datasets))
        for view in _views_behind(repo, own):
            tags[f"{column}__timestamp"] |= _source_tags(
                repo, view, repo.view(view).times, datasets
            )
            for key in repo.view(view).join_keys:
                projection = renamed.get(asked.view)
                given = projection.given(key.name) if projection else key.name
                tags.setdefault(given, set()).update(_column_tags(repo, view, key, datasets))
    return {name: frozenset(found) for name, found in tags.items() if found}


def log_dataset(repo: RepoSpec, service: ServiceSpec, datasets: Mapping[str, Dataset]) -> Dataset:
    """Return the declaration that the log of ``service`` needs, owned by whoever owns the service."""
    inherited = inherited_tags(repo, service, datasets)
    return Dataset(
        ref=log_ref(repo.project, service.name),
        description=f"What lookups of feature service {service.name} were answered, sampled; "
        "one row per entity asked for.",
        owner=service.owner,
        format=Format.PARQUET,
        event_timestamp=LOG_TIMESTAMP,
        column_tags={name: tuple(sorted(tags)) for name, tags in inherited.items()},
    )


def unprotected(
    declared: Dataset, inherited: Mapping[str, frozenset[str]], protected: frozenset[str]
) -> dict[str, list[str]]:
    """Return the protected tags that columns of ``declared`` lack, by column."""
    lacking = {
        column: sorted((tags & protected) - declared.tags_of(column))
        for column, tags in inherited.items()
    }
    return {column: tags for column, tags in lacking.items() if tags}


def _views_behind(repo: RepoSpec, ref: FeatureRef) -> list[str]:
    computed = repo.on_demand_view(ref.view)
    return (
        list(dict.fromkeys(needed.view for needed in computed.inputs)) if computed else [ref.view]
    )


def _feature_tags(
    repo: RepoSpec, ref: FeatureRef, datasets: Mapping[str, Dataset]
) -> frozenset[str]:
    computed = repo.on_demand_view(ref.view)
    if computed is not None:
        own = frozenset(computed.feature(ref.feature).tags)
        return own.union(*(_feature_tags(repo, needed, datasets) for needed in computed.inputs))
    return _column_tags(repo, ref.view, repo.view(ref.view).feature(ref.feature), datasets)


def _column_tags(
    repo: RepoSpec, view: str, field: FieldSpec, datasets: Mapping[str, Dataset]
) -> frozenset[str]:
    own = frozenset(repo.view(view).tags) | frozenset(field.tags)
    return own | _source_tags(repo, view, (field.source_column,), datasets)


def _source_tags(
    repo: RepoSpec, view: str, columns: Iterable[str], datasets: Mapping[str, Dataset]
) -> frozenset[str]:
    ref = repo.view(view).dataset
    if ref is None:
        return frozenset()
    return frozenset().union(*map(datasets[ref.dataset].tags_of, columns))
