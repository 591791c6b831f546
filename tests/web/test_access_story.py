"""The flagship: a second project is refused the tail number, asks, is given it with one key, and trains.

A real repository and lake, a real server, a real browser; revoked, the next call is refused.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from provender import bootstrap
from provender.core.clock import utc_now
from provender.core.datasets import Dataset, Format
from provender.core.errors import Denied
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag
from provender.sdk import connect
from provender.settings import Settings
from tests.feast_plugin.governed import CONFIGURATION, repository
from tests.web.browsing import listened, needs_chromium, opened, served, worth_hearing

pytestmark = needs_chromium
NOON = datetime(2023, 7, 4, 12, tzinfo=UTC)
GOVERNANCE = Governance(
    domains=(Domain(name="aviation"),),
    teams=("team:ops", "team:second"),
    people=(
        Person(id="person:sam", teams=("team:ops",)),
        Person(id="person:max", teams=("team:second",)),
        Person(id="person:lee"),
    ),
    tags=(Tag(name="personal.quasi_identifier", protected=True),),
    purposes={"delay": "Predict delays.", "marketing": "Sell."},
    rules=(
        Rule(id="govern", actors=("person:lee",), actions=(Action.GOVERN,)),
        Rule(id="know", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(id="second-defines", actors=("team:second",), actions=(Action.DEFINE,)),
        Rule(
            id="second-reads",
            actors=("team:second",),
            actions=(Action.READ,),
            purposes=("delay",),
        ),
    ),
    datasets=(
        Dataset(
            ref=DatasetRef("aviation", "flights"),
            description="Flights.",
            owner="team:ops",
            stewards=("person:sam",),
            format=Format.PARQUET,
            event_timestamp="departed_at",
            column_tags={"tailnum": ("personal.quasi_identifier",)},
        ),
    ),
)
DEFINITIONS = """
from datetime import timedelta

from feast import Entity, FeatureView, Field, ValueType
from feast.types import Float64, String

from provender.feast_plugin.source import CatalogSource

flight = Entity(name="flight", join_keys=["flight"], value_type=ValueType.INT64, owner="team:second")
planes = FeatureView(
    name="planes",
    entities=[flight],
    ttl=timedelta(days=2),
    schema=[Field(name="tailnum", dtype=String), Field(name="delay", dtype=Float64)],
    source=CatalogSource(dataset="aviation.flights", timestamp_field="departed_at"),
    owner="team:second",
)
"""
FEATURES = ["planes:tailnum", "planes:delay"]


@pytest.fixture
def second(tmp_path) -> Settings:
    """A published dataset and the repository of a second project on it, as person:max."""
    settings = Settings(home=tmp_path / "home", actor="person:max", purpose="delay")
    with connect(settings=settings, actor="person:lee") as workspace:
        workspace.catalog.desk.apply(GOVERNANCE)
    with connect(settings=settings, actor="person:sam") as workspace:
        workspace.publish("aviation.flights", flights())
    configuration = CONFIGURATION.replace("project: trips", "project: second")
    folder = repository(tmp_path / "second", definitions=DEFINITIONS, configuration=configuration)
    return settings.model_copy(update={"feature_repo": folder})


def flights() -> pa.Table:
    return pa.table(
        {
            "flight": pa.array([1, 2], pa.int64()),
            "departed_at": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
            "tailnum": ["N101", "N202"],
            "delay": [3.0, None],
        }
    )


def spine() -> pa.Table:
    at = pa.array([NOON + timedelta(hours=1)] * 2, pa.timestamp("us", "UTC"))
    return pa.table({"flight": pa.array([1, 2], pa.int64()), "event_timestamp": at})


def train(settings: Settings) -> list[str]:
    with connect(settings=settings) as workspace:
        frame = workspace.training_set(spine(), features=FEATURES).arrow()
    return frame.column("tailnum").to_pylist()


@pytest.fixture
def browser() -> Iterator[Any]:
    with opened() as found:
        yield found


def test_a_second_project_is_refused_asks_is_given_trains_and_is_refused_again(
    second, browser, monkeypatch
):
    from provender.feast_plugin import repo

    monkeypatch.setenv("PROVENDER_HOME", str(second.home))
    bootstrap.settings.cache_clear()
    with connect(settings=second) as workspace, closing(bootstrap.online(second)) as online:
        repo.apply(second.feature_repo, workspace.catalog, online, settings=second)
    url = second.database_url
    with pytest.raises(Denied, match=r"tailnum \(tagged personal.quasi_identifier, for purpose"):
        train(second)
    complaints: list[str] = []
    with served(url, actor="person:max", clock=utc_now) as max_:
        page = browser.new_page()
        complaints = listened(page)
        page.goto(f"{max_}/datasets/aviation.flights")
        page.get_by_text("How to ask for more").click()
        page.get_by_text("Why not for delay").click()
        assert page.locator("h1").inner_text().startswith("Why you may not")
        page.get_by_text("Ask for it").click()
        assert "tailnum" in page.locator("#shows").inner_text()
        page.get_by_label("Why").fill("planes that come late leave late")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.wait_for_url("**/requests/r1")
        assert "person:max asks to read" in page.locator("h1").inner_text()
        page.close()
    with served(url, actor="person:sam", clock=utc_now) as sam:
        page = browser.new_page()
        complaints += listened(page)
        page.goto(f"{sam}/inbox")
        page.keyboard.press("a")
        assert page.url.endswith("/inbox"), "nothing has the focus yet, so nothing is approved"
        page.keyboard.press("j")
        page.keyboard.press("a")
        page.wait_for_url("**/requests/r1")
        assert "approved" in page.locator(".headline").inner_text()
        page.close()
    assert train(second) == ["N101", "N202"]
    with connect(settings=second, actor="person:sam") as workspace:
        (given,) = workspace.catalog.records.grants().items
        assert (given.grantee, given.columns, given.purposes) == (
            "person:max",
            ("tailnum",),
            ("delay",),
        )
        workspace.catalog.records.revoke(given.id)
    with pytest.raises(Denied):
        train(second)
    with pytest.raises(Denied):
        train(second.model_copy(update={"purpose": "marketing"}))
    assert worth_hearing(complaints) == []
