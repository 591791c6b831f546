"""Contracts of datasets: attached by their stewards, asked when a version is published.

The text is kept as it came, byte for byte; what it promises is read from it whenever it is asked.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog import access, changes, history, naming, odcs
from provender.catalog import evidence as measured
from provender.catalog.changes import Change
from provender.catalog.rows import ContractRow, DatasetNameRow, DatasetRow
from provender.core.audit import EventKind
from provender.core.contracts import CheckResult, Contract, ContractText
from provender.core.datasets import Evidence, Manifest
from provender.core.digest import digest_bytes
from provender.core.errors import InvalidInput, NotFound, PreconditionFailed
from provender.core.judging import Facts, evaluate
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.remedies import Remedy


def judge(
    db: Session, dataset: int, manifest: Manifest, evidence: Evidence, *, now: datetime
) -> tuple[CheckResult, ...]:
    """Return what the contract in force says, check by check; nothing where there is none."""
    row = _in_force(db, dataset)
    if row is None:
        return ()
    contract = _read(db, db.get_one(DatasetRow, dataset), row.raw)
    return evaluate(contract, facts_of(manifest, evidence), now=now)


def facts_of(manifest: Manifest, evidence: Evidence) -> Facts:
    """Return what a contract is held against."""
    return Facts(
        schema=manifest.schema,
        row_count=manifest.row_count,
        profile=evidence.profile,
        latest=manifest.event_range.latest if manifest.event_range else None,
    )


def attach(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    raw: bytes,
    *,
    expected: int | None,
    change: Change,
) -> ContractText:
    """Return the contract ``raw``, in force from now on; the same bytes again change nothing.

    ``expected`` is the revision of the contract that ``by`` had looked at, 0 where there was
    none; None: whatever there is. Versions that are published already stay as they are.

    Raises:
        NotFound: there is no such dataset for ``by``.
        Denied: ``by`` is not its steward, or it has rules on values that ``by`` may not know.
        InvalidInput, Problems: the contract cannot be read.
        PreconditionFailed: another one was attached since ``by`` looked.
    """
    dataset = may_attach(db, by, ref, now=change.at)
    revision = _revision(db, dataset.id)
    if expected is not None and expected != revision:
        raise PreconditionFailed(
            f"the contract of {ref.dataset} is at revision {revision}, not {expected}",
            hint="look at it again, then attach yours",
        )
    contract = odcs.read(raw, (dataset.name,))
    current = _in_force(db, dataset.id)
    if current is not None and current.raw == raw:
        return _text(dataset, current, contract, revision)
    _check_knows_values(db, by, dataset, contract, now=change.at)
    if current is not None:
        current.until_at = change.at
        db.flush()
    row = ContractRow(
        id=naming.take(db, "contracts"),
        dataset=dataset.id,
        raw=raw,
        sha256=digest_bytes(raw),
        contract_id=contract.id,
        contract_version=contract.version,
        status=contract.status,
        at=change.at,
        by=change.actor,
        until_at=None,
    )
    db.add(row)
    db.flush()
    said = {"sha256": row.sha256, "contract": str(contract), "status": contract.status}
    history.keep(db, change, "contract", dataset.urn, said)
    changes.tell(db, change, EventKind.CONTRACT_ATTACH, dataset.name, said)
    return _text(dataset, row, contract, revision + 1)


def _check_knows_values(
    db: Session, by: Actor, dataset: DatasetRow, contract: Contract, *, now: datetime
) -> None:
    """Check that nobody lets values be counted, or looked at for patterns, that are closed to them.

    Raises:
        Denied: of a protected column that ``by`` may not read.
    """
    asked = {name for one in contract.expectations if one.asks_values for name in one.columns}
    names = measured.protected(db, dataset, asked)
    closed = sorted(names - access.told_values(db, by, dataset, names, now=now))
    if not closed:
        return
    columns = [ColumnRef(dataset.name, name) for name in closed]
    decision = access.explain(db, by, Action.READ, columns, purpose="", now=now)
    command = Remedy(
        actor=by.id, action=Action.READ, dataset=dataset.name, columns=tuple(closed)
    ).command
    raise access.Refused(
        decision,
        f"{by} may not attach rules on values of {dataset.name}.{', '.join(closed)}: whether "
        "versions keep them tells values that are closed to them",
        hint="let somebody attach it who may read these columns, or ask to (of four eyes: a grant "
        f"that names them), for a purpose: {command}; without them, leave out patterns, values and "
        "limits: required and unique stay",
    )


def may_attach(db: Session, by: Actor, ref: DatasetRef, *, now: datetime) -> DatasetRow:
    """Return the dataset that is called ``ref``, if contracts of it are for ``by`` to attach.

    Raises:
        NotFound: there is no such dataset for ``by``.
        Denied: ``by`` is not its steward.
    """
    dataset = access.discovered(db, by, ref.dataset, now=now)
    access.check(db, by, Action.STEWARD, [ColumnRef(ref.dataset)], now=now)
    return dataset


def attached(
    db: Session, who: Actor, ref: DatasetRef, *, as_of: datetime | None = None, now: datetime
) -> ContractText:
    """Return the contract of a dataset that is in force, or that was at ``as_of``.

    Raises:
        NotFound: there is no such dataset for ``who``, or it has no contract.
        InvalidInput: ``as_of`` has no time zone, or is in the future.
    """
    dataset = access.discovered(db, who, ref.dataset, now=now)
    if as_of is not None:
        changes.check_past(db, as_of, now=now)
    row = _in_force(db, dataset.id, as_of=as_of)
    if row is None:
        raise NotFound(
            f"{dataset.name} has no contract" + (f" at {as_of.isoformat()}" if as_of else ""),
            hint=f"attach one: provender contract attach {dataset.name} FILE",
            what="contract",
        )
    revision = _revision(db, dataset.id, upto=row.id)
    return _text(dataset, row, _read(db, dataset, row.raw), revision)


def _read(db: Session, dataset: DatasetRow, raw: bytes) -> Contract:
    """Read a contract that was read before; it may know the dataset by a name it had then."""
    try:
        return odcs.read(raw, (dataset.name,), is_new=False)
    except InvalidInput:
        names = select(DatasetNameRow.name).where(DatasetNameRow.dataset == dataset.id)
        former = db.scalars(names.order_by(DatasetNameRow.since_at.desc()))
        return odcs.read(raw, (dataset.name, *former), is_new=False)


def _in_force(db: Session, dataset: int, *, as_of: datetime | None = None) -> ContractRow | None:
    wanted = select(ContractRow).where(ContractRow.dataset == dataset)
    if as_of is None:
        wanted = wanted.where(ContractRow.until_at.is_(None))
    else:
        wanted = wanted.where(ContractRow.at <= as_of)
    return db.scalars(wanted.order_by(ContractRow.id.desc()).limit(1)).first()


def _revision(db: Session, dataset: int, *, upto: int | None = None) -> int:
    """How many contracts the dataset has had, up to one of them."""
    wanted = select(func.count()).select_from(ContractRow).where(ContractRow.dataset == dataset)
    if upto is not None:
        wanted = wanted.where(ContractRow.id <= upto)
    return db.scalar(wanted) or 0


def _text(dataset: DatasetRow, row: ContractRow, contract: Contract, revision: int) -> ContractText:
    return ContractText(
        dataset=dataset.name,
        text=row.raw.decode(),
        sha256=row.sha256,
        contract=contract,
        revision=revision,
        attached_at=row.at,
        attached_by=row.by,
    )
