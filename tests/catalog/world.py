"""A small catalog to test with: two domains, people of every office, a protected column."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from provender.catalog.local import LocalCatalog
from provender.core.datasets import (
    Dataset,
    DatasetSummary,
    DatasetVersion,
    EventRange,
    FileEntry,
    Format,
    Manifest,
    whole,
)
from provender.core.digest import digest
from provender.core.features import (
    EntitySpec,
    FieldSpec,
    OnDemandSpec,
    RepoSpec,
    ServiceSpec,
    ViewSpec,
)
from provender.core.finding import Hit, Question
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef, FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, ColumnRef, Rule
from provender.core.protocols import Library
from provender.core.schema import Column, Schema
from provender.core.tags import Tag
from provender.core.training import TrainingSetManifest, TrainingSetSpec

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FLIGHTS = DatasetRef("aviation", "flights")
WEATHER = DatasetRef("aviation", "weather")
HOURLY = DatasetRef("aviation", "weather_hourly")
SALARIES = DatasetRef("people", "salaries")
SCHEMA = Schema(
    (
        Column(name="event_timestamp", type="timestamp"),
        Column(name="tailnum", type="string"),
        Column(name="arr_delay", type="float64"),
    )
)

Connect = Callable[[str], LocalCatalog]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


def dataset(ref: DatasetRef, description: str, **said: object) -> Dataset:
    defaults: dict[str, object] = {
        "owner": "team:ops",
        "format": Format.PARQUET,
        "event_timestamp": "event_timestamp",
    }
    return Dataset(ref=ref, description=description, **{**defaults, **said})  # type: ignore[arg-type]


GOVERNANCE = Governance(
    domains=(Domain(name="aviation", description="Flights."), Domain(name="people")),
    teams=("team:hr", "team:models", "team:ops"),
    people=(
        Person(id="person:ana", name="Ana", teams=("team:models",)),
        Person(id="person:dev", name="Dev"),
        Person(id="person:gov", name="Gov"),
        Person(id="person:max", name="Max"),
        Person(id="person:ops", name="Ops", teams=("team:ops",)),
        Person(id="person:sam", name="Sam"),
    ),
    tags=(Tag(name="personal", protected=True), Tag(name="source.bts")),
    purposes={"delay": "Predict delays.", "report": "Count."},
    rules=(
        Rule(id="govern", actors=("person:gov",), actions=(Action.GOVERN,)),
        Rule(
            id="aviation-is-known",
            actors=("anyone",),
            actions=(Action.DISCOVER,),
            datasets=("aviation.*",),
        ),
        Rule(id="develop", actors=("person:dev",), actions=(Action.DEFINE,)),
        Rule(
            id="model",
            actors=("team:models",),
            actions=(Action.DEFINE,),
            datasets=("aviation.*",),
        ),
        Rule(
            id="report",
            actors=("anyone",),
            actions=(Action.READ,),
            datasets=("aviation.*",),
            purposes=("report",),
        ),
    ),
    datasets=(
        dataset(
            FLIGHTS,
            "Departures and arrivals out of New York.",
            stewards=("person:sam",),
            tags=("source.bts",),
            column_tags={"tailnum": ("personal",)},
            column_descriptions={"arr_delay": "How late the arrival was, minutes."},
        ),
        dataset(WEATHER, "Hourly observations.", format=Format.DELTA),
        dataset(HOURLY, "The last complete hour of weather."),
        dataset(SALARIES, "Who earns what.", owner="team:hr", event_timestamp=None),
    ),
)


def governing(*datasets: Dataset, **changes: object) -> Governance:
    """`GOVERNANCE` with ``datasets`` in place of those of their names."""
    changed = {dataset.ref: dataset for dataset in datasets}
    every = tuple(changed.pop(d.ref, d) for d in GOVERNANCE.datasets)
    said: dict[str, object] = {"datasets": (*every, *changed.values()), **changes}
    return replace(GOVERNANCE, **said)  # type: ignore[arg-type]


def declared(ref: DatasetRef) -> Dataset:
    """What `GOVERNANCE` says about a dataset."""
    return next(dataset for dataset in GOVERNANCE.datasets if dataset.ref == ref)


def manifest(rows: int = 10, *, of: DatasetRef = FLIGHTS, **changes: object) -> Manifest:
    """A version of the dataset ``of`` whose content depends on ``rows``."""
    facts: dict[str, object] = {
        "format": Format.PARQUET,
        "location": f"{of.domain}/{of.name}/{rows}",
        "files": (FileEntry(path="part-0.parquet", size_bytes=100 * rows, sha256="sha256:0"),),
        "schema": SCHEMA,
        "row_count": rows,
        "logical_digest": f"sha256:{rows}",
        "event_timestamp": "event_timestamp",
        "event_range": EventRange(earliest=NOW - timedelta(days=rows), latest=NOW),
    }
    return Manifest(**{**facts, **changes})  # type: ignore[arg-type]


REPO = RepoSpec(
    project="delays",
    entities=(EntitySpec(name="origin", join_key="origin", type="string"),),
    views=(
        ViewSpec(
            name="weather",
            entities=("origin",),
            join_keys=(FieldSpec(name="origin", type="string"),),
            features=(FieldSpec(name="temp", type="float64", description="Temperature, °F."),),
            dataset=HOURLY,
            event_timestamp="event_timestamp",
            description="What the sky does.",
            owner="team:models",
        ),
        ViewSpec(
            name="pay",
            entities=("origin",),
            join_keys=(FieldSpec(name="origin", type="string"),),
            features=(FieldSpec(name="salary", type="float64"),),
            dataset=SALARIES,
            event_timestamp="event_timestamp",
            owner="team:hr",
        ),
    ),
    on_demand=(
        OnDemandSpec(
            name="heat",
            inputs=(FeatureRef("weather", "temp"),),
            request=(),
            features=(FieldSpec(name="celsius", type="float64"),),
            module="transforms",
            function="heat",
            code_digest="sha256:1",
        ),
    ),
    services=(
        ServiceSpec(
            name="delay_v1",
            features=(FeatureRef("weather", "temp"), FeatureRef("heat", "celsius")),
            description="Predicts delays.",
            owner="team:models",
        ),
        ServiceSpec(name="pay_v1", features=(FeatureRef("pay", "salary"),), owner="team:hr"),
    ),
)
VISIBLE = replace(REPO, views=REPO.views[:1], services=REPO.services[:1])
"""The part that rests on no hidden dataset."""


READ = ("arr_delay", "event_timestamp", "origin", "temp")


def permitted(catalog: Library, *pins: DatasetRef, purpose: str = "report") -> str:
    """Return the decision that lets the catalog's actor read columns of each of ``pins``.

    All that there are, but for a protected one of flights; and those that definitions read.
    """
    columns = [ColumnRef(pin.dataset, name) for pin in pins for name in READ]
    flights = FLIGHTS.dataset
    columns += [ColumnRef(pin.dataset, "tailnum") for pin in pins if pin.dataset != flights]
    return catalog.permit(Action.READ, columns, purpose=purpose).decision


def training_set(
    *pins: DatasetRef, by: str, content: str = "c", decision: str = "dec_1"
) -> TrainingSetManifest:
    return TrainingSetManifest(
        spec=TrainingSetSpec(
            project="delays",
            features=(FeatureRef("weather", "temp"),),
            purpose="report",
            service="delay_v1",
        ),
        pins=pins,
        plan_digest="sha256:p",
        repo_digest=REPO.digest,
        decision=decision,
        spine_digest=f"hmac-{digest(f's of {by}')}",
        content_digest=f"hmac-{digest(content)}",
        row_count=3,
        columns=("origin", "temp"),
        created_at=NOW,
        created_by=by,
        seconds=0.1,
        known_later={"weather": 2},
        event_range=(NOW - timedelta(days=1), NOW),
    )


def searched(catalog: Library, text: str, *, limit: int = 20, kind: str | None = None) -> list[Hit]:
    """Return what ``catalog`` finds for ``text``."""
    question = Question(text=text, filters={"type": (kind,)} if kind else {})
    return list(catalog.finder.search(question, limit=limit).hits)


def listed(catalog: Library, *, domain: str = "") -> list[DatasetSummary]:
    """Return all datasets that ``catalog`` lists."""
    filters = {"domain": (domain,)} if domain else {}
    return whole(lambda after: catalog.finder.entries(filters, limit=200, after=after))


def versions_of(catalog: Library, ref: DatasetRef) -> list[DatasetVersion]:
    """Return every version of a dataset, oldest first."""
    releases = whole(lambda after: catalog.finder.releases(ref, limit=200, after=after))
    return [release.version for release in releases][::-1]
