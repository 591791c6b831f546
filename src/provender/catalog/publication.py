"""Publishing: a version is decided upon, and written with all that follows from it.

It is the one thing that pipelines do all day, so it asks in few statements, made once: all that
a version of a dataset moves in one, the versions that it is held against in another. What is
seldom (a first version, a new schema, inputs, a draft that is published) goes the general way.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, exists, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from provender.catalog import (
    access,
    admission,
    changes,
    contracts,
    datasets,
    deciders,
    declarations,
    epoch,
    findable,
    history,
    lineage,
    manifests,
    naming,
    nodes,
    standings,
)
from provender.catalog import evidence as measured
from provender.catalog.changes import Change
from provender.catalog.facets import STATES
from provender.catalog.rows import (
    ContractRow,
    DatasetNameRow,
    DatasetRow,
    EdgeRow,
    FactRow,
    NodeRow,
    SearchDocumentRow,
    VersionRow,
)
from provender.core.audit import EventKind
from provender.core.contracts import keeps_back
from provender.core.datasets import NO_EVIDENCE, Dataset, DatasetVersion, Evidence, Manifest
from provender.core.errors import InvalidInput
from provender.core.lifecycle import READABLE, Standing, State
from provender.core.lineage import NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, decide
from provender.core.schema import Verdict
from provender.core.versioning import next_version

_document = SearchDocumentRow.__table__.c
_contract = exists().where(ContractRow.dataset == DatasetRow.id, ContractRow.until_at.is_(None))
TARGET = (
    select(
        DatasetRow.id,
        DatasetRow.urn,
        DatasetRow.name,
        DatasetRow.latest,
        DatasetRow.value,
        DatasetRow.withdrawn_at,
        _contract.label("has_contract"),
        NodeRow.id.label("node"),
        FactRow.id.label("fact"),
        _document.state,
        _document.checked,
        _document.fresh_until,
    )
    .join(DatasetNameRow, DatasetNameRow.dataset == DatasetRow.id)
    .outerjoin(
        NodeRow,
        (NodeRow.kind == NodeKind.DATASET.value)
        & (NodeRow.name == DatasetRow.name)
        & (NodeRow.column_name == nodes.WHOLE),
    )
    .outerjoin(FactRow, FactRow.name == "latest:" + DatasetRow.name)
    .outerjoin(SearchDocumentRow, _document.node == NodeRow.id)
    .where(DatasetNameRow.name == bindparam("name"))
)
"""A dataset by any name of its, and what a new version of it moves."""
ADD_VERSION = insert(VersionRow)
ADD_NODE = insert(NodeRow)
MOVE_LATEST = (
    update(DatasetRow)
    .where(DatasetRow.id == bindparam("dataset"))
    .values(latest=bindparam("number"))
)
MOVE_EDGE = (
    update(EdgeRow)
    .where(
        EdgeRow.fact == bindparam("of"),
        EdgeRow.downstream == bindparam("to"),
    )
    .values(upstream=bindparam("made"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A dataset that is published to, and what a new version of it moves.

    ``node`` is its own, ``fact`` says which version it is made from; ``shown`` is how search
    ranks it. None: there is none yet.
    """

    id: int
    urn: str
    name: str
    latest: int | None
    value: Dataset
    has_contract: bool
    node: int | None
    fact: int | None
    shown: tuple[int, int, datetime | None] | None


def publish(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    manifest: Manifest,
    *,
    parent: int | None = None,
    breaking_reason: str = "",
    note: str = "",
    evidence: Evidence = NO_EVIDENCE,
    draft: bool = False,
    decided: bool = False,
    change: Change,
) -> DatasetVersion:
    """Return the version that ``manifest`` makes, or the one that it is already.

    It is that what readers get has its content, or what is to come after that. If that was a draft, it is published now; one that was quarantined, if it is measured anew
    and its contract lets it pass. A ``draft`` has a number, but nobody gets it
    who does not name it. So it is with a version of which a check failed that refuses: it is
    quarantined, and readers keep the last good one. Whether ``by`` may is not asked where that is
    ``decided``, nor whether they may know its inputs.

    Raises:
        NotFound: the dataset is not declared, or an input was never published.
        Denied: ``by`` may not publish it.
        InvalidInput: the manifest is not as the dataset is declared.
        Conflict: somebody published after ``parent``.
        Incompatible: the schema breaks readers and no ``breaking_reason`` is given.
    """
    target = _looked(db, by, ref, change, decided=decided)
    manifest = replace(manifest, whole="")  # it is whole: what a reader was not told is not here
    if ref.version is not None:
        raise InvalidInput(
            f"{ref} names a version; the catalog numbers them", hint=f"publish to {ref.dataset}"
        )
    manifests.check(db, target.id, target.value, manifest)
    if not decided:
        manifests.check_inputs(db, by, manifest, now=change.at)
    if evidence.profile is not None:
        manifests.check_profile(manifest, evidence.profile)
    rows = deciders.of(db, target.id, manifest.content, latest=target.latest)
    version = next_version(
        [naming.called(row.value, target.name) for row in rows],
        target.value.ref,
        manifest,
        by=by.id,
        now=change.at,
        standings={row.number: standings.standing(row) for row in rows},
        gone={row.number for row in rows if row.data_gone_at is not None},
        parent=parent,
        breaking_reason=breaking_reason,
        note=note,
    )
    there = next((row for row in rows if row.number == version.number), None)
    if there is None:
        evidence = _judged(db, target, manifest, evidence, now=change.at)
        _add(db, change, target, version, evidence, _state(evidence, draft=draft))
    elif there.state not in READABLE and not draft:
        row = db.get_one(VersionRow, (target.id, version.number))
        admission.publish_again(db, change, row, evidence, reason=note or breaking_reason)
    return datasets.seen(db, by, [(there, version)], now=change.at)[0]


def _looked(db: Session, by: Actor, ref: DatasetRef, change: Change, *, decided: bool) -> Target:
    """What ``by`` publishes to, after they were found to be allowed to, unless that is ``decided``."""
    db.flush()  # what follows goes past the session
    row = db.connection().execute(TARGET, {"name": ref.dataset}).first()
    if (
        row is None
        or row.withdrawn_at is not None
        or not (decided or _holds_office(db, by, row, change))
    ):
        access.discovered(db, by, ref.dataset, now=change.at)
        access.check(db, by, Action.PUBLISH, [ColumnRef(ref.dataset)], now=change.at)
    assert row is not None  # noqa: S101 - else it was not discovered
    shown = None if row.state is None else (row.state, row.checked, row.fresh_until)
    return Target(
        id=row.id,
        urn=row.urn,
        name=row.name,
        latest=row.latest,
        value=row.value,
        has_contract=row.has_contract,
        node=row.node,
        fact=row.fact,
        shown=shown,
    )


def _holds_office(db: Session, who: Actor, row: Row[Any], change: Change) -> bool:
    """Whether no grant has to be asked: by office, and what rules take away."""
    policy = epoch.policy(db)
    decision = decide(
        who,
        Action.PUBLISH,
        [ColumnRef(row.name)],
        purpose="",
        datasets={row.name: row.value},
        protected=policy.protected,
        rules=policy.closing,
        grants=(),
        now=change.at,
    )
    return decision.allowed


def _judged(
    db: Session, target: Target, manifest: Manifest, evidence: Evidence, *, now: datetime
) -> Evidence:
    if not target.has_contract:
        return evidence
    checks = contracts.judge(db, target.id, manifest, evidence, now=now)
    return replace(evidence, checks=(*evidence.checks, *checks))


def _state(evidence: Evidence, *, draft: bool) -> State:
    if keeps_back(evidence.checks):
        return State.QUARANTINED
    return State.DRAFT if draft else State.PUBLISHED


def _add(
    db: Session,
    change: Change,
    target: Target,
    version: DatasetVersion,
    evidence: Evidence,
    state: State,
) -> None:
    db.connection().execute(ADD_VERSION, _row(target, version, evidence, state))
    standing = Standing(state=state, by=version.published_by, at=version.published_at)
    known = _made_before(target, version, state)
    taken = naming.take_each(db, {history.COUNTER: 1, nodes.COUNTER: 1 if known else 0})
    history.begin(
        db,
        change,
        taken[history.COUNTER],
        "version",
        f"{target.urn}@{version.number}",
        standing,
    )
    if evidence.profile is not None or evidence.checks:
        measured.keep(db, target.id, version.number, evidence)
    if state in READABLE:
        _let_be_latest(db, target, version.number)
    if known:
        _move(db, target, version, node=taken[nodes.COUNTER])
    else:
        lineage.record_version(db, version, latest=state in READABLE)
    _index(db, change, target, version, evidence, state)
    _tell(db, change, version, state)


def _let_be_latest(db: Session, target: Target, number: int) -> None:
    db.connection().execute(MOVE_LATEST, {"dataset": target.id, "number": number})
    loaded = db.identity_map.get(identity_key(DatasetRow, target.id))
    if loaded is not None:  # the session did not see the statement
        db.expire(loaded)


def _row(
    target: Target, version: DatasetVersion, evidence: Evidence, state: State
) -> dict[str, Any]:
    manifest = version.manifest
    events = manifest.event_range
    return {
        "dataset": target.id,
        "number": version.number,
        "content": manifest.content,
        "published_at": version.published_at,
        "row_count": manifest.row_count,
        "size_bytes": manifest.size_bytes,
        "earliest": events.earliest if events else None,
        "latest": events.latest if events else None,
        "value": version,
        "state": state.value,
        "state_at": version.published_at,
        "state_by": version.published_by,
        "run": evidence.run,
    }


def _made_before(target: Target, version: DatasetVersion, state: State) -> bool:
    """Whether lineage changes by one node and one edge that moves: another version, of no inputs."""
    return (
        state in READABLE
        and None not in (target.node, target.fact, target.latest)
        and not version.manifest.inputs
        and not version.manifest.producer.startswith(f"{NodeKind.SERVICE}:")
    )


def _move(db: Session, target: Target, version: DatasetVersion, *, node: int) -> None:
    """Let the dataset be made from the new version: what `lineage.record_version` would write."""
    made = nodes.dataset_node(version.ref)
    row = {
        "id": node,
        "kind": made.kind.value,
        "name": made.name,
        "column_name": nodes.WHOLE,
        "dataset": target.id,
        "scope": 0,
    }
    db.connection().execute(ADD_NODE, row)
    edge = {"of": target.fact, "to": target.node, "made": node}
    if db.connection().execute(MOVE_EDGE, edge).rowcount != 1:
        lineage.record_latest(db, version.ref, version.number)


def _index(
    db: Session,
    change: Change,
    target: Target,
    version: DatasetVersion,
    evidence: Evidence,
    state: State,
) -> None:
    """Let search know, if anything changes for it."""
    if state not in READABLE and target.latest is not None:
        return
    is_like_it = version.compatibility.verdict is Verdict.IDENTICAL
    same = version.parent is not None and version.parent == target.latest and is_like_it
    ranked = (
        STATES.index(State.PUBLISHED.value),
        findable.checked(check.outcome for check in evidence.checks),
        findable.fresh_until(target.value, version),
    )
    if state in READABLE and same and ranked == target.shown:
        return
    row = db.get_one(DatasetRow, target.id)
    stands_as_before = target.shown is not None and target.shown[0] == ranked[0]
    first = not same or state not in READABLE or not stands_as_before
    declarations.published(db, change, row, version, evidence, first=first)


def _tell(db: Session, change: Change, version: DatasetVersion, state: State) -> None:
    manifest = version.manifest
    changes.tell(
        db,
        change,
        EventKind.DATASET_PUBLISH,
        str(version.ref),
        {
            "manifest": manifest.digest,
            "rows": manifest.row_count,
            "schema": version.compatibility.verdict,
            "note": version.note,
            **({"layout": str(manifest.layout)} if manifest.layout else {}),
            **({"state": state} if state is not State.PUBLISHED else {}),
        },
    )
