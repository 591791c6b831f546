"""What is kept of each state of an object, and what was said at an instant."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from provender.catalog import audit, changes, history, standings
from provender.catalog.changes import Change
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.local import LocalCatalog
from provender.catalog.remembered import KINDS
from provender.catalog.rows import (
    DatasetRow,
    DomainRow,
    GovernedRow,
    GrantRow,
    HistoryRow,
    PersonRow,
    ProjectRow,
    PurposeRow,
    RepoRow,
    RetentionRow,
    Row,
    RuleRow,
    TagRow,
    TeamRow,
    TermRow,
    VersionRow,
)
from provender.core.audit import EventKind
from provender.core.datasets import Dataset
from provender.core.digest import plain
from provender.core.editing import Edit
from provender.core.errors import InvalidInput
from provender.core.governance import Governance, diff
from provender.core.retention import Retention
from provender.values import from_json
from tests.catalog.stewarded import STEWARDED
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    NOW,
    REPO,
    SALARIES,
    VISIBLE,
    WEATHER,
    Clock,
    declared,
    governing,
    manifest,
)
from tests.stress import times

MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(blank_url: str) -> Iterator[Engine]:
    engine = open_database(blank_url)
    yield engine
    engine.dispose()


def said(engine: Engine, clock: Clock, *values: object, reason: str = "") -> Change:
    """Let one change say ``values`` of a term, one after the other."""
    with Door(engine, actor="person:ana", clock=clock).writing() as (db, change):
        for value in values:
            history.keep(db, change, "term", "delay", value, reason=reason)
        append(db, change)
        return change


def append(db: Session, change: Change) -> None:
    audit.append(
        db,
        at=change.at,
        actor=change.actor,
        kind=EventKind.TASK_SETTLE,
        subject="t",
        detail={},
        request=change.request,
    )


def rows(engine: Engine) -> list[HistoryRow]:
    with transaction(engine) as db:
        return list(db.scalars(select(HistoryRow).order_by(HistoryRow.id)))


def at(engine: Engine, instant: datetime) -> object | None:
    with transaction(engine) as db:
        return history.then(db, "term", "delay", instant)


def test_each_state_is_kept_until_the_next_and_can_be_asked_for(engine: Engine, clock: Clock):
    for value in ({"v": 1}, {"v": 2}, None):
        said(engine, clock, value, reason="because")
        clock.advance(MINUTE)
    instants = [NOW - MINUTE, NOW, NOW + MINUTE / 2, NOW + MINUTE, NOW + 9 * MINUTE]
    assert [at(engine, instant) for instant in instants] == [
        None,
        {"v": 1},
        {"v": 1},
        {"v": 2},
        None,
    ]
    kept = rows(engine)
    assert [(row.from_at, row.to_at) for row in kept] == [
        (NOW, NOW + MINUTE),
        (NOW + MINUTE, NOW + 2 * MINUTE),
        (NOW + 2 * MINUTE, None),
    ]
    assert [(row.by, row.reason) for row in kept] == [("person:ana", "because")] * 3


def test_what_a_change_says_twice_is_what_it_said_last(engine: Engine, clock: Clock):
    said(engine, clock, {"v": 1}, {"v": 2})
    assert [row.value for row in rows(engine)] == ['{"v":2}']


def test_what_is_said_already_is_not_said_again(engine: Engine, clock: Clock):
    for _ in range(3):
        said(engine, clock, {"v": 1})
    said(engine, clock, None)
    said(engine, clock, None)
    assert [row.value for row in rows(engine)] == ['{"v":1}', None]


def test_of_several_changes_at_one_instant_the_last_counts(engine: Engine, clock: Clock):
    for value in ({"v": 1}, {"v": 2}, {"v": 3}):
        said(engine, clock, value)
    assert at(engine, NOW) == {"v": 3}
    with transaction(engine) as db:
        assert history.every(db, "term", NOW) == {"delay": {"v": 3}}


def test_a_change_is_numbered_as_the_first_event_that_it_makes(engine: Engine, clock: Clock):
    assert [said(engine, clock, {"v": n}).sequence for n in range(3)] == [1, 2, 3]


def test_a_request_is_told_to_the_change(engine: Engine, clock: Clock):
    door = Door(engine, actor="person:ana", clock=clock).as_actor("person:max")
    with door.writing(request="r1") as (_, change):
        assert (change.actor, change.request) == ("person:max", "r1")


def test_nobody_but_an_actor_gets_in(engine: Engine, clock: Clock):
    with pytest.raises(InvalidInput, match="is not an actor"):
        Door(engine, actor="ana", clock=clock)


@dataclass
class Copies:
    """What was said of each term after each change: the slow way to answer as of then."""

    taken: list[tuple[datetime, dict[str, object]]] = field(default_factory=list)

    def at(self, instant: datetime) -> dict[str, object]:
        found = [said for taken_at, said in self.taken if taken_at <= instant]
        return found[-1] if found else {}


KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.tuples(KEYS, st.none() | st.integers(0, 2), st.sampled_from([0, 0, 1])), max_size=12
)


@settings(
    max_examples=times(25, calm=12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_what_was_said_then_is_what_a_copy_taken_then_says(
    engine: Engine, steps: list[tuple[str, int | None, int]]
):
    clock, copies, now = Clock(), Copies(), dict[str, object]()
    with transaction(engine, write=True) as db:  # rolled back below: each example starts afresh
        for key, value, minutes in steps:
            clock.advance(minutes * MINUTE)
            change = changes.begin(db, clock=clock, actor="person:ana")
            history.keep(db, change, "term", key, value)
            append(db, change)
            now = {**now, key: value}
            copies.taken.append((change.at, {k: v for k, v in now.items() if v is not None}))
        for minute in range(-1, 14):
            instant = NOW + minute * MINUTE
            said_then = copies.at(instant)
            assert history.every(db, "term", instant) == said_then
            for key in "abc":
                assert history.then(db, "term", key, instant) == said_then.get(key)
        db.rollback()


def test_what_history_says_now_is_what_there_is(governed_url: str, clock: Clock):
    def acting(name: str) -> LocalCatalog:
        return stack.enter_context(LocalCatalog(governed_url, actor=f"person:{name}", clock=clock))

    with ExitStack() as stack:
        gov, ops, sam, dev = map(acting, ("gov", "ops", "sam", "dev"))
        gov.desk.apply(STEWARDED)
        for rows in (1, 2):
            clock.advance(MINUTE)
            ops.publish(FLIGHTS, manifest(rows), draft=rows == 2)
            ops.publish(HOURLY, manifest(rows, of=HOURLY))
        given = sam.records.grant(FLIGHTS, grantee="person:ana")
        sam.records.grant(FLIGHTS, grantee="person:max")
        clock.advance(MINUTE)
        sam.records.revoke(given.id)
        dev.record(REPO)
        dev.record(VISIBLE)
        sam.desk.edit(FLIGHTS, Edit(description="Edited."), expected=None, reason="r")
        sam.desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
        held = Retention(keep_versions=2, hold="case 7")
        sam.desk.retention(FLIGHTS, held, expected=None, dry_run=False)
        gov.desk.settle(gov.desk.inbox(kind="untagged").items[0].id, expected=None)
        said = replace(declared(SALARIES), description="Said anew.")
        without = tuple(d for d in governing(said).datasets if d.ref != WEATHER)
        changed = replace(STEWARDED, datasets=without, purposes={"report": "Count all."})
        gov.desk.plan(replace(changed, rules=GOVERNANCE.rules[:3]))
        fewer = replace(changed, rules=(*GOVERNANCE.rules[:3], GOVERNANCE.rules[4]))
        gov.desk.apply(fewer, overwrite=True)
        with looking(governed_url) as db:
            kept = remembered(db)
            kinds = set(kept)
            assert len(kept.pop("task")) == 1
            ((of, contract),) = kept.pop("contract").items()
            assert of == gov.finder.entry(FLIGHTS).urn
            assert contract["sha256"] == gov.desk.contract(FLIGHTS).sha256
            assert kept == there(db)
            for table, kind in KEPT.items():
                has_rows = db.execute(select(Row.metadata.tables[table]).limit(1)).first()
                assert has_rows is None or kind in kinds, f"{table} has rows, history no {kind}"
            began = history.every(db, "purpose", NOW)
        assert set(began) == {"delay", "report"}


KEPT = {
    "contracts": "contract",
    "datasets": "dataset",
    "domains": "domain",
    "grants": "grant",
    "holds": "retention",
    "people": "person",
    "projects": "project",
    "purposes": "purpose",
    "repos": "definitions",
    "retentions": "retention",
    "rules": "rule",
    "tags": "tag",
    "teams": "team",
    "terms": "term",
    "versions": "version",
}
"""What history calls the objects of a table."""
NOT_KEPT = {
    "parts of a dataset's value": {"assignments", "dataset_names", "dataset_terms", "owners"},
    "written once and never changed": {
        "audit_events",
        "models",
        "profiles",
        "representations",
        "serving_manifests",
        "training_sets",
        "version_checks",
    },
    "a document of its own, signed after every step": {"erasures"},
    "history itself, and what catalog/ said last": {"governed", "history"},
    "made from what is in history": {
        "carried",
        "documents",
        "trigrams",
        "edges",
        "facet_counts",
        "facet_values",
        "facts",
        "nodes",
        "past_rests_on",
        "rests_on",
        "scopes",
        "search_documents",
        "search_past",
        "search_stubs",
        "search_tags",
        "search_texts",
        "search_words",
        "synonyms",
    },
    "what happened, not what is said": {
        "audit_checkpoints",
        "break_glass",
        "consumption",
        "counters",
        "idempotency",
        "requested_datasets",
        "requests",
        "sessions",
        "tokens",
        "unanswered",
    },
}
"""Tables without history, by the reason."""


def test_every_table_is_in_history_or_has_a_reason_not_to_be():
    known = {*KEPT, *(table for tables in NOT_KEPT.values() for table in tables)}
    assert set(Row.metadata.tables) <= known, "say whether history keeps what is in a new table"
    assert set(KEPT.values()) <= KINDS


@contextmanager
def looking(url: str) -> Iterator[Session]:
    engine = open_database(url)
    with transaction(engine) as db:
        yield db
    engine.dispose()


def remembered(db: Session) -> dict[str, dict[str, object]]:
    """The open rows of history, by kind."""
    kinds = db.scalars(select(HistoryRow.kind).distinct()).all()
    return {kind: history.every(db, kind, NOW + timedelta(days=1)) for kind in kinds}


def there(db: Session) -> dict[str, dict[str, object]]:
    """What the tables say that answer."""

    def of(kind: type[Any], key: Any, value: Any, *fits: Any) -> dict[str, object]:
        return {k: plain(v) for k, v in db.execute(select(key, value).where(*fits))}

    purposes = db.scalars(select(PurposeRow))
    urns = dict(iter(db.execute(select(DatasetRow.id, DatasetRow.urn))))
    last = select(func.max(RepoRow.number)).scalar_subquery()
    return {
        "team": {name: {"id": name} for name in db.scalars(select(TeamRow.id))},
        "person": of(PersonRow, PersonRow.id, PersonRow.value),
        "domain": of(DomainRow, DomainRow.name, DomainRow.value),
        "tag": of(TagRow, TagRow.name, TagRow.value),
        "rule": of(RuleRow, RuleRow.id, RuleRow.value),
        "term": of(TermRow, TermRow.name, TermRow.value),
        "project": of(ProjectRow, ProjectRow.name, ProjectRow.value),
        "purpose": {
            row.name: {"name": row.name, "description": row.description} for row in purposes
        },
        "dataset": of(
            DatasetRow, DatasetRow.urn, DatasetRow.value, DatasetRow.withdrawn_at.is_(None)
        ),
        "retention": {
            urns[row.dataset]: plain(row.value) for row in db.scalars(select(RetentionRow))
        },
        "grant": {grant.id: plain(grant) for grant in db.scalars(select(GrantRow.value))},
        "definitions": of(RepoRow, RepoRow.project, RepoRow.value, RepoRow.number == last),
        "version": {
            f"{urns[row.dataset]}@{row.number}": plain(standings.standing(row))
            for row in db.scalars(select(VersionRow))
        },
    }


def test_what_the_files_said_last_is_kept_beside_what_is_in_force(governed_url: str):
    with LocalCatalog(governed_url, actor="person:gov", clock=Clock()) as catalog:
        catalog.desk.apply(replace(GOVERNANCE, datasets=GOVERNANCE.datasets[:1]))
    with looking(governed_url) as db:
        said = db.execute(select(GovernedRow.kind, GovernedRow.name, GovernedRow.value)).all()
    kept = {(kind, name): value for kind, name, value in said}
    assert [name for kind, name in kept if kind == "dataset"] == [FLIGHTS.dataset]
    assert from_json(Dataset, kept["dataset", FLIGHTS.dataset]) == declared(FLIGHTS)
    assert len(kept) == len(diff(Governance(), GOVERNANCE)) - 3
