"""The flights of 2013, published, defined and materialised once for all walks."""

from contextlib import closing
from pathlib import Path

import pytest

from demo.data import load
from demo.derive import DERIVED, derive
from demo.labels import spine as spine_of
from provender import bootstrap
from provender.catalog.documents import read_governance
from provender.sdk import connect
from provender.settings import Settings

ROOT = Path(__file__).parents[2]
PURPOSE = "delay-prediction"


@pytest.fixture(scope="session")
def raw():
    return load(2013)


@pytest.fixture(scope="session")
def derived(raw):
    return derive(raw, year=2013)


@pytest.fixture(scope="session")
def spine(raw):
    return spine_of(raw["flights"])


@pytest.fixture(scope="session")
def flights(tmp_path_factory, raw, derived):
    """Settings of a home in which 2013 is published and feature_repo/ is applied; ana asks."""
    home = tmp_path_factory.mktemp("flights")
    settings = Settings(
        home=home,
        actor="person:ana",
        purpose=PURPOSE,
        feature_repo=ROOT / "feature_repo",
        governance=ROOT / "catalog",
    )
    with connect(settings=settings, actor="person:lee") as workspace:
        workspace.catalog.desk.apply(read_governance(settings.governance))
    with connect(settings=settings, actor="person:sam") as workspace:
        for name, rows in raw.items():
            workspace.publish(f"aviation.{name}", rows)
        for name, rows in derived.items():
            inputs = [f"aviation.{table}@1" for table in DERIVED[name].inputs]
            workspace.publish(f"aviation.{name}", rows, inputs=inputs)
    from provender.feast_plugin import repo

    with connect(settings=settings) as workspace, closing(bootstrap.online(settings)) as online:
        repo.apply(settings.feature_repo, workspace.catalog, online, settings=settings)
    return settings


@pytest.fixture
def workspace(flights):
    with connect(settings=flights) as opened:
        yield opened


@pytest.fixture
def as_ana(flights, monkeypatch):
    """Make plain Feast calls of this process ask as ana, in the home of the walks."""
    from provender.feast_plugin import collaborators

    monkeypatch.setenv("PROVENDER_HOME", str(flights.home))
    with collaborators.using(flights):
        yield flights
    collaborators.close()
