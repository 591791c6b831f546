"""Requests that are sent twice, because an answer was lost, and done once."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from provender.catalog.changes import Change
from provender.catalog.rows import IdempotencyRow
from provender.core.digest import digest
from provender.core.errors import KeyReused
from provender.values import from_json, to_json

T = TypeVar("T")
KEPT = timedelta(days=7)
SWEPT = 100
"""How many answers that are over one request takes along."""


def answered(
    db: Session,
    change: Change,
    key: str,
    operation: str,
    asked: Sequence[object],
    kind: type[T],
    work: Callable[[], T],
    *,
    again: Callable[[], object] = lambda: None,
    told: Callable[[T], T] = lambda answer: answer,
) -> T:
    """Return what ``work`` answers to what is ``asked``; with a ``key``, what it answered first.

    The answer is kept in the transaction of the work, for a week and for this actor; before it
    is given ``again`` has to let it: rights may have gone meanwhile. So may what the answer tells
    of: ``told`` leaves out what the actor may not know any more. What ``work`` raises is not kept:
    asked again, it is decided again.

    Raises:
        KeyReused: the key came with another request.
    """
    if not key:
        return work()
    request = digest(asked)
    row = db.get(IdempotencyRow, (change.actor, key))
    if row is not None and row.until_at > change.at:
        if (row.operation, row.request_digest) != (operation, request):
            raise KeyReused(
                f"the idempotency key {key!r} came before with another request ({row.operation})",
                hint="send each new request with a new key",
            )
        again()
        return told(from_json(kind, row.answer))
    answer = work()
    if row is not None:
        db.delete(row)
        db.flush()
    _sweep(db, change)
    db.add(
        IdempotencyRow(
            actor=change.actor,
            key=key,
            operation=operation,
            request_digest=request,
            status=200,
            answer=to_json(answer),
            etag="",
            at=change.at,
            until_at=change.at + KEPT,
        )
    )
    db.flush()
    return answer


def _sweep(db: Session, change: Change) -> None:
    of_row = tuple_(IdempotencyRow.actor, IdempotencyRow.key)
    over = select(IdempotencyRow.actor, IdempotencyRow.key).where(
        IdempotencyRow.until_at <= change.at
    )
    found = db.execute(over.order_by(IdempotencyRow.until_at).limit(SWEPT)).all()
    if found:
        gone = delete(IdempotencyRow).where(of_row.in_([tuple(row) for row in found]))
        db.execute(gone)
