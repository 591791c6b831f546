"""The flagship: a column is tagged in the browser, and a second project is refused it, asks, and has it until it is revoked.

A catalog service, an online server, a Valkey and a browser, each a process of its own, in governed
mode; whoever asks has a token, and nothing else. Told in the order in which it happens.
"""

import json
import logging
import re
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from provender import bootstrap
from provender.cli import main
from provender.core.datasets import Dataset, Format
from provender.core.errors import Denied
from provender.core.governance import Domain, Governance
from provender.core.limits import Limits
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag
from provender.sdk import connect
from provender.settings import Settings
from tests.feast_plugin.governed import CONFIGURATION, repository
from tests.web.browsing import listened, needs_chromium, opened, worth_hearing

pytestmark = needs_chromium
LEE, SAM, MAX, SERVER = "person:lee", "person:sam", "person:max", "service:online"
TAG = "personal.quasi_identifier"
FLIGHTS = "aviation.flights"
NOON = datetime(2023, 7, 4, 12, tzinfo=UTC)
TAILS = ["N101", "N202"]
ALLOWED = timedelta(seconds=1)
"""After a revoke, until when a lookup may still be asked that is served."""
GOVERNANCE = Governance(
    domains=(Domain(name="aviation"),),
    teams=("team:ops", "team:second"),
    people=(
        Person(id=SAM, teams=("team:ops",)),
        Person(id=MAX, teams=("team:second",)),
        Person(id=LEE),
        Person(id=SERVER),
    ),
    tags=(Tag(name=TAG, protected=True, assigners=("anyone",)),),
    purposes={"delay": "Predict delays.", "marketing": "Sell.", "serving": "Answer lookups."},
    rules=(
        Rule(id="govern", actors=(LEE,), actions=(Action.GOVERN,)),
        Rule(id="know", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(id="second-defines", actors=("team:second",), actions=(Action.DEFINE,)),
        Rule(
            id="second-has-the-untagged",
            actors=("team:second",),
            actions=(Action.READ, Action.SERVE),
            purposes=("delay",),
        ),
        Rule(
            id="the-server-serves-who-may",
            actors=(SERVER,),
            actions=(Action.SERVE,),
            tags=(TAG,),
        ),
    ),
    datasets=(
        Dataset(
            ref=DatasetRef.parse(FLIGHTS),
            description="Flights.",
            owner="team:ops",
            stewards=(SAM,),
            format=Format.PARQUET,
            event_timestamp="departed_at",
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
    ttl=timedelta(days=9999),
    schema=[Field(name="tailnum", dtype=String), Field(name="delay", dtype=Float64)],
    source=CatalogSource(dataset="aviation.flights", timestamp_field="departed_at"),
    owner="team:second",
)
"""
FEATURES = ["planes:tailnum", "planes:delay"]
STORY = [
    *("dataset:declare", "dataset:publish", "access:permit", "features:materialize"),
    *("access:permit", "dataset:edit", "access:deny", "access:request", "access:request"),
    *("access:grant", "access:approve", "access:grant", "access:approve"),
    *("access:permit", "access:deny", "access:revoke", "access:revoke", "access:deny"),
]
"""What the audit trail tells of it, oldest first; lookups are told in batches, beside it."""
LOOKED_UP = {"access:permit", "access:deny"}
"""What it tells of lookups: those that were served, and those that were refused."""


def flights() -> pa.Table:
    return pa.table(
        {
            "flight": pa.array([1, 2], pa.int64()),
            "departed_at": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
            "tailnum": TAILS,
            "delay": [3.0, None],
        }
    )


def spine() -> pa.Table:
    at = pa.array([NOON + timedelta(hours=1)] * 2, pa.timestamp("us", "UTC"))
    return pa.table({"flight": pa.array([1, 2], pa.int64()), "event_timestamp": at})


@dataclass
class World:
    """Two servers that somebody started with ``provender up``, and everybody's tokens."""

    home: Path
    web: str
    online: str
    tokens: dict[str, str]
    answers: list[tuple[datetime, int]] = field(default_factory=list)

    def outside(self, actor: str) -> Settings:
        """What somebody has on a machine of their own: a token, and an address."""
        return Settings(home=self.home, catalog_url=self.web, token=self.tokens[actor])

    def train(self, purpose: str = "delay") -> list[str]:
        """Tail numbers of a training set that Max makes on a machine of their own."""
        alone = self.outside(MAX).model_copy(update={"purpose": purpose})
        with connect(settings=alone) as workspace:
            frame = workspace.training_set(spine(), features=FEATURES).arrow()
        assert not alone.lake.exists()
        return frame.column("tailnum").to_pylist()

    def look_up(self) -> tuple[int, str]:
        """Status of a lookup with Max's token for lookups, and its values or what Feast's error says."""
        body = {"features": FEATURES, "entities": {"flight": [1, 2]}}
        bearer = {"authorization": f"Bearer {self.tokens['lookups']}"}
        answer = httpx.post(f"{self.online}/get-online-features", json=body, headers=bearer)
        told = answer.json()
        return answer.status_code, json.loads(told)["message"] if answer.is_error else str(told)

    @contextmanager
    def looked_up_all_the_time(self) -> Iterator[None]:
        """Note, while the block runs, when each lookup was asked and how it was answered."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.02):
                asked = datetime.now(UTC)
                self.answers.append((asked, self.look_up()[0]))

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def until_looked_up(self, status: int) -> str:
        """Ask until an answer has ``status``, and return its body."""
        deadline = time.monotonic() + 20
        while (found := self.look_up())[0] != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found[1]


@pytest.fixture
def world(tmp_path, monkeypatch) -> Iterator[World]:
    """The dataset published, the second project's view applied and materialised, both servers up."""
    settings = Settings(home=tmp_path / "service", mode="governed", purpose="delay")
    tokens = prepared(settings, tmp_path / "second")
    monkeypatch.setenv("PROVENDER_HOME", str(settings.home))
    monkeypatch.setenv("PROVENDER_MODE", "governed")
    monkeypatch.setenv("PROVENDER_FEATURE_REPO", str(tmp_path / "second"))
    monkeypatch.setenv("PROVENDER_ACTOR", LEE)
    ports = free_ports(2)
    options = zip(("--web-port", "--online-port"), map(str, ports), strict=True)
    up = run("up", *(word for option in options for word in option), "--json")
    try:
        started = {one["name"]: one["url"] for one in json.loads(up.stdout)}
        monkeypatch.delenv("PROVENDER_ACTOR")
        yield World(tmp_path / "elsewhere", started["web"], started["online"], tokens)
    finally:
        monkeypatch.setenv("PROVENDER_HOME", str(settings.home))
        assert run("down").exit_code == 0
        bootstrap.settings.cache_clear()


def prepared(settings: Settings, folder: Path) -> dict[str, str]:
    from provender.feast_plugin import repo, runs

    with connect(settings=settings, actor=LEE) as lee:
        lee.catalog.desk.apply(GOVERNANCE)
    with connect(settings=settings, actor=SAM) as sam:
        sam.publish(FLIGHTS, flights())
        tokens = {SAM: sam.catalog.keyring.create("browser").secret}
    configuration = CONFIGURATION.replace("project: trips", "project: second")
    repository(folder, definitions=DEFINITIONS, configuration=configuration)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENDER_HOME", str(settings.home))
        with connect(settings=settings, actor=MAX) as max_, bootstrap.online(settings) as online:
            repo.apply(folder, max_.catalog, online, settings=settings)
            serving = Limits(actions=("serve",), purpose="delay")
            tokens[MAX] = max_.catalog.keyring.create("notebook").secret
            tokens["lookups"] = max_.catalog.keyring.create("lookups", limits=serving).secret
            served = settings.model_copy(update={"actor": SERVER, "purpose": "serving"})
            [done] = runs.materialize(folder, settings=served)
            assert done.written == len(TAILS)
    return tokens


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


def run(*words: str, **environment: str) -> Result:
    bootstrap.settings.cache_clear()
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened() as found:
        yield found


class Person:
    """Somebody who is signed in, with the pages before them."""

    def __init__(self, browser: Any, world: World, actor: str) -> None:
        self.world, self.actor = world, actor
        self.page = browser.new_context().new_page()
        self.page.set_default_timeout(20_000)
        self.complaints = listened(self.page)
        self.open("/inbox")
        self.page.get_by_label("Token").fill(world.tokens[actor])
        self.press("Sign in", leads_to="/inbox")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.world.web}{path}")

    def press(self, button: str, *, leads_to: str, within: str = "main") -> None:
        self.page.locator(within).get_by_role("button", name=button, exact=True).click()
        self.page.wait_for_url(f"**{leads_to}")

    def reads(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())


def test_a_second_project_is_refused_asks_is_given_trains_and_is_refused_within_a_second(
    world, browser
):
    assert world.train() == TAILS, "nothing closes it yet"
    sam, max_ = Person(browser, world, SAM), Person(browser, world, MAX)
    tagged(sam)
    refusal = refused(world)
    asks_in_the_browser(max_)
    asks_by_the_command(world, refusal)
    approves_with_one_key(sam)
    assert world.train() == TAILS
    assert TAILS[0] in world.until_looked_up(200)
    with pytest.raises(Denied, match="for purpose marketing"):
        world.train("marketing")
    assert revoked_in_the_browser(world, sam) <= ALLOWED
    with pytest.raises(Denied, match=rf"tailnum \(tagged {TAG}, for purpose delay\)"):
        world.train()
    tells_all_of_it(sam)
    assert worth_hearing(sam.complaints + max_.complaints) == []


def tagged(sam: Person) -> None:
    sam.open(f"/datasets/{FLIGHTS}/edit")
    sam.page.get_by_label("Tags of tailnum").fill(TAG)
    sam.press("Save", leads_to=f"/datasets/{FLIGHTS}")
    assert TAG in sam.reads("#column-tailnum")


def refused(world: World) -> str:
    """Max is told why, by whom it can be granted, and what to do; online too, which is returned."""
    with pytest.raises(Denied) as error:
        world.train()
    assert f"{FLIGHTS}.tailnum (tagged {TAG}, for purpose delay)" in error.value.message
    ask = f"provender access request {FLIGHTS} --columns tailnum --purpose delay --reason …"
    assert error.value.hint == f"{SAM} or team:ops can grant it; ask: {ask}"
    [fact] = error.value.facts
    assert (fact.tags, fact.who_can_grant) == ((TAG,), (SAM, "team:ops"))
    told = world.until_looked_up(403)
    assert f"{MAX} may not serve {FLIGHTS}.tailnum (tagged {TAG}, for purpose delay)" in told
    return told


def asks_in_the_browser(max_: Person) -> None:
    max_.open(f"/datasets/{FLIGHTS}")
    max_.page.get_by_text("How to ask for more").click()
    max_.page.get_by_text("Why not for delay").click()
    assert max_.reads("h1").startswith("Why you may not")
    max_.page.get_by_role("link", name="Ask for it").click()
    shown = max_.reads("#shows")
    assert re.search(r"tailnum\s+string.*closed\s+open", shown, re.DOTALL), shown
    max_.page.get_by_label("Why").fill("planes that come late leave late")
    max_.press("Ask", leads_to="/requests/r1")
    assert f"{MAX} asks to read" in max_.reads("h1")


def asks_by_the_command(world: World, refusal: str) -> None:
    """What the lookup was refused with says the command; only the reason is to be said."""
    [command] = re.findall(r"provender (access request .* --reason) …", refusal)
    words = shlex.split(command)
    assert words[words.index("--action") + 1] == "serve"
    alone = {"PROVENDER_HOME": str(world.home), "PROVENDER_CATALOG_URL": world.web}
    done = run(*words, "to tell who waits", **alone, PROVENDER_TOKEN=world.tokens[MAX])
    assert "r2 is open: 1 approval needed" in done.stdout, done.output


def approves_with_one_key(sam: Person) -> None:
    for request in ("r1", "r2"):
        sam.open("/inbox")
        sam.page.keyboard.press("a")
        assert sam.page.url.endswith("/inbox"), "nothing has the focus yet, so nothing is approved"
        sam.page.keyboard.press("j")
        sam.page.keyboard.press("a")
        sam.page.wait_for_url(f"**/requests/{request}")
        assert "approved" in sam.reads(".headline")


def revoked_in_the_browser(world: World, sam: Person) -> timedelta:
    """How long after its revoke a lookup was asked last that was served."""
    with world.looked_up_all_the_time():
        for grant in ("g2", "g1"):
            sam.open(f"/datasets/{FLIGHTS}/access")
            sam.page.locator(f"#{grant} summary").click()
            sam.press(f"Revoke now {grant}", leads_to="/access#grants")
            assert "revoked" in sam.reads(f"#{grant}")
        world.until_looked_up(403)
    with connect(settings=world.outside(SAM)) as workspace:
        revoked = workspace.catalog.records.granted("g2").revoked_at
    assert revoked is not None
    served = [asked for asked, status in world.answers if status == 200]
    assert {status for _, status in world.answers} == {200, 403}
    late = max(served) - revoked
    told = "%d lookups, the last that was served was asked %.3f s after the revoke"
    logging.getLogger(__name__).info(told, len(world.answers), late.total_seconds())
    return late


def events(sam: Person, path: str) -> list[str]:
    """The rows of the audit page at ``path``, and of those it leads on to, oldest first."""
    sam.open(path)
    found: list[str] = sam.page.locator("tbody tr").all_inner_texts()
    older = sam.page.get_by_role("link", name="older")
    before = events(sam, str(older.get_attribute("href"))) if older.count() else []
    return before + found[::-1]


def tells_all_of_it(sam: Person) -> None:
    """The audit page has the whole story, and what was signed says that nothing is missing."""
    deadline = time.monotonic() + 20
    while True:
        rows = events(sam, f"/audit?subject={FLIGHTS}")
        told = [(re.findall(r"\w+:\w+", row.partition(FLIGHTS)[0])[-1], row) for row in rows]
        looked_up = {kind for kind, row in told if "told_by" in row and MAX in row}
        if looked_up == LOOKED_UP:
            break
        assert time.monotonic() < deadline, looked_up
    sam.open(f"/audit?subject={FLIGHTS}&verify=1")
    assert "whole" in sam.reads(".state")
    assert "events fit together" in sam.reads("main")
    kinds = [kind for kind, row in told if "told_by" not in row]
    assert kinds == STORY, " ".join(kinds)
