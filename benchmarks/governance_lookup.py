"""Lookups over HTTP by the policy of now, beside lookups by that of when features were applied.

Both servers are ours, over one store and one catalog in which every feature is closed but by a grant.
The one holds a lease that a process beside it renews five times a second; the other never asks.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import serverbench
from benchmarks.online_data import EVENT, KEY, MIXED, PROJECT, Population
from benchmarks.online_http import alternate, figures, pace, seen_of, staged
from benchmarks.results import Benchmark, Claim, Options, Row
from provender.catalog.local import LocalCatalog
from provender.core.datasets import Dataset, EventRange, FileEntry, Format, Manifest
from provender.core.features import EntitySpec, FieldSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.schema import Column, Schema
from provender.core.serving import SERVER
from provender.core.tags import Tag
from provender.online.store import OnlineStore

NAME = "governance_lookup"
SHAPES = ((1, 1), (5, 10), (25, 10))
"""Views x entities."""
LEAST = 0.9
ON, OFF = "policy on", "policy off"
ENTITIES = (1_000, 200)
GOVERNOR, STEWARD = "person:gov", "person:sam"
DATASET = DatasetRef("bench", "features")
AT = "event_timestamp"


def run(options: Options) -> Iterator[Row]:
    """Measure each shape with the policy on and off, in turns."""
    shapes = [shape for shape in SHAPES if options.wants(_case(shape))]
    if not shapes:
        return
    population = Population(
        views=25, kinds=MIXED, entities=ENTITIES[options.quick], services=(1, 5, 25)
    )
    with staged(replace(options, contenders=("ours",)), population) as stage:
        url = f"sqlite:///{stage.folder / 'catalog.db'}"
        govern(url, population, serverbench.url_of(stage.store_port))
        servers = [
            stage.stack.enter_context(
                serverbench.ours(
                    stage.folder / kind,
                    stage.store_port,
                    name=name,
                    PROVENDER_CATALOG_URL=url,
                    PROVENDER_ONLINE_POLICY=kind,
                )
            )
            for name, kind in ((ON, "live"), (OFF, "applied"))
        ]
        for shape in shapes:
            options.say(f"{NAME}: {_case(shape)}")
            turns = alternate(options, stage, servers, shape, pace(options))
            yield Row(
                bench=NAME,
                case=_case(shape),
                figures=figures(turns, "rate"),
                ours=ON,
                peer=OFF,
                unit="req/s",
                lower_is_better=False,
                claims=(
                    Claim(
                        f"at least {LEAST} of the lookups without",
                        f"{OFF}_over_ours", LEAST, at_least=True,
                    ),
                ),
                seen=seen_of(turns),
            )  # fmt: skip


def govern(url: str, population: Population, store_url: str) -> None:
    """Make a catalog of the population's features, closed but to the server, and publish what it serves."""
    columns = {
        name: kind
        for view in range(population.views)
        for name, kind in zip(population.names(view), population.kinds, strict=True)
    }
    with LocalCatalog(url, actor=GOVERNOR) as gov, OnlineStore(store_url) as store:
        gov.desk.apply(_governance(columns))
        gov.publish(DATASET, _version(columns))
        gov.record(_repo(population))
        gov.as_actor(STEWARD).records.grant(
            DATASET, grantee=SERVER, action=Action.SERVE, columns=tuple(columns)
        )
        gov.record(_repo(population))
        store.publish_manifest(gov.records.serving_manifest(PROJECT))


def _governance(columns: dict[str, str]) -> Governance:
    return Governance(
        domains=(Domain(name="bench"),),
        people=(Person(id=GOVERNOR), Person(id=STEWARD), Person(id=SERVER)),
        tags=(Tag(name="personal", protected=True),),
        purposes={"serving": "Serve."},
        rules=(
            Rule(
                id="gov",
                actors=(GOVERNOR,),
                actions=(Action.GOVERN, Action.DEFINE, Action.PUBLISH),
            ),
            Rule(id="known", actors=("anyone",), actions=(Action.DISCOVER,)),
            Rule(id="keys", actors=(SERVER,), actions=(Action.SERVE,)),
        ),
        datasets=(
            Dataset(
                ref=DATASET,
                description="Made from row numbers.",
                owner=STEWARD,
                format=Format.PARQUET,
                event_timestamp=AT,
                column_tags=dict.fromkeys(columns, ("personal",)),
            ),
        ),
    )


def _version(columns: dict[str, str]) -> Manifest:
    fields = {AT: "timestamp", KEY: "int64", **columns}
    return Manifest(
        format=Format.PARQUET,
        location="bench/features/1",
        files=(FileEntry(path="part-0.parquet", size_bytes=1, sha256="sha256:0"),),
        schema=Schema(tuple(Column(name=name, type=kind) for name, kind in fields.items())),
        row_count=1,
        logical_digest="sha256:1",
        event_timestamp=AT,
        event_range=EventRange(earliest=EVENT, latest=EVENT),
    )


def _repo(population: Population) -> RepoSpec:
    key = FieldSpec(name=KEY, type="int64")
    views = tuple(
        ViewSpec(
            name=f"view{number}",
            entities=(KEY,),
            join_keys=(key,),
            features=tuple(
                FieldSpec(name=name, type=kind)
                for name, kind in zip(population.names(number), population.kinds, strict=True)
            ),
            dataset=DATASET,
            event_timestamp=AT,
        )
        for number in range(population.views)
    )
    services = tuple(
        ServiceSpec(name=f"first_{count}", features=population.asked(count))
        for count in population.services
    )
    return RepoSpec(
        project=PROJECT,
        entities=(EntitySpec(name=KEY, join_key=KEY, type="int64"),),
        views=views,
        services=services,
    )


def _case(shape: tuple[int, int]) -> str:
    return f"{shape[0]} views x {shape[1]} entities"


BENCHMARK = Benchmark(
    name=NAME,
    claim="POST /get-online-features by the policy of now: at least 0.9 of the lookups without",
    run=run,
)
