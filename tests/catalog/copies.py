"""A catalog that is backed up, and what a copy of it has to say."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from provender.catalog.backup import INDICES, Contents, write
from provender.catalog.db import open_database
from provender.catalog.door import Door
from provender.catalog.local import LocalCatalog
from provender.catalog.restore import restore
from provender.core.editing import Edit
from provender.core.errors import (
    NotFound,
)
from provender.core.finding import Question
from provender.core.lineage import Node
from tests.catalog.populated import content
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    REPO,
    Clock,
    listed,
    manifest,
    searched,
    versions_of,
)
from tests.stress import times

ANEW = {"audit_events", "counters", *INDICES}
"""What a restore adds to (events, the epoch), or is the databases' own."""
EARLIER = NOW + timedelta(minutes=1)


def used(governed_url: str) -> str:
    clock = Clock()
    with LocalCatalog(governed_url, actor="person:ops", clock=clock) as catalog:
        for rows in range(1, times(6)):
            first = catalog.publish(FLIGHTS, manifest(rows), note="é 🛫 ' \" \\ \x7f")
        catalog.publish(HOURLY, manifest(3, inputs=(first.ref,), of=HOURLY), key="once")
        catalog.records.grant(FLIGHTS, grantee="person:ana", purposes=("report",), reason="a\nb")
    clock.advance(timedelta(hours=1))
    with LocalCatalog(governed_url, actor="person:dev", clock=clock) as catalog:
        catalog.record(REPO)
    with LocalCatalog(governed_url, actor="person:sam", clock=clock) as catalog:
        edit = Edit(description="Landings of flights.")
        catalog.desk.edit(FLIGHTS, edit, expected=None, reason="shorter")
        catalog.desk.attach(FLIGHTS, f"# é 🛫\r\n{CONTRACT}".encode(), expected=0)
    return governed_url


def backed_up(url: str, file: Path, by: str = "person:gov") -> Contents:
    with door(url, by) as way:
        return write(way, file)


@contextmanager
def door(url: str, by: str = "person:gov") -> Iterator[Door]:
    engine = open_database(url)
    try:
        yield Door(engine, actor=by, clock=Clock())
    finally:
        engine.dispose()


def restored(file: Path, url: str) -> Contents:
    return restore(file, url, actor="person:gov", clock=Clock())


def rows_of(url: str) -> dict[str, str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = content(connection)
    engine.dispose()
    return {name: digest for name, digest in found.items() if name not in ANEW}


def is_blank(url: str) -> bool:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
        return True
    with engine.connect() as connection:
        kind = engine.dialect.name
        tables = "sqlite_master" if kind == "sqlite" else "pg_tables WHERE schemaname = 'public'"
        found = connection.execute(text(f"SELECT COUNT(*) FROM {tables}")).scalar_one()
    engine.dispose()
    return bool(found == 0)


def answers(url: str) -> list[object]:
    """What the catalog says to those who may and may not know."""
    said: list[object] = []
    for name in ("ana", "ops", "max", "sam"):
        with LocalCatalog(
            url, actor=f"person:{name}", clock=lambda: NOW + timedelta(days=1)
        ) as catalog:
            said += [listed(catalog), versions_of(catalog, FLIGHTS), catalog.governance()]
            said += [
                list(catalog.records.grants().items),
                catalog.records.projects(),
                catalog.repo("delays"),
            ]
            for words in ("flights", "salaries", "hourly", "tempe", "flihgts"):
                said.append(searched(catalog, words))
                said.append(catalog.finder.search(Question(text=words, as_of=EARLIER)))
            said.append(
                list(catalog.finder.lineage(Node.parse("dataset:aviation.weather_hourly")).edges)
            )
            with pytest.raises(NotFound):
                list(catalog.finder.lineage(Node.parse("feature-view:delays/pay")).edges)
    return said
