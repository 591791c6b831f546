"""A small catalog with something on every page, and something that most people may not see."""

from dataclasses import replace
from datetime import timedelta

from provender.catalog.local import LocalCatalog
from provender.core import derivation
from provender.core.datasets import (
    NO_EVIDENCE,
    Evidence,
)
from provender.core.digest import digest
from provender.core.editing import Edit
from provender.core.lifecycle import Step
from provender.core.lineage import Node, NodeKind
from provender.core.models import Trained
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef
from provender.core.requests import AccessRequest, Wanted
from provender.core.tags import Assignment
from tests.web import measured
from tests.web.clock import NOW
from tests.web.declared import (
    CONTRACT,
    GOVERNANCE,
    LINKS,
    REPO,
    WEATHER_COLUMNS,
    manifest,
    training_manifest,
)


def fill(url: str) -> None:
    """Put the scenario into the empty catalog at ``url``."""

    def acting(actor: str, *, days_ago: float) -> LocalCatalog:
        return LocalCatalog(url, actor=actor, clock=lambda: NOW - timedelta(days=days_ago))

    flights = {"carrier": "string", "tailnum": "string", "sched_dep_ts": "timestamp"}
    weather = {"origin": "string", "event_timestamp": "timestamp"}
    weather |= dict.fromkeys(WEATHER_COLUMNS, "float64")
    tail = {
        "tailnum": "string",
        "event_timestamp": "timestamp",
        "created_timestamp": "timestamp",
        "last_arr_delay": "float64",
        "last_arr_epoch": "int64",
    }
    with acting("person:lee", days_ago=40) as catalog:
        catalog.desk.apply(GOVERNANCE)
    with acting("person:sam", days_ago=30) as catalog:
        publish(
            catalog,
            "aviation.flights",
            flights,
            rows=336_776,
            year=2013,
            evidence=measured.flights(2013, 336_776),
        )
        publish(
            catalog,
            "aviation.weather",
            weather,
            rows=26_115,
            year=2013,
            native_snapshot="0",
            evidence=measured.weather(26_115, WEATHER_COLUMNS),
        )
        publish(
            catalog,
            "aviation.carriers",
            {"carrier": "string", "name": "string"},
            rows=16,
            year=2013,
        )
        publish(catalog, "people.salaries", {"name": "string"}, rows=9, year=2013)
    with acting("person:sam", days_ago=3) as catalog:
        later = {**flights, "arr_delay": "float64"}
        publish(
            catalog,
            "aviation.flights",
            later,
            rows=435_352,
            year=2023,
            evidence=measured.flights(2023, 435_352),
        )
        inputs = (DatasetRef.parse("aviation.flights@2"), DatasetRef.parse("people.salaries@1"))
        publish(
            catalog,
            "aviation.tail_last",
            tail,
            rows=327_346,
            year=2023,
            inputs=inputs,
            producer="demo/derive.py",
        )
        catalog.desk.edit(
            DatasetRef.parse("aviation.flights"),
            Edit(
                column_descriptions={"carrier": "Two-letter code of the airline."},
                links=LINKS[:1],
            ),
            expected=1,
            reason="the second link led nowhere",
        )
        catalog.desk.step(
            DatasetRef.parse("aviation.flights@1"),
            Step.DEPRECATE,
            reason="arrival delays were missing",
            replacement=2,
        )
        catalog.desk.attach(DatasetRef.parse("aviation.flights"), CONTRACT.encode(), expected=0)
        catalog.records.grant(
            DatasetRef.parse("aviation.flights"),
            grantee="person:max",
            columns=("tailnum",),
            purposes=("reporting",),
            until=NOW + timedelta(days=30),
            reason="aircraft of the week",
        )
        catalog.records.grant(
            DatasetRef.parse("aviation.tail_last"),
            grantee="service:online",
            action=Action.SERVE,
            columns=("tailnum", "last_arr_delay", "event_timestamp", "created_timestamp"),
            purposes=("serving",),
        )
    with acting("person:sam", days_ago=1) as catalog:
        catalog.record(REPO)
        train(catalog, "people.salaries@1", column="name")
    with acting("person:ana", days_ago=1) as catalog:
        pins = ("aviation.weather@1", "aviation.tail_last@1")
        train(catalog, *pins, column="event_timestamp")
        catalog.models.record(
            Trained(
                name="delay-model",
                training_set=training_manifest(*pins, by="person:ana").id,
                artifact=f"sha256:{'5e' * 32}",
                uri="s3://models/delay/1",
                metrics={"auc": 0.742},
                description="Late by 15 minutes or not.",
            )
        )


def train(catalog: LocalCatalog, *pins: str, column: str) -> None:
    """Record a training set made with a permit to read ``column`` of each of ``pins``.

    And what its features read of them.
    """
    columns = {ColumnRef(DatasetRef.parse(pin).dataset, column) for pin in pins}
    datasets = {one.dataset for one in columns}
    for ref in REPO.services[0].features:
        read = derivation.read_for(REPO, ref) or ()
        columns |= {one for one in read if one.dataset in datasets}
    permit = catalog.permit(Action.READ, sorted(columns), purpose="delay-prediction")
    made = training_manifest(*pins, by=permit.actor)
    catalog.record(replace(made, decision=permit.decision))


def publish(
    catalog: LocalCatalog,
    name: str,
    columns: dict[str, str],
    *,
    rows: int,
    year: int,
    evidence: Evidence = NO_EVIDENCE,
    **more: object,
) -> None:
    made = manifest(name, columns, rows=rows, year=year, **more)
    catalog.publish(DatasetRef.parse(name), made, evidence=evidence)


def asks(catalog: LocalCatalog, *, column: str = "tailnum") -> AccessRequest:
    """Ask for a protected column of the flights."""
    return catalog.access.ask(
        Wanted(
            about=Node(NodeKind.DATASET, "aviation.flights"),
            columns=(column,),
            purpose="delay-prediction",
            reason="planes that come late leave late",
        )
    )


def many_versions(catalog: LocalCatalog, count: int) -> None:
    """Publish ``count`` more versions of one dataset."""
    first = manifest(
        "aviation.carriers", {"carrier": "string", "name": "string"}, rows=16, year=2013
    )
    for number in range(count):
        catalog.publish(
            DatasetRef.parse("aviation.carriers"),
            replace(first, logical_digest=digest(["more", number])),
        )


def widest(catalog: LocalCatalog, *, columns: int = 200, versions: int = 50) -> None:
    """Publish a dataset of many described and tagged columns in many versions, some measured."""
    ref = DatasetRef.parse("aviation.carriers").at(None)
    names = tuple(f"measure_{number:03}" for number in range(columns))
    first = manifest("aviation.carriers", dict.fromkeys(names, "float64"), rows=10_000, year=2013)
    for number in range(versions):
        catalog.publish(
            ref,
            replace(first, logical_digest=digest(["wide", number])),
            breaking_reason="measures take the place of names",
            evidence=measured.wide(names, 10_000, number)
            if number in (0, versions - 2, versions - 1)
            else NO_EVIDENCE,
        )
    catalog.desk.edit(
        ref,
        Edit(
            column_descriptions={
                name: f"What the sensor called {name} read, in degrees, at the full hour."
                for name in names
            },
            assign=tuple(
                Assignment("personal.quasi_identifier", column=name) for name in names[::3]
            ),
        ),
        expected=None,
        reason="describe them all",
    )
