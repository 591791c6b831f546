"""Requests made up from the server's own description: none may break it or surprise a client."""

import subprocess
import sys
from pathlib import Path

from provender.online.store import OnlineStore
from tests.serving.conftest import Running

EXAMPLES = 25
CONFIGURATION = """
# Columns of different lengths, and rows without the view's columns, fit the description.
[checks.positive_data_acceptance]
expected-statuses = ["200", "403", "422"]
"""


def test_every_request_has_an_answer_that_the_description_foresees(
    shared: Running, filled: OnlineStore, tmp_path: Path
) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    options = ["--checks", "all", "--max-examples", str(EXAMPLES), "--generation-deterministic"]
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file"),
            *(str(configuration), "run", f"{shared.address}/openapi.json", *options),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested: 6" in done.stdout
    assert shared.client.get("/ready").status_code == 200


def test_the_description_names_what_is_served_and_its_example_is_answered(
    shared: Running, filled: OnlineStore
) -> None:
    described = shared.client.get("/openapi.json").json()
    schemas = described["components"]["schemas"]
    lookup = schemas["Lookup"]
    by_features, by_service = lookup["anyOf"]
    assert "departure:warm" in by_features["properties"]["features"]["items"]["enum"]
    assert by_service["properties"]["feature_service"]["enum"] == ["delay"]
    assert schemas["Push"]["properties"]["push_source_name"]["enum"] == [
        "mixed_push",
        "weather_push",
    ]
    for example in lookup["examples"]:
        assert shared.post("/get-online-features", example).status_code == 200
    assert "/materialize" not in described["paths"], "there is no repository beside this server"


def test_documents_are_not_served_and_a_client_may_fall_back(shared: Running) -> None:
    for path in ("/search", "/retrieve-online-documents"):
        assert shared.error(path, {"features": [], "query": [0.1]})[:2] == (404, "FeastError")
