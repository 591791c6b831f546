"""A governed lake with something in it that most may not see: canaries, each told from all other text.

``shop.visits`` has a column that is closed (``address``), one that is masked (``plate``), and rows that a
filter leaves out (those of the south), whose open columns have canaries, too.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from provender import bootstrap
from provender.asgi import app
from provender.core.datasets import Dataset, Format, Manifest
from provender.core.effects import Effect
from provender.core.features import EntitySpec, FieldSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef, FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag
from provender.sdk import Workspace, connect
from provender.settings import Settings
from tests.api.server import listening

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANA, SAM, GOV = "person:ana", "person:sam", "person:gov"
VISITS = DatasetRef("shop", "visits")
RIDERS = DatasetRef("shop", "riders")
"""A subject is erased from its first version."""
PURPOSE = "research"
KEY = "riders-1"
"""The idempotency key of what was published before it was erased."""
CLOSED = "zqxclosedvj"
"""What every value of the closed column begins with."""
MASKED = "zqxmaskedvj"
FILTERED = "zqxfilteredvj"
FARE = 86753.0625
"""A number that only rows of the south have."""
CANARIES = (CLOSED, MASKED, FILTERED, "86753.0625", "86,753")
GOVERNANCE = Governance(
    domains=(Domain(name="shop", owner="team:trips"),),
    teams=("team:trips", "team:models"),
    people=(
        Person(id=ANA, name="Ana", teams=("team:models",)),
        Person(id=SAM, name="Sam", teams=("team:trips",)),
        Person(id=GOV, name="Gov"),
        Person(id="service:online"),
    ),
    tags=(Tag(name="personal.plate", protected=True), Tag(name="personal.address", protected=True)),
    purposes={PURPOSE: "To learn.", "serving": "To serve."},
    rules=(
        Rule(id="gov", actors=(GOV,), actions=(Action.GOVERN, Action.DEFINE)),
        Rule(id="known", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(id="publish", actors=("team:trips",), actions=(Action.PUBLISH,)),
        Rule(
            id="read",
            actors=("team:models", "team:trips"),
            actions=(Action.READ,),
            purposes=(PURPOSE,),
        ),
        Rule(
            id="everything",
            actors=("team:trips",),
            actions=(Action.READ, Action.SERVE),
            tags=("personal.plate", "personal.address"),
        ),
        Rule(
            id="plates",
            actors=("team:models",),
            actions=(Action.READ,),
            purposes=(PURPOSE,),
            tags=("personal.plate",),
            effect=Effect.MASK,
            mask="hash",
        ),
        Rule(
            id="north",
            actors=("team:models",),
            actions=(Action.READ,),
            purposes=(PURPOSE,),
            datasets=("shop.visits",),
            filter="region = 'north'",
        ),
        Rule(
            id="served",
            actors=("team:models", "team:trips", "service:online"),
            actions=(Action.SERVE,),
            purposes=("serving",),
        ),
    ),
    datasets=(
        Dataset(
            ref=VISITS,
            description="Visits of drivers.",
            owner="team:trips",
            stewards=(SAM,),
            format=Format.PARQUET,
            event_timestamp="event_timestamp",
            column_tags={"plate": ("personal.plate",), "address": ("personal.address",)},
        ),
        Dataset(
            ref=RIDERS,
            description="Riders.",
            owner="team:trips",
            stewards=(SAM,),
            format=Format.PARQUET,
            event_timestamp="event_timestamp",
        ),
    ),
)
RULE = """\
apiVersion: v3.1.0
kind: DataContract
id: visits
version: 1.0.0
status: active
schema:
  - name: visits
    properties:
      - name: address
        logicalType: string
        quality:
          - {name: ends, metric: invalidValues, arguments: {pattern: '[369]$'}, mustBeLessThan: 1000, severity: info}
"""
"""A contract of who may see the closed column, with a rule on its values."""
COUNTED = ("invalidValues:address:", "invalidValues is 28")
"""What the rule counts: who may not see the column would spell its values by such."""
FEATURES = ("fare", "remark", "plate", "address")
KINDS = {"fare": "float64"}
REPO = RepoSpec(
    project="visits",
    entities=(EntitySpec(name="driver", join_key="driver_id", type="int64"),),
    views=(
        ViewSpec(
            name="visits",
            entities=("driver",),
            join_keys=(FieldSpec(name="driver_id", type="int64"),),
            features=tuple(FieldSpec(name=f, type=KINDS.get(f, "string")) for f in FEATURES),
            dataset=VISITS,
            event_timestamp="event_timestamp",
        ),
    ),
    services=(
        ServiceSpec(
            name="open_v1",
            features=tuple(FeatureRef("visits", name) for name in ("fare", "remark", "plate")),
        ),
        ServiceSpec(
            name="whole_v1", features=tuple(FeatureRef("visits", name) for name in FEATURES)
        ),
    ),
)


def visits(count: int = 40) -> pa.Table:
    """Visits an hour apart of as many drivers; every other one in the south."""
    south = [n % 2 == 1 for n in range(count)]
    return pa.table(
        {
            "driver_id": pa.array(range(count), pa.int64()),
            "event_timestamp": pa.array(
                [NOON + timedelta(seconds=n) for n in range(count)], pa.timestamp("us", "UTC")
            ),
            "region": ["south" if one else "north" for one in south],
            "fare": [FARE if one else n / 4 for n, one in enumerate(south)],
            "remark": [
                f"{FILTERED}{n % 4}" if one else f"fine{n % 3}" for n, one in enumerate(south)
            ],
            "plate": [f"{MASKED}{n % 7}" for n in range(count)],
            "address": [f"{CLOSED}{n}" for n in range(count)],
        }
    )


def spine(count: int = 40) -> pa.Table:
    return pa.table(
        {
            "driver_id": pa.array([*range(count), 10**6], pa.int64()),
            "event_timestamp": pa.array(
                [NOON + timedelta(days=1)] * (count + 1), pa.timestamp("us", "UTC")
            ),
            "label": [n % 2 for n in range(count + 1)],
        }
    )


@dataclass
class World:
    """A governed server with a lake, and whoever asks it with nothing but a token."""

    settings: Settings
    folder: Path
    tokens: dict[str, str]
    address: str = ""
    opened: ExitStack = field(default_factory=ExitStack)
    erased: Manifest | None = None

    def inside(self, actor: str) -> Workspace:
        """A workspace of ``actor`` in a process that has the lake."""
        return self.opened.enter_context(
            connect(settings=self.settings, actor=actor, purpose=PURPOSE)
        )

    def outside(self, actor: str) -> Workspace:
        """A workspace of ``actor`` on a machine of their own: it has the token, and that is all."""
        home = self.folder / "elsewhere" / actor.replace(":", "-")
        return self.opened.enter_context(connect(settings=self.alone(actor, home)))

    def alone(self, actor: str, home: Path) -> Settings:
        return Settings(
            home=home, catalog_url=self.address, token=self.tokens[actor], purpose=PURPOSE
        )

    def bearer(self, actor: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[actor]}"}


def riders() -> pa.Table:
    instants = pa.array([NOON] * 3, pa.timestamp("us", "UTC"))
    return pa.table({"rider": ["a", "b", "gone"], "event_timestamp": instants, "fare": [1, 2, 3]})


def fill(settings: Settings) -> tuple[dict[str, str], Manifest]:
    """Govern, publish and define in ``settings``; return everybody's token, and what was erased."""
    with ExitStack() as stack:

        def acting(actor: str) -> Workspace:
            return stack.enter_context(connect(settings=settings, actor=actor))

        gov = acting(GOV)
        gov.catalog.desk.apply(GOVERNANCE)
        acting(SAM).attach(str(VISITS), RULE.encode())
        acting(SAM).publish(str(VISITS), visits())
        gov.catalog.record(REPO)
        erased = acting(SAM).publish(str(RIDERS), riders()).manifest
        acting(SAM).catalog.publish(RIDERS, erased, key=KEY)
        gov.erase("rider=gone", reason="x")
        tokens = {one: acting(one).catalog.keyring.create("x").secret for one in (ANA, SAM, GOV)}
        return tokens, erased


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[World]:
    """A world on ``settings``, whose server is up while the block runs."""
    tokens, erased = fill(settings)
    world = World(settings, folder, tokens, erased=erased)
    with (
        bootstrap.local_catalog(settings) as catalog,
        world.opened,
        listening(app(settings, catalog=catalog)) as address,
    ):
        world.address = address
        yield world
