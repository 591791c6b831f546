"""A small governed home, and the command line run in it as a process of its own would."""

import json
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


@pytest.fixture
def home(tmp_path):
    """A folder with governance as code and a file of orders; nothing is applied yet."""
    for name, text in GOVERNANCE.items():
        path = tmp_path / "catalog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    orders(tmp_path / "orders.parquet", amounts=[1.5, 2.5, None])
    return tmp_path


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


@pytest.fixture
def run(home, monkeypatch):
    """Run ``provender …`` as somebody, in that folder."""
    monkeypatch.chdir(home)

    def provender(*arguments, actor="person:sam", **environment):
        bootstrap.settings.cache_clear()
        monkeypatch.setenv("PROVENDER_ACTOR", actor)
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr("sys.argv", ["provender", *map(str, arguments)])
        result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        for name in environment:
            monkeypatch.delenv(name)
        return Run(result.exit_code, result.stdout, result.stderr)

    yield provender
    bootstrap.settings.cache_clear()


@pytest.fixture
def governed(run):
    assert run("governance", "apply").code == 0
    return run


@pytest.fixture
def published(governed, home):
    assert governed("dataset", "publish", "shop.orders", home / "orders.parquet").code == 0
    return governed


ROOT = Path(__file__).parents[2]
