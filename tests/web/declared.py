"""What is declared, defined and written in the small catalog of the pages' tests."""

from datetime import UTC, datetime, timedelta

from provender.core.datasets import (
    Dataset,
    EventRange,
    FileEntry,
    Format,
    Manifest,
)
from provender.core.digest import digest
from provender.core.features import (
    EntitySpec,
    FieldSpec,
    OnDemandSpec,
    RepoSpec,
    SavedDatasetSpec,
    ServiceSpec,
    ViewSpec,
)
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef, FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.schema import Column, Schema
from provender.core.tags import Tag
from provender.core.training import TrainingSetManifest, TrainingSetSpec
from tests.web.clock import NOW

PROJECT = "flights"
ATTACK = "<script>alert(1)</script>"
LINKS = ("https://example.com/planes", "https://example.com/planes/nowhere")
WEATHER_COLUMNS = ("temp", "dewp", "humid", "wind_speed", "precip", "visib")


CONTRACT = f"""\
# What flight-ops promise. {ATTACK}
apiVersion: v3.1.0
kind: DataContract
id: flights-contract
version: 1.0.0
status: active
schema:
  - name: flights
    properties:
      - {{name: carrier, logicalType: string, required: true}}
      - {{name: sched_dep_ts, logicalType: timestamp}}
    quality:
      - {{metric: rowCount, mustBeGreaterThan: 100000}}
"""


def dataset(
    name: str, description: str, *, fmt: Format = Format.PARQUET, **more: object
) -> Dataset:
    return Dataset(
        ref=DatasetRef.parse(name),
        description=description,
        owner="team:flight-ops",
        stewards=("person:sam",),
        format=fmt,
        **more,  # type: ignore[arg-type]
    )


DATASETS = (
    dataset(
        "aviation.flights",
        "Flights from the **three airports** of New York. One row per flight, cancelled ones too.",
        tags=("source.bts",),
        event_timestamp="sched_dep_ts",
        column_tags={"tailnum": ("personal.quasi_identifier",)},
        column_descriptions={
            "carrier": "Two-letter code of the airline.",
            "tailnum": "Registration of the aircraft.",
            "sched_dep_ts": "Scheduled departure, UTC.",
            "arr_delay": "Delay on arrival, minutes; negative is early.",
        },
        links=LINKS,
        fresh_within=timedelta(days=7),
        documentation="Rows come from the bureau's monthly files.\n\n* one row per flight\n* times are **UTC**",
        deputies=("person:lee",),
        terms=("late arrival",),
    ),
    dataset(
        "aviation.weather",
        f"Hourly readings.\n\n* airports only\n* {ATTACK}\n\n[read](https://example.com) "
        "[bad](javascript:alert(2)) ![pixel](https://example.com/p.png)",
        fmt=Format.DELTA,
        event_timestamp="event_timestamp",
    ),
    dataset(
        "aviation.tail_last",
        "Arrivals by aircraft: where it is and how late it runs.",
        tags=("kind.feature_table",),
        event_timestamp="event_timestamp",
        column_tags={"tailnum": ("personal.quasi_identifier",)},
    ),
    dataset("aviation.carriers", "Names of airlines.", fmt=Format.CSV),
    dataset("aviation.unpublished", f"Planned. {ATTACK}"),
    dataset("people.salaries", "Not for everybody."),
)
GOVERNANCE = Governance(
    domains=(
        Domain(name="aviation", description="Flights.", owner="team:flight-ops"),
        Domain(name="people", description="Staff.", owner="team:flight-ops"),
    ),
    teams=("team:flight-ops", "team:delay-models", "team:governance"),
    people=(
        Person(id="person:ana", name="Ana, data scientist", teams=("team:delay-models",)),
        Person(
            id="person:sam",
            name="Sam, data steward",
            teams=("team:flight-ops",),
            contact="sam@example.com",
        ),
        Person(id="person:lee", name="Lee, data governance", teams=("team:governance",)),
        Person(id="person:max", name="Max, analyst"),
        Person(id="service:online", name="Online feature server"),
    ),
    tags=(
        Tag(name="personal.quasi_identifier", description="Leads to a person.", protected=True),
        Tag(name="source.bts", description="US Bureau of Transportation Statistics."),
        Tag(
            name="quality.level",
            description="How far it was looked after.",
            values=("bronze", "silver", "gold"),
            on=("dataset",),
            assigners=("person:sam",),
        ),
        Tag(name="kind.feature_table", description="Computed, for feature views to read."),
    ),
    terms=(
        Term(
            name="late arrival",
            definition="At the gate **15 minutes** or more after the schedule.",
            synonyms=("delay", "lateness"),
            owner="team:flight-ops",
        ),
        Term(name="tail number", definition="The registration that is painted on an aircraft."),
    ),
    purposes={
        "delay-prediction": "Predict late arrivals.",
        "reporting": "Count and chart.",
        "serving": "Answer at once.",
    },
    rules=(
        Rule(
            id="everyone-discovers",
            actors=("anyone",),
            actions=(Action.DISCOVER,),
            datasets=("aviation.*",),
            description="Everybody may know which datasets of aviation there are.",
        ),
        Rule(
            id="delay-models-read",
            actors=("team:delay-models",),
            actions=(Action.READ,),
            datasets=("aviation.*",),
            purposes=("delay-prediction",),
            tags=("personal.quasi_identifier",),
        ),
        Rule(
            id="reporting-reads-untagged",
            actors=("anyone",),
            actions=(Action.READ,),
            datasets=("aviation.*",),
            purposes=("reporting",),
        ),
        Rule(id="flight-ops-define", actors=("team:flight-ops",), actions=(Action.DEFINE,)),
        Rule(
            id="flight-ops-pay",
            actors=("team:flight-ops",),
            actions=(Action.READ,),
            datasets=("people.salaries",),
            purposes=("delay-prediction",),
        ),
        Rule(
            id="weather-is-served",
            actors=("service:online",),
            actions=(Action.SERVE,),
            datasets=("aviation.weather",),
            purposes=("serving",),
        ),
        Rule(id="governs", actors=("team:governance",), actions=(Action.GOVERN, Action.DISCOVER)),
    ),
    datasets=DATASETS,
)


def manifest(
    name: str, columns: dict[str, str], *, rows: int, year: int, **more: object
) -> Manifest:
    described = next(d for d in DATASETS if d.ref.dataset == name)
    span = EventRange(
        earliest=datetime(year, 1, 1, 10, 15, tzinfo=UTC),
        latest=datetime(year, 12, 31, 23, 30, tzinfo=UTC),
    )
    facts = {
        "format": described.format,
        "location": f"{name.replace('.', '/')}/{year}",
        "files": tuple(
            FileEntry(
                path=f"part-{n}.parquet", size_bytes=7_123_456, sha256=digest([name, year, n])
            )
            for n in range(3)
        ),
        "schema": Schema(tuple(Column(name=c, type=t) for c, t in columns.items())),
        "row_count": rows,
        "logical_digest": digest([name, year, rows]),
        "event_timestamp": described.event_timestamp,
        "event_range": span if described.event_timestamp else None,
        **more,
    }
    return Manifest(**facts)  # type: ignore[arg-type]


def field(name: str, kind: str = "float64") -> FieldSpec:
    return FieldSpec(name=name, type=kind, description=f"{name} at the airport.")


REPO = RepoSpec(
    project=PROJECT,
    commit="0123456789abcdef0123456789abcdef01234567",
    entities=(
        EntitySpec(
            name="origin",
            join_key="origin",
            type="string",
            description="The airport that a flight leaves from.",
        ),
        EntitySpec(name="tailnum", join_key="tailnum", type="string", description="An aircraft."),
    ),
    views=(
        ViewSpec(
            name="weather",
            entities=("origin",),
            join_keys=(FieldSpec(name="origin", type="string"),),
            features=tuple(field(name) for name in WEATHER_COLUMNS),
            dataset=DatasetRef("aviation", "weather"),
            event_timestamp="event_timestamp",
            ttl=timedelta(hours=3),
            description="The last complete hour of weather.",
            owner="team:delay-models",
        ),
        ViewSpec(
            name="tail_last",
            entities=("tailnum",),
            join_keys=(FieldSpec(name="tailnum", type="string"),),
            features=(field("last_arr_delay"), field("last_arr_epoch", "int64")),
            dataset=DatasetRef("aviation", "tail_last"),
            event_timestamp="event_timestamp",
            created_timestamp="created_timestamp",
            ttl=timedelta(days=1),
            push_sources=("tail_arrivals",),
            description=f"The last arrival of the aircraft. {ATTACK}",
            owner="team:delay-models",
        ),
        ViewSpec(
            name="pay",
            entities=("origin",),
            join_keys=(FieldSpec(name="origin", type="string"),),
            features=(field("mean_salary"),),
            dataset=DatasetRef("people", "salaries"),
            event_timestamp="event_timestamp",
            owner="team:flight-ops",
        ),
    ),
    on_demand=(
        OnDemandSpec(
            name="departure",
            inputs=(FeatureRef("tail_last", "last_arr_epoch"),),
            request=(FieldSpec(name="departure_epoch", type="int64"),),
            features=(field("minutes_since_arrival"), field("hour_local", "int64")),
            module="transforms",
            function="departure",
            code_digest=digest("source"),
            description="What is known of the departure itself.",
            owner="team:delay-models",
        ),
    ),
    services=(
        ServiceSpec(
            name="delay_v1",
            features=(
                FeatureRef("weather", "temp"),
                FeatureRef("tail_last", "last_arr_delay"),
                FeatureRef("departure", "hour_local"),
            ),
            description="Will the flight arrive 15 minutes late or more?",
            owner="team:delay-models",
        ),
        ServiceSpec(name="payroll_v1", features=(FeatureRef("pay", "mean_salary"),)),
    ),
    saved=(
        SavedDatasetSpec(
            name="late_2013",
            features=(FeatureRef("weather", "temp"), FeatureRef("tail_last", "last_arr_delay")),
            join_keys=("origin", "tailnum"),
            service="delay_v1",
            description="What the first model learned from.",
        ),
    ),
    description="Will a flight arrive late?",
    owner="team:delay-models",
)


def training_manifest(*pins: str, by: str, seconds: float = 2.4) -> TrainingSetManifest:
    return TrainingSetManifest(
        spec=TrainingSetSpec(
            project=PROJECT,
            features=REPO.services[0].features,
            purpose="delay-prediction",
            service="delay_v1",
        ),
        pins=tuple(DatasetRef.parse(pin) for pin in pins),
        plan_digest=digest("plan"),
        repo_digest=REPO.digest,
        decision="dec_0123456789abcdef",
        spine_digest=f"hmac-{digest('spine')}",
        content_digest=f"hmac-{digest(['content', *pins])}",
        row_count=336_776,
        columns=("event_timestamp", "origin", "temp", "last_arr_delay", "hour_local"),
        created_at=NOW - timedelta(hours=2),
        created_by=by,
        seconds=seconds,
        known_later={"tail_last": 12},
    )
