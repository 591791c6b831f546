import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from provender.core.names import FeatureRef
from provender.online.columns import ColumnEncoder
from provender.online.lookup import Question, compile_plan
from provender.online.store import OnlineStore
from provender.serving import ipc
from tests.online.views import EVERY_TYPE, FEAST_TYPES, T0, manifest, view
from tests.serving.conftest import Running

ACCEPT = {"accept": "application/vnd.apache.arrow.stream"}


def asked(running: Running, entities: Any, features: list[str]) -> pa.RecordBatch:
    body = {"entities": entities, "features": features}
    answer = running.client.post("/get-online-features", json=body, headers=ACCEPT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ACCEPT["accept"]
    with pa.ipc.open_stream(answer.content) as stream:
        return stream.read_next_batch()


def test_an_arrow_answer_has_values_statuses_and_instants(
    shared: Running, filled: OnlineStore
) -> None:
    names = [
        "origin",
        *(f"{n}{s}" for n in ("count", "temp") for s in ("", "__status", "__event_timestamp")),
    ]
    batch = asked(shared, {"origin": ["JFK", "LGA", "EWR"]}, ["weather:count", "weather:temp"])
    assert batch.schema.names == names
    assert batch["origin"].to_pylist() == ["JFK", "LGA", "EWR"]
    assert batch.schema.field("count").type == pa.int64()
    assert batch["count"].to_pylist() == [2**53 + 1, None, None]
    assert batch["count__status"].to_pylist() == ["PRESENT", "NULL_VALUE", "NOT_FOUND"]
    late = datetime(2013, 1, 1, 4, 59, 59, 1500, tzinfo=UTC)
    assert batch["temp__event_timestamp"].to_pylist() == [T0, late, None]
    assert str(batch["temp"][1]) == "nan"


def test_errors_stay_json(shared: Running, store: OnlineStore) -> None:
    body = {"entities": {"origin": ["JFK"]}, "features": ["weather:tmp"]}
    answer = shared.client.post("/get-online-features", json=body, headers=ACCEPT)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    entities = {"origin": ["JFK", "LGA"], "dest": [["a"], 2]}
    mixed = {"entities": entities, "features": ["weather:temp"]}
    answer = shared.client.post("/get-online-features", json=mixed, headers=ACCEPT)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/json")


def test_every_type_comes_as_its_arrow_type(store: OnlineStore) -> None:
    types = EVERY_TYPE | FEAST_TYPES
    names = {f"c{at}": word for at, word in enumerate(types)}
    every = view(names, name="every")
    values = {f"c{at}": [value] for at, value in enumerate(types.values())}
    encoder = ColumnEncoder("flights", every)
    store.write(encoder.encode({"origin": ["JFK"], "event_timestamp": [T0], **values}))
    plan = compile_plan(manifest(every), [FeatureRef("every", name) for name in names])
    question = Question(plan, {"origin": ["JFK"]}, T0)
    answer = question.answer(store.read(question.keys))
    with pa.ipc.open_stream(ipc.render(answer)) as stream:
        batch = stream.read_next_batch()
    for name, word in names.items():
        found = batch[name].to_pylist()[0]
        if word.endswith("json>"):
            found = json.loads(found)
        elif word.endswith("json>>"):
            found = [json.loads(text) for text in found]
        assert found == answer.to_dict()[name][0], word


WITHOUT = """
import asyncio, sys
sys.modules["pyarrow"] = None
from provender.serving.app import _arrow
print(asyncio.run(_arrow(None)).status)
"""


def test_without_pyarrow_an_arrow_stream_is_not_acceptable() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "406"
