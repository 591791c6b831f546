import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from provender.core.errors import InvalidInput, NotFound, Unavailable
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer, embedded_server
from provender.online.place import Place
from provender.online.store import OnlineStore
from provender.serving.server import application, serve
from provender.serving.watch import catalog_address, catalog_problem
from tests.online.views import T0, field, manifest, view
from tests.serving import transforms
from tests.serving.conftest import Start, flights


def test_a_newly_published_manifest_is_served_without_a_restart(
    start: Start, store: OnlineStore
) -> None:
    store.publish_manifest(flights(project="moving"))
    running = start(project="moving")
    body = {"entities": {"origin": ["a"]}, "features": ["fresh:x"]}
    assert running.post("/get-online-features", body).status_code == 404
    fresh = manifest(view({"x": "int64"}, name="fresh"), project="moving")
    digest = store.publish_manifest(fresh)
    deadline = time.monotonic() + 10
    while running.post("/get-online-features", body).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    health = running.client.get("/health").json()
    assert health["snapshot"] == {
        "digest": digest,
        "compiled_at": T0.isoformat(),
        "stale": False,
        "problem": "",
    }


def test_a_push_to_a_server_that_does_not_know_the_newest_definition_yet_replaces_nothing(
    start: Start, store: OnlineStore
) -> None:
    before = view({"x": "int64"}, name="redefined", push_sources=("again",))
    after = replace(before, columns=(*before.columns, field("y", "int64")))
    store.publish_manifest(manifest(before, project="moving"))
    running = start(project="moving")
    rows = {"origin": ["a"], "x": [9], "y": [1], "event_timestamp": [T0.isoformat()]}
    older = {"origin": ["a"], "x": [1], "event_timestamp": ["2012-01-01T00:00:00Z"]}
    assert running.post("/push", {"push_source_name": "again", "df": older}).status_code == 200
    store.publish_manifest(manifest(after, project="moving"))
    store.write(ColumnEncoder("moving", after).encode(rows))
    deadline = time.monotonic() + 10
    asked = {"features": ["redefined:x", "redefined:y"], "entities": {"origin": ["a"]}}
    while (answer := running.post("/get-online-features", asked)).status_code != 200:
        told = running.post("/push", {"push_source_name": "again", "df": older})
        assert told.status_code in (409, 422)  # 422: it knows by now, and misses the column
        assert time.monotonic() < deadline
    assert [one["values"] for one in answer.json()["results"]] == [["a"], [9], [1]]
    assert running.post("/push", {"push_source_name": "again", "df": rows}).status_code == 200


def test_a_function_other_than_the_applied_one_is_refused_alone(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    (tmp_path / "transforms.py").write_text("def departure(columns):\n    return {'warm': [1.0]}\n")
    running = start(repo=str(tmp_path))
    entities = {"origin": ["JFK"], "hour": [1]}
    found = running.error(
        "/get-online-features", {"entities": entities, "features": ["departure:warm"]}
    )
    assert (found[0], "is not the text that was applied" in found[2]) == (409, True)
    assert running.features(entities, features=["weather:temp"])["results"][-1]["values"] == [1.0]
    assert "departure" in running.client.get("/health").json()["on_demand"]


@pytest.mark.parametrize("text", ["import nosuchlib\n", "raise SystemExit(3)\n", "(\n"])
def test_a_module_that_cannot_be_imported_refuses_its_view_alone_and_is_logged_once(
    start: Start, filled: OnlineStore, tmp_path: Path, text: str
) -> None:
    module = tmp_path / "transforms.py"
    module.write_text(text + inspect.getsource(transforms))
    running = start(repo=str(tmp_path))
    entities = {"origin": ["JFK"], "hour": [1]}
    found = running.error(
        "/get-online-features", {"entities": entities, "features": ["departure:warm"]}
    )
    assert (found[0], "cannot be imported" in found[2]) == (422, True)
    assert running.features(entities, features=["weather:temp"])["results"][-1]["values"] == [1.0]
    assert "cannot be imported" in running.client.get("/health").json()["on_demand"]["departure"]
    time.sleep(2.2)
    module.write_text(inspect.getsource(transforms))
    deadline = time.monotonic() + 10
    while running.client.get("/health").json()["on_demand"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert running.features(entities, features=["departure:warm"])["results"][-1]["values"] == [2]
    running.process.terminate()
    said = running.process.communicate(timeout=20)[1]
    assert said.count("cannot be imported") <= 1


def test_a_dead_store_is_a_503_and_its_return_needs_no_restart(
    tmp_path: Path, start: Start
) -> None:
    with embedded_server(tmp_path / "own") as server, OnlineStore(server.url) as store:
        store.publish_manifest(flights())
        running = start(url=server.url)
        body = {"entities": {"origin": ["a"]}, "features": ["weather:temp"]}
        assert running.post("/get-online-features", body).status_code == 200
    deadline = time.monotonic() + 10
    while running.post("/get-online-features", body).status_code != 503:
        assert time.monotonic() < deadline
    while (
        not (found := (health := running.client.get("/health")).json())["snapshot"]["stale"]
        or (
            found["store"]["ok"]  # seen by another task
        )
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (health.status_code, found["status"]) == (200, "degraded")
    ready = running.client.get("/ready")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    assert "unix://" in ready.json()["problem"]
    assert "unix://" in running.error("/get-online-features", body)[2]
    with embedded_server(tmp_path / "own"):
        deadline = time.monotonic() + 10
        while running.client.get("/health").json()["snapshot"]["stale"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert running.post("/get-online-features", body).status_code == 200
        assert running.client.get("/ready").json() == {"ready": True, "problem": ""}


def test_a_server_without_a_manifest_is_unhealthy_until_there_is_one(
    start: Start, store: OnlineStore
) -> None:
    running = start(project="later")
    assert running.client.get("/health").status_code == 503
    ready = running.client.get("/ready")
    assert (ready.status_code, "has none" in ready.json()["problem"]) == (503, True)
    store.publish_manifest(manifest(project="later"))
    deadline = time.monotonic() + 10
    while running.client.get("/ready").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert running.client.get("/health").status_code == 200


def test_a_project_that_is_misspelt_is_refused_with_the_near_name(
    valkey: EmbeddedServer, store: OnlineStore, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="'flihgts' has no features to serve") as refused:
        application(valkey.url, project="flihgts", home=tmp_path, repo=tmp_path)
    assert "did you mean flights?" in refused.value.hint


def test_a_project_that_was_served_here_is_no_mistake(
    valkey: EmbeddedServer, store: OnlineStore, tmp_path: Path
) -> None:
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "flights2.json").write_text("{}")
    made = application(valkey.url, project="flights2", home=tmp_path, repo=tmp_path)
    assert made.project == "flights2"


def test_a_server_that_waits_for_its_project_says_so(start: Start, store: OnlineStore) -> None:
    running = start(project="later")
    running.process.terminate()
    _, err = running.process.communicate(timeout=10)
    assert "project later has no features to serve in " in err
    assert "waits until it is applied; there are: flights" in err


def test_a_catalog_that_is_gone_is_told_and_stops_nothing(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.db"
    catalog.touch()
    running = start(catalog=f"sqlite:///{catalog}")
    there = {"ok": True, "address": str(catalog), "problem": ""}
    assert running.client.get("/health").json()["catalog"] == there
    catalog.unlink()
    deadline = time.monotonic() + 10
    while (found := running.client.get("/health").json())["catalog"]["ok"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (found["status"], running.client.get("/ready").status_code) == ("degraded", 200)
    assert running.features({"origin": ["JFK"]}, features=["weather:temp"])["results"]


def test_a_catalog_of_postgresql_is_seen_by_its_port_and_told_without_password() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        url = f"postgresql+psycopg://me:hush@{address}/provender"
        assert (catalog_address(url), catalog_problem(url)) == (address, "")
    assert catalog_problem(url).startswith(f"nothing answers at {address}: ")


def test_a_catalog_of_postgresql_is_seen_at_its_socket(tmp_path: Path) -> None:
    folder = Place.of(tmp_path / "pg").socket.parent  # a path of a socket has a hundred characters
    folder.mkdir(parents=True, exist_ok=True)
    url, there = f"postgresql:///provender?user=me&host={folder}", folder / ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(there))
        listener.listen()
        assert (catalog_address(url), catalog_problem(url)) == (str(there), "")
    assert catalog_problem(url).startswith(f"nothing answers at {there}: ")
    there.unlink()


def test_a_start_without_the_store_serves_the_copy_on_disk(tmp_path: Path, start: Start) -> None:
    home = tmp_path / "home"
    with embedded_server(tmp_path / "own") as server, OnlineStore(server.url) as store:
        digest = store.publish_manifest(flights())
        start(home=home, url=server.url, project="").client.get("/health")
    running = start(home=home, url=f"unix://{Place.of(tmp_path / 'gone').socket}", project="")
    health = running.client.get("/health").json()
    assert (health["project"], health["snapshot"]["digest"]) == ("flights", digest)
    assert health["snapshot"]["stale"]
    body = {"entities": {"origin": ["a"]}, "features": ["weather:temp"]}
    assert running.post("/get-online-features", body).status_code == 503
    assert running.post("/get-online-features", {**body, "features": ["x:y"]}).status_code == 404


def test_a_server_that_is_told_to_end_ends(start: Start, store: OnlineStore) -> None:
    running = start()
    running.process.send_signal(signal.SIGTERM)
    _, err = running.process.communicate(timeout=10)
    assert (running.process.returncode, err) == (0, "")


def test_two_workers_answer_on_one_port(start: Start, filled: OnlineStore) -> None:
    running = start(workers=2)
    body = {"entities": {"origin": ["JFK"]}, "features": ["weather:temp"]}
    deadline = time.monotonic() + 20
    while running.post("/get-online-features", body).status_code != 200:
        assert time.monotonic() < deadline
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda _: httpx.post(f"{running.address}/get-online-features", json=body), range(40)
        )
        assert {answer.json()["results"][1]["values"][0] for answer in answers} == {1.0}


def test_a_unix_socket_serves_too(start: Start, filled: OnlineStore, tmp_path: Path) -> None:
    path = Path(f"/tmp/provender-test-{os.getpid()}.sock")
    start(uds=str(path))
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.get("http://localhost/health").status_code == 200
        with pytest.raises(Unavailable, match="cannot listen at"):
            serve(application(filled_url(filled), home=tmp_path, repo=tmp_path), uds=path)


def filled_url(store: OnlineStore) -> str:
    return store.options.address


def test_a_taken_port_is_an_error_that_names_it(
    valkey: EmbeddedServer, store: OnlineStore, tmp_path: Path
) -> None:
    make = application(valkey.url, home=tmp_path, repo=tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}"):
            serve(make, port=port)


def test_the_project_is_chosen_only_where_there_is_no_doubt(
    valkey: EmbeddedServer, store: OnlineStore, tmp_path: Path
) -> None:
    assert application(valkey.url, home=tmp_path, repo=tmp_path).project == "flights"
    store.publish_manifest(manifest(project="risk"))
    with pytest.raises(InvalidInput, match="there are 2 projects: flights, risk"):
        application(valkey.url, home=tmp_path, repo=tmp_path)
    assert application(valkey.url, project="risk", home=tmp_path, repo=tmp_path).project == "risk"
    store.delete("flights")
    store.delete("risk")
    with pytest.raises(NotFound, match="no project has features to serve"):
        application(valkey.url, home=tmp_path, repo=tmp_path)


IN_PROCESS = """
import asyncio, sys
from pathlib import Path
from provender.serving.messages import Request
from provender.serving.server import application

async def main():
    app = application(sys.argv[1], home=Path(sys.argv[2]), repo=Path(sys.argv[3]))()
    await app.start()
    body = b'{"entities": {"origin": ["JFK"], "hour": [1]}, "features": ["departure:warm"]}'
    answered = asyncio.get_running_loop().create_future()
    app.answer(Request("POST", "/get-online-features", body=body), answered.set_result)
    response = await answered
    await app.stop()
    return response.status

print(asyncio.run(main()), *sorted(name for name in sys.modules if "." not in name))
"""


def test_answering_loads_nothing_heavy(
    valkey: EmbeddedServer, filled: OnlineStore, tmp_path: Path
) -> None:
    arguments = [valkey.url, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_PROCESS, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    status, *modules = done.stdout.split()
    assert status == "200"
    assert {"feast", "sqlalchemy", "pandas", "duckdb", "pyarrow", "numpy"}.isdisjoint(modules)
