"""A small governed home, and the command line run in it as a process of its own would."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from provender import bootstrap
from provender.cli import main

GOVERNANCE = {
    "domains.yml": "- {name: shop, description: The shop., owner: team:shop}\n",
    "people.yml": (
        "teams: [team:shop, team:ml]\n"
        "people:\n"
        "  - {id: person:sam, name: Sam, teams: [team:shop]}\n"
        "  - {id: person:ana, name: Ana, teams: [team:ml]}\n"
        "  - {id: person:max, name: Max}\n"
    ),
    "tags.yml": "- {name: personal.direct, description: Names somebody., protected: true}\n",
    "purposes.yml": "training: Train models.\nreporting: Count.\n",
    "policies/all.yml": (
        "- {id: all-discover, description: All., actions: [discover], actors: [anyone], datasets: ['*']}\n"
        "- {id: shop-governs, description: Shop., actions: [govern], actors: [team:shop], datasets: ['*']}\n"
        "- {id: ml-reads, description: ML., actors: [team:ml], actions: [read], datasets: ['shop.*'], purposes: [training]}\n"
    ),
    "datasets/shop/orders.yml": (
        "name: shop.orders\ndescription: One row per order.\nowner: team:shop\nstewards: [person:sam]\n"
        "format: parquet\nevent_timestamp: ordered_at\n"
        "columns:\n  customer: {description: Who., tags: [personal.direct]}\n  amount: {description: EUR.}\n"
    ),
}


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def written(folder):
    """Return ``folder`` with governance as code and a file of orders; nothing is applied yet."""
    for name, text in GOVERNANCE.items():
        path = folder / "catalog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    orders(folder / "orders.parquet", amounts=[1.5, 2.5, None])
    return folder


def orders(path, amounts, **more):
    instants = pa.array(
        [1_700_000_000_000_000 + n for n in range(len(amounts))], pa.timestamp("us", tz="UTC")
    )
    columns = {
        "ordered_at": instants,
        "customer": [f"c{n}" for n in range(len(amounts))],
        "amount": amounts,
    }
    pq.write_table(pa.table(columns | more), path)
    return path


@contextmanager
def running(folder):
    """What runs ``provender …`` as somebody, in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)

        def provender(*arguments, actor="person:sam", **environment):
            bootstrap.settings.cache_clear()
            patch.setenv("PROVENDER_ACTOR", actor)
            for name, value in environment.items():
                patch.setenv(name, str(value))
            patch.setattr("sys.argv", ["provender", *map(str, arguments)])
            result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=True)
            if result.exception and not isinstance(result.exception, SystemExit):
                raise result.exception
            for name in environment:
                patch.delenv(name)
            return Run(result.exit_code, result.stdout, result.stderr)

        yield provender
    bootstrap.settings.cache_clear()


def copied(kept, home):
    shutil.copytree(kept / ".provender", home / ".provender")


@pytest.fixture(scope="session")
def governed_home(tmp_path_factory):
    """A home whose governance is applied, to be copied."""
    home = written(tmp_path_factory.mktemp("governed"))
    with running(home) as run:
        assert run("governance", "apply").code == 0
    return home


@pytest.fixture(scope="session")
def published_home(tmp_path_factory, governed_home):
    """A home whose orders are published, too."""
    home = written(tmp_path_factory.mktemp("published"))
    copied(governed_home, home)
    with running(home) as run:
        assert run("dataset", "publish", "shop.orders", home / "orders.parquet").code == 0
    return home


@pytest.fixture
def home(tmp_path):
    """A folder with governance as code and a file of orders; nothing is applied yet."""
    return written(tmp_path)


@pytest.fixture
def run(home):
    """Run ``provender …`` as somebody, in that folder."""
    with running(home) as provender:
        yield provender


@pytest.fixture
def governed(run, home, governed_home):
    copied(governed_home, home)
    return run


@pytest.fixture
def published(run, home, published_home):
    copied(published_home, home)
    return run


ROOT = Path(__file__).parents[2]
