"""Requests made up from the API's own description: none may break it or surprise a client."""

import subprocess
import sys
from pathlib import Path

import httpx

from provender.catalog.local import LocalCatalog
from provender.core.policy import Action, Rule
from tests.api.server import catalog_api
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import FLIGHTS, HOURLY, VISIBLE, manifest, permitted, training_set
from tests.stress import STRESSED, times

EXAMPLES = times(3, calm=1)
WHO = "person:gov"
ROWS = ("--exclude-operation-id-regex", "^retrieve_")
"""These catalogs have no files, and nobody makes Arrow up: tests/exits/test_gateway.py sends what is wrong."""
CONFIGURATION = """
# A well-formed request may name what is not there or not allowed (403, 404, 409), what rules
# beyond its form refuse (422: an unknown tag, a cursor of another question), and a state that
# nobody is in (412), or that was not said (428).
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "308", "403", "404", "409", "410", "412", "422", "428"]
# A made-up If-Match is the tag of nothing.
[checks.negative_data_rejection]
expected-statuses = ["403", "404", "409", "410", "412", "413", "415", "422", "428"]
"""


def test_every_request_has_an_answer_that_the_description_foresees(
    governed_url: str, tmp_path: Path
) -> None:
    fill(governed_url)
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    with catalog_api(governed_url) as address:
        for phases, of in runs(governed_url):
            done = subprocess.run(
                [
                    *(str(Path(sys.executable).with_name("schemathesis")), "--config-file"),
                    *(str(configuration), "run", f"{address}/openapi.json", "--url", address),
                    *("--checks", "all", "--max-examples", str(EXAMPLES)),
                    *("--generation-deterministic", "--max-response-time", "5"),
                    *("--phases", phases, *of),
                    *("--header", f"Authorization: Bearer {WHO}", *ROWS),
                ],
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert httpx.get(f"{address}/datasets").status_code == 200


def test_a_governed_server_asks_for_a_token_wherever_its_description_says_so(
    governed_sqlite: str, tmp_path: Path
) -> None:
    fill(governed_sqlite)
    with LocalCatalog(governed_sqlite, actor=WHO) as gov:
        secret = gov.keyring.create("fuzz").secret
    configuration = tmp_path / "schemathesis.toml"
    expected = CONFIGURATION.replace('statuses = ["403"', 'statuses = ["401", "403"')
    configuration.write_text(expected)
    with catalog_api(governed_sqlite, governs=True) as address:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "--config-file"),
                *(str(configuration), "run", f"{address}/openapi.json", "--url", address),
                *("--checks", "all", "--max-examples", str(times(1))),
                *("--generation-deterministic", "--max-response-time", "5"),
                *("--phases", "examples,fuzzing", "--header", f"Authorization: Bearer {secret}"),
                *ROWS,
                *(
                    "--exclude-operation-id",
                    "rotate_token",
                    "--exclude-operation-id",
                    "revoke_token",
                ),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def runs(url: str) -> list[tuple[str, tuple[str, ...]]]:
    """The phases of each run, and of what: of everything under STRESS.

    Else what follows from answers, and a request per border of every parameter, are for one
    database; the borders of bodies, nine thousand requests, are for STRESS.
    """
    if STRESSED:
        return [("coverage,examples,fuzzing,stateful", ())]
    if url.startswith("sqlite"):
        return [("examples,fuzzing,stateful", ()), ("coverage", ("--include-method", "GET"))]
    return [("examples,fuzzing", ())]


def fill(url: str) -> None:
    """Put something of every kind into a governed catalog, and let `WHO` do everything to it."""
    with LocalCatalog(url, actor=WHO) as gov:
        everything = Rule(id="all", actors=(WHO,), actions=tuple(Action), tags=("personal",))
        gov.desk.declare(everything)
    with LocalCatalog(url, actor="person:ops") as ops:
        for rows in (1, 2):
            ops.publish(FLIGHTS, manifest(rows))
            ops.publish(HOURLY, manifest(rows, of=HOURLY))
        made = training_set(HOURLY.at(1), by="person:ops", decision=permitted(ops, HOURLY))
        ops.record(made)
    with LocalCatalog(url, actor="person:sam") as sam:
        sam.desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    with LocalCatalog(url, actor="person:dev") as dev:
        dev.record(VISIBLE)
