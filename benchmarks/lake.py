"""The generated tables as datasets of a catalog of their own: as they are, and optimised.

Kept beside the tables, because publishing 50M rows takes longer than reading some of them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.race import ACTOR, PURPOSE
from provender.core.datasets import Dataset, Format
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from tests.catalog.world import versions_of

DOMAIN = "bench"
AS_IS, OPTIMISED = 1, 2


def publish(home: Path, tables: Mapping[str, Path]) -> dict[str, str]:
    """Publish each file as version 1 of its dataset, unless it is there; return the datasets' names."""
    names = {name: f"{DOMAIN}.{name}" for name in tables}
    with Workspace(_settings(home)) as workspace:
        workspace.catalog.desk.apply(_governance(names.values()))
        for name, path in tables.items():
            if not versions_of(workspace.catalog, DatasetRef.parse(names[name])):
                workspace.publish(names[name], path)
    return names


def optimise(home: Path, names: Sequence[str], keys: Sequence[str]) -> None:
    """Make version 2 of each dataset, clustered by ``keys``, unless it is there.

    Raises:
        SystemExit: this version of Provender cannot.
    """
    with Workspace(_settings(home)) as workspace:
        optimize: Any = getattr(workspace, "optimize", None)
        if optimize is None:
            raise SystemExit("this version of Provender has no Workspace.optimize")
        for name in names:
            if len(versions_of(workspace.catalog, DatasetRef.parse(name))) < OPTIMISED:
                optimize(name, keys=list(keys))


def _settings(home: Path) -> Settings:
    return Settings(home=home, actor=ACTOR, purpose=PURPOSE)


def _governance(names: Any) -> Governance:
    return Governance(
        domains=(Domain(name=DOMAIN, owner=ACTOR),),
        people=(Person(id=ACTOR),),
        purposes={PURPOSE: "To measure."},
        rules=(
            Rule(
                id="measuring",
                actors=(ACTOR,),
                actions=(Action.GOVERN, Action.DEFINE, Action.DISCOVER, Action.READ),
            ),
        ),
        datasets=tuple(
            Dataset(
                ref=DatasetRef.parse(name),
                description="Generated rows.",
                owner=ACTOR,
                stewards=(ACTOR,),
                format=Format.PARQUET,
                event_timestamp="event_timestamp",
            )
            for name in names
        ),
    )
