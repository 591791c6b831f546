"""Rows through the service: what comes out is what comes out where the lake is, bit for bit, or an error."""

import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from threading import Thread

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from provender import bootstrap
from provender.cli import main
from provender.core.errors import (
    Corrupt,
    Denied,
    InvalidInput,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from provender.core.limits import Limits
from provender.sdk import connect
from tests.exits.world import (
    ANA,
    CLOSED,
    FARE,
    FILTERED,
    GOV,
    MASKED,
    REPO,
    SAM,
    World,
    spine,
    visits,
)
from tests.stress import times

ARROW = {"content-type": "application/vnd.apache.arrow.stream"}
OPEN = ["driver_id", "event_timestamp", "region", "fare", "remark", "plate"]


def stream(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def ask(world: World, actor: str = ANA, **query: object) -> httpx.Response:
    return httpx.get(f"{world.address}/api/v1/retrieve", params=query, headers=world.bearer(actor))


def send(world: World, body: bytes, actor: str = ANA, **query: object) -> httpx.Response:
    url, headers = f"{world.address}/api/v1/retrieve", world.bearer(actor) | ARROW
    return httpx.post(url, params=query, headers=headers, content=body, timeout=60)


def test_a_dataset_read_through_the_service_is_what_is_read_beside_the_lake(world: World):
    outside, inside = world.outside(ANA), world.inside(ANA)
    rows = outside.read("shop.visits", OPEN)
    assert rows.equals(inside.read("shop.visits", OPEN))
    assert rows.num_rows == 20
    assert set(rows["region"].to_pylist()) == {"north"}
    assert {len(plate) for plate in rows["plate"].to_pylist()} == {64}
    assert world.outside(SAM).read("shop.visits@1").equals(visits())
    assert not (outside.settings.lake).exists()


def test_a_training_set_made_by_the_service_is_the_one_made_beside_the_lake(world: World, tmp_path):
    outside, inside = world.outside(ANA), world.inside(ANA)
    theirs = outside.training_set(spine(), service="open_v1")
    ours = inside.training_set(spine(), service="open_v1")
    assert theirs.id == ours.id
    assert theirs.manifest.content_digest == ours.manifest.content_digest
    assert theirs.manifest.created_by == ANA
    assert theirs.arrow().equals(ours.arrow())
    assert theirs.arrow().num_rows == 41
    features = [f"visits:{name}" for name in ("plate", "fare")]
    named = {"features": features, "full_feature_names": True, "pins": ["shop.visits@1"]}
    file = outside.training_set(spine(), to=tmp_path / "set.parquet", **named)
    assert file.id == inside.training_set(spine(), **named).id
    assert file.arrow().column_names[-2:] == ["visits__plate", "visits__fare"]
    told = []
    outside.training_set(spine(), service="open_v1", progress=lambda *said: told.append(said))
    assert told[-1] == ("handing rows out", 1.0)


def test_what_is_closed_is_denied_with_the_same_words_and_not_a_byte_is_sent(world: World):
    outside, inside = world.outside(ANA), world.inside(ANA)
    for call in (
        lambda one: one.read("shop.visits"),
        lambda one: one.read("shop.visits", ["address"]),
        lambda one: one.read("shop.visits", OPEN, purpose="serving"),
        lambda one: one.training_set(spine(), service="whole_v1"),
    ):
        with pytest.raises(Denied) as theirs:
            call(outside)
        with pytest.raises(Denied) as ours:
            call(inside)
        assert str(theirs.value) == str(ours.value)
        assert theirs.value.facts == ours.value.facts
    answer = ask(world, dataset="shop.visits", column="address", purpose="research")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]
    events = world.inside(SAM).catalog.records.audit_events(actor=ANA, limit=200)
    assert {"access:permit", "access:deny"} <= {str(event.kind) for event in events}


def test_mistakes_are_told_as_they_are_beside_the_lake(world: World):
    outside = world.outside(ANA)
    with pytest.raises(NotFound, match="fare"):
        outside.read("shop.visits", ["fair"])
    with pytest.raises(NotFound):
        outside.read("shop.nothing")
    with pytest.raises(InvalidInput, match="no columns"):
        outside.read("shop.visits", [])
    with pytest.raises(InvalidInput, match="driver_id"):
        outside.training_set(spine().drop_columns(["driver_id"]), service="open_v1")
    with pytest.raises(InvalidInput, match="no rows"):
        outside.training_set(spine().slice(0, 0), service="open_v1")
    with pytest.raises(Unavailable, match="not in the lake of this process"):
        _ = outside.get("shop.visits").files
    assert ask(world, dataset="shop.visits", column="fair").status_code == 404
    assert ask(world, dataset="shop.visits", versoin=1).status_code == 422
    forged = outside.settings.model_copy(update={"token": "pvd_" + "x" * 43})
    with connect(settings=forged) as nobody, pytest.raises(Unauthenticated):
        nobody.read("shop.visits", OPEN)


@pytest.mark.parametrize(("columns", "depth"), [(1, 5), (1, 58), (51, 1), (1_001, 0)])
def test_a_body_that_takes_all_memory_to_be_planned_is_refused(
    world: World, columns: int, depth: int
):
    kind = pa.int64()
    for _ in range(depth):
        kind = pa.list_(kind)
    rows = spine()
    nested = pa.nulls(rows.num_rows, kind)
    names = [*rows.column_names, *(f"x{n}" for n in range(columns))]
    body = stream(pa.table([*rows.columns, *[nested] * columns], names=names))
    began = time.process_time()
    answer = send(world, body, service="open_v1", purpose="research")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid-input")
    assert "lists and maps" in answer.text or "1,000 at most" in answer.text
    assert time.process_time() - began < 2


def test_bodies_that_are_no_rows_are_refused_with_a_reason(world: World):
    good = stream(spine())
    options = {"options": pa.ipc.IpcWriteOptions(compression="zstd")}
    runs = spine().append_column(
        "runs", pa.RunEndEncodedArray.from_arrays(pa.array([41], pa.int32()), pa.array(["x"]))
    )
    for body in (b"", b"rows", good[:-8], good[:500], stream(spine(), **options), stream(runs)):
        answer = send(world, body, service="open_v1", purpose="research")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid-input"), body[
            :9
        ]
    assert send(world, good, service="open_v1", purpose="research").status_code == 200
    url = f"{world.address}/api/v1/retrieve?service=open_v1"
    assert httpx.post(url, headers=world.bearer(ANA), json={}).status_code == 415


def test_any_bit_of_the_body_may_be_wrong(world: World):
    good = bytearray(stream(spine(3)))
    for place in range(0, len(good), len(good) // times(20)):
        bad = bytearray(good)
        bad[place] ^= 0x40
        assert send(world, bytes(bad), service="open_v1", purpose="research").status_code in (
            200,
            422,
        )


def test_more_rows_than_are_taken_are_refused_in_words(world: World):
    many = spine(100_000)
    with pytest.raises(TooLarge, match="more than 1 MB"):
        world.outside(ANA).training_set(many, service="open_v1")
    assert world.outside(ANA).training_set(spine(30_000), service="open_v1").manifest.row_count


def stalled(world: World, headers: dict[str, str]) -> socket.socket:
    """A request whose body does not come."""
    host, port = world.address.removeprefix("http://").split(":")
    lines = [f"{name}: {value}" for name, value in {"host": host, **headers}.items()]
    request = ["POST /api/v1/retrieve?service=open_v1 HTTP/1.1", *lines, "content-length: 1000"]
    sending = socket.create_connection((host, int(port)))
    sending.sendall(("\r\n".join(request) + "\r\n\r\n").encode() + b"begun")
    return sending


def test_bodies_that_do_not_come_keep_nobody_from_a_turn(world: World):
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(stalled(world, world.bearer(ANA) | ARROW))
        time.sleep(0.5)
        assert next(settled(world)) == 0
        asked = {"dataset": "shop.visits", "version": 1, "column": ["fare"], "purpose": "research"}
        assert ask(world, **asked).status_code == 200
        assert (
            send(world, stream(spine()), service="open_v1", purpose="research").status_code == 200
        )


@pytest.fixture(scope="module")
def long(world: World) -> str:
    """A dataset of many batches, all of which ana may read."""
    sam = world.inside(SAM)
    count = 300_000
    rows = visits(2)
    rows = pa.concat_tables([rows.slice(0, 1)] * 1000).combine_chunks()
    rows = pa.concat_tables([rows] * (count // 1000)).combine_chunks()
    return str(sam.publish("shop.visits", rows, profile=False).ref)


def settled(world: World) -> Iterator[int]:
    """How many retrievals are at work, as /metrics tells, until there are none."""
    for _ in range(200):
        told = httpx.get(f"{world.address}/metrics").text
        (line,) = [
            one for one in told.splitlines() if one.startswith("provender_catalog_retrievals ")
        ]
        yield int(float(line.split()[1]))
        if line.endswith(" 0.0"):
            return
        time.sleep(0.05)


def test_who_goes_away_is_not_worked_for_and_who_comes_too_many_waits(world: World, long: str):
    query = {"dataset": "shop.visits", "version": long.split("@")[1], "purpose": "research"}
    query |= {"column": OPEN}
    url = f"{world.address}/api/v1/retrieve"
    with httpx.Client() as client:

        def begun(actor: str) -> httpx.Response:
            headers = world.bearer(actor)
            asked = client.build_request("GET", url, params=query, headers=headers)
            return client.send(asked, stream=True)

        held = [begun(ANA) for _ in range(2)]
        third = client.get(url, params=query, headers=world.bearer(ANA))
        assert (third.status_code, third.json()["error"]["code"]) == (429, "busy")
        assert "2 retrievals of yours are at work" in third.json()["error"]["message"]
        held += [begun(SAM) for _ in range(2)]
        assert [answer.status_code for answer in held] == [200] * 4
        assert next(settled(world)) == 4  # nobody reads: what is not taken is not made
        fifth = client.get(url, params=query, headers=world.bearer(GOV))
        assert (fifth.status_code, fifth.json()["error"]["code"]) == (429, "busy")
        assert int(fifth.headers["retry-after"]) > 0
        leaving = Thread(target=lambda: (time.sleep(1), [answer.close() for answer in held]))
        leaving.start()
        assert world.outside(ANA).read(long, ["fare"]).num_rows == 300_000  # the SDK comes again
        leaving.join()
    assert list(settled(world))[-1] == 0


def test_a_stream_that_breaks_off_is_an_error_and_no_shorter_table(world: World, long: str):
    outside = world.outside(ANA)
    location = world.inside(SAM).version(long).manifest.location
    file = max((world.settings.lake / location).glob("*.parquet"))
    whole = file.read_bytes()
    broken = bytearray(whole)
    third = len(broken) // 3
    broken[-third : -third // 4] = b"\xff" * (third - third // 4)
    try:
        file.write_bytes(broken)
        with pytest.raises((Corrupt, Unavailable)):
            outside.read(long, OPEN)
    finally:
        file.write_bytes(whole)
    assert outside.read(long, OPEN).num_rows == 300_000


def test_nothing_hidden_is_in_what_came(world: World):
    shown = str(world.outside(ANA).read("shop.visits@1", OPEN).to_pylist())
    shown += str(world.outside(ANA).training_set(spine(), service="open_v1").arrow().to_pylist())
    assert not [one for one in (CLOSED, MASKED, FILTERED, str(FARE)) if one in shown]
    shown = str(world.outside(SAM).read("shop.visits@1").to_pylist())
    assert [one for one in (CLOSED, MASKED, FILTERED, str(FARE)) if one not in shown] == []


def test_the_command_line_goes_the_same_way(world: World, tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROVENDER_CATALOG_URL", world.address)
    monkeypatch.setenv("PROVENDER_TOKEN", world.tokens[ANA])
    monkeypatch.setenv("PROVENDER_PURPOSE", "research")

    def run(*arguments: object) -> Result:
        bootstrap.settings.cache_clear()
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    got = run(
        *("dataset", "get", "shop.visits@1", "--output", tmp_path / "got.parquet", "--json"),
        *(part for name in OPEN for part in ("--column", name)),
    )
    assert json.loads(got.output)["path"] == str(tmp_path / "got.parquet")
    assert pq.read_table(tmp_path / "got.parquet").equals(
        world.inside(ANA).read("shop.visits@1", OPEN)
    )
    assert run("dataset", "get", "shop.visits@1", "--output", tmp_path / "x").exit_code == 4
    assert run("dataset", "get", "shop.visits@1").exit_code == 7
    pq.write_table(spine(), tmp_path / "spine.parquet")
    made = run(
        *("training", "create", tmp_path / "spine.parquet", "--service", "open_v1", "--json"),
        *("--out", tmp_path / "set.parquet"),
    )
    here = world.inside(ANA).training_set(spine(), service="open_v1")
    assert json.loads(made.output)["id"] == here.id
    bootstrap.settings.cache_clear()


def test_a_token_that_is_for_a_purpose_reads_for_it_where_nothing_else_is_said(world: World):
    limits = Limits(purpose="research")
    token = world.inside(ANA).catalog.keyring.create("narrow", limits=limits).secret
    alone = world.outside(ANA).settings.model_copy(update={"token": token, "purpose": ""})
    with connect(settings=alone) as outside:
        made = outside.training_set(spine(), service="open_v1")
        assert made.manifest.spec.purpose == "research"
        assert made.id == world.inside(ANA).training_set(spine(), service="open_v1").id
        assert outside.read("shop.visits@1", ["fare"]).num_rows == 20
        with pytest.raises(Denied, match="outside the token's scope"):
            outside.read("shop.visits@1", ["fare"], purpose="serving")


def test_what_others_define_changes_nothing_of_what_is_read(world: World, tmp_path):
    """The last one here: there are two projects from then on."""
    outside, inside, visit = world.outside(ANA), world.inside(ANA), "shop.visits@1"
    made = outside.training_set(spine(), service="open_v1").arrow()["plate"]
    before = outside.read(visit, ["plate"])
    world.inside(GOV).catalog.record(replace(REPO, project="another", services=()))
    asked = {"dataset": "shop.visits", "version": 1, "column": ["plate"], "purpose": "research"}
    assert ask(world, **asked).status_code == 200
    plates = {"": before["plate"]}
    for project in ("", "visits", "another"):
        rows = outside.read(visit, ["plate"], project=project)
        assert rows.equals(inside.read(visit, ["plate"], project=project))
        assert rows.equals(outside.get(visit, project=project).arrow(["plate"]))
        file = outside.get(visit, project=project).to_parquet(
            tmp_path / f"{project}.parquet", columns=["plate"]
        )
        assert rows.equals(pq.read_table(file))
        plates[project] = rows["plate"]
    assert plates[""].equals(before["plate"])
    assert {len(plate) for plate in plates[""].to_pylist()} == {64}
    seen = [set(some.to_pylist()) for some in plates.values()]
    assert len(set.union(*seen)) == sum(map(len, seen))
    assert set(plates["visits"].to_pylist()) >= set(made.drop_null().to_pylist())
    assert ask(world, **asked, project="nowhere").status_code == 404
    with pytest.raises(NotFound, match="nowhere"):
        inside.read(visit, ["plate"], project="nowhere")
