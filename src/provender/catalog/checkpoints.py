"""Checkpoints of the audit trail in the database: made by whoever writes, in the same transaction."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, Select, event, insert, select
from sqlalchemy.orm import Session

from provender.catalog.db import afterwards, transaction
from provender.catalog.rows import AuditRow, CheckpointRow
from provender.catalog.signing import Keys, signed_by
from provender.catalog.witness import Witness
from provender.core.audit import GENESIS, AuditEvent
from provender.core.checkpoints import Checkpoint, Rhythm, leaf_of, state
from provender.core.errors import Corrupt, ProvenderError
from provender.core.merkle import Frontier
from provender.core.trail import BEGINNING, Signed, Start

BATCH = 10_000
LAST = "last checkpoint"
SEALING = "provender_sealing"
COLUMNS = [column for column in CheckpointRow.__table__.c if column.name != "peaks"]
PEAK_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Sealing:
    """With which keys, how often, and before which witness the trail of a catalog is sealed."""

    keys: Keys
    rhythm: Rhythm = field(default_factory=Rhythm)
    witness: Witness | None = None

    def bind(self, engine: Engine) -> Engine:
        """Return ``engine``, whose writers seal by this."""
        return engine.execution_options(**{SEALING: self})

    @property
    def is_signed(self) -> Signed:
        """What says whether a checkpoint is signed by one of the keys."""
        return signed_by(self.keys.public())


def sealing_of(db: Session) -> Sealing | None:
    """Return how the trail of ``db`` is sealed; None: by nobody here."""
    found: Sealing | None = db.connection().get_execution_options().get(SEALING)
    return found


def make_if_due(db: Session, added: AuditEvent) -> None:
    """Follow the event that ends the trail by a checkpoint, if it is time for one."""
    sealing = sealing_of(db)
    if sealing is not None and sealing.rhythm.is_due(last(db), added):
        make(db, sealing, added)


def make(db: Session, sealing: Sealing, ending: AuditEvent) -> Checkpoint:
    """Return the checkpoint of the trail that ``ending`` ends; ``db`` must hold the write lock.

    The witness hears of the ones before first: where it cannot, or knows better, nothing is
    written. Of this one it hears once it is committed.

    Raises:
        Misconfigured: there is no key.
        Corrupt: the witness knows of events that the catalog does not have.
        Unavailable: the witness cannot be written.
    """
    known = last(db)
    if known is not None and known.size == ending.sequence:
        return known
    if sealing.witness is not None:
        sealing.witness.catch_up(lambda size: since(db, size))
        engine = db.connection().engine
        afterwards(db, lambda: _tell(engine, sealing))
    signer = sealing.keys.signer()
    tree = grown(db, ending.sequence).tree
    made = signer.sign(state(tree, ending.digest, at=ending.at, key=signer.id))
    peaks = "".join(peak.hex() for peak in tree.peaks)
    values = {column.name: getattr(made, column.name) for column in COLUMNS}
    db.connection().execute(insert(CheckpointRow), {**values, "peaks": peaks})
    db.info[LAST] = made
    return made


def last(db: Session) -> Checkpoint | None:
    """Return the newest checkpoint; ``db`` holds the write lock, so it is asked for once."""
    if LAST not in db.info:
        db.info[LAST] = newest(db)
    found: Checkpoint | None = db.info[LAST]
    return found


@event.listens_for(Session, "after_soft_rollback")
def _forget(db: Session, _transaction: object) -> None:
    """What a part of a transaction had made is gone with it."""
    db.info.pop(LAST, None)


def newest(db: Session) -> Checkpoint | None:
    """Return the newest checkpoint, None where there is none."""
    row = db.execute(select(*COLUMNS).order_by(CheckpointRow.size.desc()).limit(1)).first()
    return Checkpoint(**row._mapping) if row else None


def listed(db: Session, *, below: int | None = None, limit: int = 50) -> list[Checkpoint]:
    """Return the last ``limit`` checkpoints, of fewer events than ``below``, the newest first."""
    wanted = select(*COLUMNS).order_by(CheckpointRow.size.desc()).limit(limit)
    if below is not None:
        wanted = wanted.where(CheckpointRow.size < below)
    return _checkpoints(db, wanted)


def since(db: Session, size: int, *, until: int | None = None) -> list[Checkpoint]:
    """Return the checkpoints of ``size`` events or more, and up to ``until``, the smallest first."""
    wanted = select(*COLUMNS).where(CheckpointRow.size >= size).order_by(CheckpointRow.size)
    if until is not None:
        wanted = wanted.where(CheckpointRow.size <= until)
    return _checkpoints(db, wanted)


def start_at(db: Session, size: int, *, is_signed: Signed) -> Start:
    """Return the newest checkpoint of up to ``size`` events to begin an examination after.

    One whose peaks do not have the root that was signed is no place to begin at.
    """
    wanted = select(CheckpointRow).where(CheckpointRow.size <= size)
    largest_first = wanted.order_by(CheckpointRow.size.desc())
    with db.scalars(largest_first.execution_options(yield_per=1)) as rows:
        for row in rows:
            made, tree = _of(row), _tree(row)
            if made.root == f"sha256:{tree.root.hex()}" and is_signed(made):
                return Start(tree, made.head)
    return BEGINNING


def grown(db: Session, size: int) -> Start:
    """Return the tree of the first ``size`` events, from the newest checkpoint on.

    Raises:
        Corrupt: there are not so many.
    """
    wanted = select(CheckpointRow).where(CheckpointRow.size <= size)
    row = db.scalars(wanted.order_by(CheckpointRow.size.desc()).limit(1)).first()
    tree, head = (_tree(row), row.head) if row else (Frontier(), GENESIS)
    later = (
        select(AuditRow.digest)
        .where(AuditRow.sequence > tree.size, AuditRow.sequence <= size)
        .order_by(AuditRow.sequence)
    )
    for digest in db.scalars(later.execution_options(yield_per=BATCH)):
        tree, head = tree.with_leaf(leaf_of(digest)), digest
    if tree.size != size:
        raise Corrupt(
            f"the audit trail has not {size} events in order, but {tree.size}",
            hint="run provender audit verify",
        )
    return Start(tree, head)


def _tell(engine: Engine, sealing: Sealing) -> None:
    """Tell the witness what was committed. If that fails the next writer finds it out, in time."""
    if sealing.witness is None:
        return
    try:
        with transaction(engine) as db:
            sealing.witness.catch_up(lambda size: since(db, size))
    except ProvenderError:
        return


def _checkpoints(db: Session, wanted: Select[Any]) -> list[Checkpoint]:
    return [Checkpoint(**row._mapping) for row in db.execute(wanted)]


def _of(row: CheckpointRow) -> Checkpoint:
    return Checkpoint(**{column.name: getattr(row, column.name) for column in COLUMNS})


def _tree(row: CheckpointRow) -> Frontier:
    peaks = row.peaks
    cut = (peaks[at : at + PEAK_DIGITS] for at in range(0, len(peaks), PEAK_DIGITS))
    return Frontier(row.size, tuple(map(bytes.fromhex, cut)))
