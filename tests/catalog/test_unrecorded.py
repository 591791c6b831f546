"""T3: where the audit trail cannot be written nothing changes and nothing restricted is read."""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, event, text

from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.datasets import whole
from provender.core.errors import Unavailable
from provender.core.policy import Action, ColumnRef
from tests.catalog.world import FLIGHTS, HOURLY, Clock, manifest
from tests.stress import times

MUTATIONS = times(100)
DELAY, TAILNUM = ColumnRef(str(FLIGHTS), "arr_delay"), ColumnRef(str(FLIGHTS), "tailnum")


def mutate(
    url: str, count: int, *, before: Callable[[LocalCatalog], None] | None = None
) -> Counter[str]:
    """Try ``count`` changes of several kinds; return how many were done and refused, by kind."""
    done: Counter[str] = Counter()
    with LocalCatalog(url, actor="person:sam", clock=Clock()) as sam:
        if before is not None:
            before(sam)
        ops = sam.as_actor("person:ops")
        kinds: list[tuple[EventKind, Callable[[int], object]]] = [
            (EventKind.DATASET_PUBLISH, lambda n: ops.publish(FLIGHTS, manifest(n + 10))),
            (
                EventKind.ACCESS_GRANT,
                lambda n: sam.records.grant(FLIGHTS, grantee="person:max", reason=str(n)),
            ),
            (
                EventKind.FEATURES_PUSH,
                lambda n: ops.records.note(EventKind.FEATURES_PUSH, str(HOURLY), {"rows": n}),
            ),
            (EventKind.ACCESS_PERMIT, lambda _: sam.permit(Action.READ, [DELAY], purpose="report")),
        ]
        for number in range(count):
            kind, change = kinds[number % len(kinds)]
            try:
                change(number)
            except Unavailable:
                done["refused"] += 1
            else:
                done[kind.value] += 1
    return done


@dataclass(frozen=True)
class Counted:
    """How much there is of what the changes make, and how many events say so."""

    made: dict[str, int]
    told: dict[str, int]


def count(url: str, *, proven: bool = True) -> Counted:
    with LocalCatalog(url, actor="person:gov", clock=Clock()) as gov:
        sam = gov.as_actor("person:sam")
        made = {
            "dataset:publish": len(
                whole(lambda after: gov.finder.releases(FLIGHTS, limit=200, after=after))
            ),
            "access:grant": len(whole(lambda after: sam.records.grants(limit=200, after=after))),
        }
        kinds = (
            EventKind.DATASET_PUBLISH,
            EventKind.ACCESS_GRANT,
            EventKind.FEATURES_PUSH,
            EventKind.ACCESS_PERMIT,
        )
        told = {
            kind.value: len(gov.records.audit_events(kind=kind, limit=10_000)) for kind in kinds
        }
        if proven:
            gov.records.verify_audit()
    return Counted(made, told)


def check(before: Counted, after: Counted, done: Counter[str]) -> None:
    """What was acknowledged is there with its event, what was refused is not there at all."""
    for kind, told in after.told.items():
        assert told - before.told[kind] == done[kind], kind
    for kind, made in after.made.items():
        assert made - before.made[kind] == done[kind], kind


def fill(catalog: LocalCatalog) -> None:
    """Let the database have no more pages than it has."""
    engine = catalog._door.engine

    @event.listens_for(engine, "begin")
    def _limit(connection: object) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    with engine.connect():
        pass


def test_a_full_sqlite_database_changes_nothing_without_its_event(governed_sqlite: str):
    before = count(governed_sqlite)
    done = mutate(governed_sqlite, MUTATIONS, before=fill)
    assert done["refused"] >= MUTATIONS * 0.5
    assert sum(done.values()) == MUTATIONS
    check(before, count(governed_sqlite), done)


def test_a_full_disk_changes_nothing_without_its_event(governed_sqlite: str):
    """The limit on the size of files, which is one of a process: so it is another one's."""
    before = count(governed_sqlite)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.catalog.test_unrecorded", governed_sqlite, str(MUTATIONS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    done = Counter(json.loads(ran.stdout))
    assert done["refused"] >= MUTATIONS * 0.5
    assert sum(done.values()) == MUTATIONS
    check(before, count(governed_sqlite), done)


BALLAST = 18 << 20
"""More bytes than a file of the server's log has, which its process must go on to write."""


def fill_postgresql(catalog: LocalCatalog) -> None:
    """Let the server's process write no file that is longer than the table of events is now."""
    with catalog._door.engine.connect() as connection:
        process = connection.scalar(text("SELECT pg_backend_pid()"))
        size = connection.scalar(text("SELECT pg_relation_size('audit_events')"))
    assert size > BALLAST
    owner = Path(f"/proc/{process}").stat().st_uid  # whose limits only they may change

    def limit() -> None:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (size, size))

    subprocess.run(["/bin/true"], user=owner, cwd="/", preexec_fn=limit, check=True)


def test_a_full_postgresql_changes_nothing_without_its_event(governed_postgresql: str):
    engine = create_engine(governed_postgresql, poolclass=NullPool)
    with engine.begin() as db:  # events that are taken out again, whose room is not given back
        db.execute(text("ALTER TABLE audit_events SET (autovacuum_enabled = false)"))  # nor found
        db.execute(
            text(
                "INSERT INTO audit_events SELECT -n, now(), 'a', 'b', 'c', repeat('x', 100), 'p' || n, '', ''"
                f" FROM generate_series(1, {BALLAST // 150}) n"  # small: no page has room for an event
            )
        )
    before = count(governed_postgresql, proven=False)
    done = mutate(governed_postgresql, MUTATIONS, before=fill_postgresql)
    with engine.begin() as db:
        db.execute(text("DELETE FROM audit_events WHERE sequence < 0"))
    assert done["refused"] >= MUTATIONS * 0.5
    assert sum(done.values()) == MUTATIONS
    check(before, count(governed_postgresql), done)


def test_a_public_column_is_read_unrecorded_where_the_operator_lets_it(governed_sqlite: str):
    with LocalCatalog(governed_sqlite, actor="person:gov", clock=Clock()) as gov:
        gov.records.audit_events()
        with LocalCatalog(governed_sqlite, actor="person:sam", clock=Clock()) as sam:
            sam.records.grant(
                FLIGHTS, grantee="person:max", columns=["tailnum"], purposes=["report"]
            )
    for lets in (False, True):
        with LocalCatalog(
            governed_sqlite, actor="person:max", clock=Clock(), unrecorded=lets
        ) as catalog:
            assert catalog.permit(Action.READ, [DELAY, TAILNUM], purpose="report")
            fill(catalog)
            with pytest.raises(Unavailable, match="cannot be written"):
                until_full(catalog, [TAILNUM])
            with pytest.raises(Unavailable, match="cannot be written"):
                catalog.permit(Action.READ, [DELAY, TAILNUM], purpose="report")
            if lets:
                told = len(catalog.records.audit_events(limit=10_000))
                permit = catalog.permit(Action.READ, [DELAY], purpose="report")
                assert permit.columns == {DELAY}
                assert len(catalog.records.audit_events(limit=10_000)) == told
                with pytest.raises(Unavailable, match="cannot be written"):
                    catalog.permit(Action.READ, [DELAY], purpose="delay")
            else:
                with pytest.raises(Unavailable, match="cannot be written"):
                    catalog.permit(Action.READ, [DELAY], purpose="report")


def until_full(catalog: LocalCatalog, columns: list[ColumnRef]) -> None:
    for _ in range(200):
        catalog.permit(Action.READ, columns, purpose="report")


if __name__ == "__main__":
    place, wanted = sys.argv[1:]

    def limit(_: LocalCatalog) -> None:
        size = Path(place.removeprefix("sqlite:///")).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 65_536,) * 2)

    sys.stdout.write(json.dumps(mutate(place, int(wanted), before=limit)))
