"""T12: what an actor may not see is at no exit. Whoever may see it finds it, at those that show it.

Canaries are in a closed column, in a masked one, and in rows that a filter leaves out.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from feast import FeatureStore
from sqlalchemy import create_engine, inspect, text

from provender import bootstrap
from provender.core.digest import digest
from provender.core.errors import ProvenderError
from provender.online.columns import ColumnEncoder
from provender.sdk import Workspace
from provender.settings import Settings
from provender.tables.piped import encoded
from provender.values import to_json
from tests.exits.asking import everything
from tests.exits.plain import feast
from tests.exits.world import (
    ANA,
    CANARIES,
    CLOSED,
    COUNTED,
    FEATURES,
    FILTERED,
    GOV,
    KEY,
    MASKED,
    PURPOSE,
    SAM,
    World,
    serving,
    spine,
    visits,
)
from tests.online.views import covering
from tests.postgres import database
from tests.serving.governed import serving as serving_online
from tests.stress import times

DATABASES = ("sqlite", "postgresql")
ONE = pytest.mark.parametrize("log_and_world", ["sqlite"], indirect=True)
"""What does not come of the database is asked on one of them."""
COLUMNS = tuple(visits(1).column_names)
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}
Seen = dict[str, str]
"""What came out, by exit."""


@pytest.fixture(scope="module", params=DATABASES)
def log_and_world(request, tmp_path_factory) -> Iterator[tuple[io.StringIO, World]]:
    folder, log = tmp_path_factory.mktemp("canary"), io.StringIO()
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            url = stack.enter_context(database(request.getfixturevalue("postgres")))
        settings = Settings(
            home=folder / "service", catalog_url=url, mode="governed", log_format="json"
        )
        with redirect_stderr(log):
            world = stack.enter_context(serving(settings, folder))
        use(world)
        yield log, world


@pytest.fixture(scope="module")
def world(log_and_world) -> World:
    return log_and_world[1]


def use(world: World) -> None:
    """Let things happen that leave marks: reads, refusals, training sets, requests, searches in vain."""
    for actor in (ANA, SAM):
        workspace = world.outside(actor)
        asked = calls(workspace)
        for name in ("read", "read open", "training open", "training whole"):
            asked[name]()
        workspace.search("nothing of that kind")
        made = workspace.training_set(spine(), service="open_v1")
        artifact = digest(actor)
        name = "visits-model" if actor == SAM else "anas-model"
        workspace.models.record(name, training_set=made, artifact=artifact)


def whole(found: Any) -> str:
    """Return all that something holds: what it is called in a line leaves values out."""
    try:
        return f"{found} {to_json(found)}"
    except TypeError:  # it is no value of the core
        return str(found)


def calls(workspace: Workspace) -> dict[str, Callable[[], str]]:
    """What the SDK gives, each as text; what it refuses, in the words of the refusal."""

    def told(work: Callable[[], Any]) -> Callable[[], str]:
        def call() -> str:
            try:
                found = work()
            except ProvenderError as error:
                return f"{error} {getattr(error, 'facts', '')}"
            return str(found.to_pylist()) if isinstance(found, pa.Table) else whole(found)

        return call

    some = [name for name in COLUMNS if name != "address"]
    return {
        "read": told(lambda: workspace.read("shop.visits")),
        "read open": told(lambda: workspace.read("shop.visits", some)),
        **{f"read {name}": told(lambda name=name: workspace.read("shop.visits", [name])) for name in COLUMNS},
        "training open": told(lambda: workspace.training_set(spine(), service="open_v1").arrow()),
        "training whole": told(lambda: workspace.training_set(spine(), service="whole_v1").arrow()),
        **{
            f"training {name}": told(
                lambda name=name: workspace.training_set(spine(), features=[f"visits:{name}"]).arrow()
            )
            for name in FEATURES
        },
        "masked keys": told(
            lambda: workspace.training_set(
                spine().append_column("plate", [["x"] * 41]), features=["visits:plate"]
            )
        ),
        "profile": told(lambda: workspace.profile("shop.visits")),
        "evidence": told(lambda: workspace.catalog.finder.evidence(workspace.version("shop.visits").ref)),
        "entry": told(lambda: workspace.dataset("shop.visits")),
        "search": told(lambda: [*workspace.search("visits"), *workspace.search("zqx"), *workspace.search("fine1")]),
        "audit": told(lambda: workspace.catalog.records.audit_events(limit=500)),
        "changes": told(lambda: workspace.catalog.finder.changes(after=0, limit=500)),
        "bundle": told(lambda: b"".join(workspace.catalog.records.audit_bundle())),
        "sets": told(lambda: workspace.catalog.records.training_sets(limit=100)),
        "models": told(lambda: [workspace.models.list(), workspace.models.versions("visits-model")]),
        "serving": told(lambda: workspace.catalog.records.serving_manifest("visits")),
        "inbox": told(lambda: workspace.catalog.desk.inbox(limit=100)),
    }  # fmt: skip


def by_sdk(workspace: Workspace, where: str) -> Seen:
    return {f"{where} {name}": call() for name, call in calls(workspace).items()}


def by_http(world: World, actor: str) -> Seen:
    """Rows and training sets asked for without our SDK, and what is asked with a body."""
    seen: Seen = {}
    body = b"".join(encoded(spine().schema, spine().to_batches()))
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "retrieve", {"params": {"dataset": "shop.visits", "purpose": PURPOSE, "column": name}})
        for name in (*COLUMNS, [c for c in COLUMNS if c != "address"], "zqx")
    ]  # fmt: skip
    asked += [
        ("POST", "retrieve", {"params": {"purpose": PURPOSE, **what}, "content": body, "headers": ARROW})
        for what in ({"service": "open_v1"}, {"service": "whole_v1"}, *({"feature": f"visits:{f}"} for f in FEATURES))
    ]  # fmt: skip
    column = {"dataset": "shop.visits", "column": "address"}
    decided = {"action": "read", "columns": [column], "purpose": PURPOSE}
    about = {"kind": "dataset", "name": "shop.visits"}
    asked += [
        ("POST", "permits", {"json": decided}),
        ("POST", "decisions", {"json": decided}),
        ("POST", "foresight", {"json": {"about": about, "purpose": PURPOSE, "reason": "x"}}),
    ]
    with httpx.Client(base_url=f"{world.address}/api/v1/", timeout=60) as client:
        for method, path, sent in asked:
            headers = world.bearer(actor) | sent.pop("headers", {})
            answer = client.request(method, path, headers=headers, **sent)
            seen[f"{method} {path} {sent.get('params', '')}"] = answer.content.decode("latin-1")
    return seen


def by_files(world: World, actor: str, folder: Path) -> Seen:
    """The bytes of files that were written: also what Parquet keeps of values beside the rows."""
    workspace, seen = world.inside(actor), {}
    some = [name for name in COLUMNS if name != "address"]
    folder.mkdir(exist_ok=True)
    workspace.get("shop.visits").to_parquet(folder / "rows.parquet", columns=some)
    workspace.training_set(spine(), service="open_v1", to=folder / "set.parquet")
    for file in sorted(folder.glob("*.parquet")):
        seen[file.name] = file.read_bytes().decode("latin-1") + footer(file)
    return seen


def footer(file: Path) -> str:
    import pyarrow.parquet as pq

    return str(pq.ParquetFile(file).metadata.to_dict()) + str(pq.read_table(file).to_pylist())


def found(seen: Seen, canaries: tuple[str, ...] = CANARIES) -> set[tuple[str, str]]:
    return {(exit_, one) for exit_, told in seen.items() for one in canaries if one in told}


@pytest.mark.parametrize("actor", [ANA, GOV] if times(1) > 1 else [ANA])
def test_who_may_not_see_the_canaries_sees_none_at_any_exit_of_the_server(
    world: World, actor: str, request
):
    """Nor does who governs and does not read. In full under STRESS; else each database answers a half."""
    on = DATABASES.index(request.node.callspec.params["log_and_world"])
    some = {} if times(1) > 1 else {"part": on, "of": len(DATABASES)}
    answers = list(everything(world, actor, **some))
    ok = [answer for answer in answers if answer.status == 200]
    assert len(ok) > 40, "what is refused everywhere shows nothing, and proves nothing"
    hidden = (*CANARIES, *COUNTED)
    assert {(a.asked, one) for a in answers for one in hidden if one in a.text} == set()
    assert found(by_http(world, actor)) == set()


def test_what_followed_from_erased_rows_is_at_no_exit_of_who_stewards_and_does_not_govern(
    world: World,
):
    """Lists of versions, their pages, the trail, a publish that is sent again, refusals of other formats."""
    gone, lists = world.erased, ("datasets/shop.riders/versions", "versions?dataset=shop.riders")
    assert gone is not None
    assert gone.sums
    hidden = (gone.logical_digest, gone.content, gone.location, *map(str, gone.sums))
    paths = [f"/api/v1/{one}" for one in (*lists, "audit?limit=200", "changes?limit=200")]
    paths += [f"/datasets/shop.riders/versions{one}" for one in ("", ".json", "/1", "/1.json")]
    again = json.loads(to_json(gone))
    other = again | {"format": "csv"}
    with httpx.Client(base_url=world.address, headers=world.bearer(SAM)) as client:
        seen = {path: client.get(path).text for path in paths}
        versions = f"/api/v1/{lists[0]}"
        for name, manifest in (("the right", other), ("a wrong", other | {"logical_digest": "x"})):
            answer = client.post(f"{versions}/1/representations", json={"manifest": manifest})
            assert answer.status_code == 410
            seen[name] = answer.text
        key = {"idempotency-key": KEY}
        answer = client.post(versions, json={"manifest": again}, headers=key)
        assert answer.json()["ref"]["version"] == 1, answer.text
        seen["again"] = answer.text
    assert found(seen, hidden) == set()
    governs = httpx.get(f"{world.address}/api/v1/{lists[0]}", headers=world.bearer(GOV)).text
    assert gone.logical_digest in governs


@ONE
@pytest.mark.parametrize("actor", [ANA, GOV])
def test_who_may_not_see_the_canaries_sees_none_through_the_sdk(world: World, actor: str, tmp_path):
    seen = by_sdk(world.outside(actor), "outside") | by_sdk(world.inside(actor), "inside")
    assert found(seen, (*CANARIES, *COUNTED)) == set()
    assert "ends" in seen["outside evidence"], "that it passed is told"
    if actor == ANA:
        assert "fine1" in seen["outside read open"], "what may be seen is there"
        assert found(by_files(world, ANA, tmp_path / "ana")) == set()


@ONE
def test_who_may_see_the_canaries_finds_them_at_the_exits_that_show_values(world: World, tmp_path):
    seen = by_sdk(world.outside(SAM), "outside") | by_sdk(world.inside(SAM), "inside")
    seen |= by_http(world, SAM) | by_files(world, SAM, tmp_path / "sam")
    shown = found(seen, (*CANARIES, *COUNTED))
    for place in ("outside", "inside"):
        for canary in (CLOSED, MASKED, FILTERED, "86753.0625"):
            assert (f"{place} read", canary) in shown
            assert (f"{place} training whole", canary) in shown
        assert (f"{place} profile", FILTERED) in shown
        assert {(f"{place} evidence", one) for one in COUNTED} <= shown
    assert ("rows.parquet", FILTERED) in shown
    assert ("set.parquet", MASKED) in shown
    with httpx.Client(base_url=world.address, headers=world.bearer(SAM)) as client:
        for path in (
            "/api/v1/datasets/shop.visits/versions/1/evidence",
            "/datasets/shop.visits/column?name=remark&version=1",
            "/datasets/shop.visits/column.json?name=remark&version=1",
        ):
            assert FILTERED in client.get(path).text


@ONE
def test_statistics_of_protected_columns_are_kept_by_nobody_and_of_others_from_ten_rows_on(
    world: World,
):
    """A value that fewer have may point at one of them."""
    rows = visits()["remark"].to_pylist()
    assert {rows.count("fine0"), rows.count("fine1"), rows.count("fine2")} == {6, 7}
    profile = world.inside(SAM).profile("shop.visits")
    frequent = {column.column: str(column.frequent) for column in profile.columns}
    assert FILTERED in frequent["remark"]
    assert "fine" not in frequent["remark"]
    assert not [one for one in (CLOSED, MASKED) if one in str(profile)]
    theirs = world.outside(ANA).profile("shop.visits")
    assert (theirs.columns, theirs.keys, theirs.measures) == ((), (), ()), "counts are of all rows"
    with httpx.Client(base_url=world.address, headers=world.bearer(ANA)) as client:
        page = client.get("/datasets/shop.visits").text
        assert page.count('<td class="still"><span class="quiet">–</span></td>') == 2 * len(COLUMNS)
        for name in ("plate", "address", "fare"):
            page = client.get(f"/datasets/shop.visits/column?name={name}").text
            assert "<dt>Nulls</dt><dd>–</dd><dt>Distinct</dt><dd>–</dd>" in page


@ONE
def test_plain_feast_gives_no_canary_where_it_has_the_lake(world: World, tmp_path):
    settings = world.settings.model_copy(update={"actor": ANA, "purpose": PURPOSE})
    rows, seen = spine().to_pandas(), {}
    with feast(tmp_path, settings) as store:
        for names in (("remark", "fare"), ("plate",), ("address",)):
            try:
                features = [f"visits:{name}" for name in names]
                job = store.get_historical_features(entity_df=rows, features=features)
                seen[str(names)] = str(job.to_arrow().to_pylist())
            except ProvenderError as error:
                seen[str(names)] = str(error)
    assert "fine1" in seen["('remark', 'fare')"]
    assert "may not read shop.visits.address" in seen["('address',)"]
    assert found(seen) == set()


@ONE
def test_lookups_give_no_canary_in_process_by_plain_feast_or_from_the_server(
    world: World, tmp_path
):
    """Rows of the south may be served: no filter is for that. They show that the store has rows."""
    fill_online(world)
    closed, seen = (CLOSED, MASKED), {}
    for actor in (ANA, SAM):
        for name in FEATURES:
            seen[f"{actor} {name}"] = looked_up(world.inside(actor), name)
    settings = world.settings.model_copy(update={"actor": ANA, "purpose": PURPOSE})
    with feast(tmp_path, settings) as store:
        for name in FEATURES:
            seen[f"feast {name}"] = by_feast(store, name)
    url = world.settings.database_url
    with (
        bootstrap.online_address(world.settings) as redis_url,
        serving_online(
            world.settings.home, url, redis_url, "visits", online_policy="applied"
        ) as at,
    ):
        for name in FEATURES:
            body = {"features": [f"visits:{name}"], "entities": {"driver_id": [1]}}
            seen[f"server {name}"] = httpx.post(f"{at}/get-online-features", json=body).text
        for path in ("/health", "/ready", "/metrics", "/openapi.json"):
            seen[f"server {path}"] = httpx.get(f"{at}{path}").text
    for who in (ANA, SAM, "server"):
        assert FILTERED in seen[f"{who} remark"]
    assert found(seen, closed) == set()


def fill_online(world: World) -> None:
    """Write all rows to the online store, also what is closed, as a policy that was milder would have."""
    store = bootstrap.online(world.settings)
    served = world.inside(GOV).catalog.records.serving_manifest("visits")
    store.publish_manifest(served)
    (view,) = served.views
    rows = visits()
    columns = {name: rows[name].to_pylist() for name in ("driver_id", *FEATURES, "event_timestamp")}
    pairs = ColumnEncoder("visits", view).encode(columns)
    store.write(pairs)
    store.keep_coverage("visits", view.name, covering(view))
    assert any(CLOSED.encode() in row for _, row in pairs), "it is there to be found"
    assert {str(ref) for ref in served.closed} == {"visits:plate", "visits:address"}


def looked_up(workspace: Workspace, name: str) -> str:
    try:
        return str(workspace.online(features=[f"visits:{name}"])({"driver_id": [1, 3]}).to_dict())
    except ProvenderError as error:
        return str(error)


def by_feast(store: FeatureStore, name: str) -> str:
    try:
        found = store.get_online_features([f"visits:{name}"], [{"driver_id": 1}])
        return str(found.to_dict())
    except ProvenderError as error:
        return str(error)


def test_nothing_that_is_kept_but_the_profile_has_a_canary(log_and_world):
    log, world = log_and_world
    engine = create_engine(world.settings.database_url)
    with engine.connect() as db:
        kept = {
            table: str(db.execute(text(f'SELECT * FROM "{table}"')).fetchall())
            for table in inspect(engine).get_table_names()
        }
    engine.dispose()
    assert found(kept, (CLOSED, MASKED)) == set()
    assert {table for table, _ in found(kept)} == {"profiles"}, (
        "who may see all of a column sees it"
    )
    assert log.getvalue().count('"request"') > 20
    assert not [one for one in CANARIES if one in log.getvalue()]
    secrets = [world.tokens[who] for who in (ANA, SAM, GOV)]
    assert not [one for one in secrets if one in log.getvalue()]
