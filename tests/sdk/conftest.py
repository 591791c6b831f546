"""A home with one dataset, its publishers and its readers."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest

from provender.core.datasets import Dataset, Format
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.sdk import Workspace, connect
from provender.settings import Settings

Connect = Callable[[str], Workspace]
ORDERS = DatasetRef("shop", "orders")
GOVERNANCE = Governance(
    domains=(Domain(name="shop"),),
    people=tuple(Person(id=f"person:{name}", name=name) for name in ("ana", "max", "sam")),
    purposes={"report": "Count."},
    rules=(
        Rule(id="sam", actors=("person:sam",), actions=(Action.GOVERN,)),
        Rule(id="known", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(
            id="report",
            actors=("person:ana", "person:sam"),
            actions=(Action.READ,),
            purposes=("report",),
        ),
    ),
    datasets=(
        Dataset(
            ref=ORDERS,
            description="Orders.",
            owner="person:sam",
            format=Format.PARQUET,
            event_timestamp="ordered_at",
        ),
    ),
)


def orders(count: int = 5, *, first: int = 1_700_000_000) -> pa.Table:
    """Orders a second apart."""
    instants = [(first + n) * 1_000_000 for n in range(count)]
    return pa.table(
        {
            "ordered_at": pa.array(instants, pa.timestamp("us", "UTC")),
            "amount": [n / 4 for n in range(count)],
            "tags": [["a"] * (n % 3) for n in range(count)],
        }
    )


@pytest.fixture(scope="session")
def governed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is governed, to be copied."""
    made = tmp_path_factory.mktemp("governed")
    with connect(settings=Settings(home=made, actor="person:sam")) as workspace:
        workspace.catalog.desk.apply(GOVERNANCE)
    return made


@pytest.fixture
def home(tmp_path: Path, governed_home: Path) -> Path:
    shutil.copytree(governed_home, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def acting(home: Path) -> Iterator[Connect]:
    """Connects a person, who asks for a report."""
    with ExitStack() as opened:

        def acting(name: str) -> Workspace:
            settings = Settings(home=home, actor=f"person:{name}", purpose="report")
            return opened.enter_context(connect(settings=settings))

        yield acting
