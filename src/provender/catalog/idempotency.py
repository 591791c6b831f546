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
    may: Callable[[], object],
) -> T:
    """Return what ``work`` answers to what is ``asked``; with a ``key``, what it answered first.

    ``may`` raises if the actor may not be told it any more.
    """
    if not key:
        return work()
    answer, done_before = once(
        db,
        change,
        key=key,
        operation=operation,
        request_digest=digest(asked),
        kind=kind,
        work=work,
    )
    if done_before:  # else the work has asked
        may()
    return answer


def once(
    db: Session,
    change: Change,
    *,
    key: str,
    operation: str,
    request_digest: str,
    kind: type[T],
    work: Callable[[], T],
) -> tuple[T, bool]:
    """Return what ``work`` answers, and whether it was done before: then it is not done again.

    The answer is kept in the transaction of the work, for a week and for this actor. What
    ``work`` raises is not kept: asked again, it is decided again.

    Raises:
        KeyReused: the key came with another request.
    """
    row = db.get(IdempotencyRow, (change.actor, key))
    if row is not None and row.until_at > change.at:
        if (row.operation, row.request_digest) != (operation, request_digest):
            raise KeyReused(
                f"the idempotency key {key!r} came before with another request ({row.operation})",
                hint="send each new request with a new key",
            )
        return from_json(kind, row.answer), True
    answer = work()
    _sweep(db, change)
    db.merge(
        IdempotencyRow(
            actor=change.actor,
            key=key,
            operation=operation,
            request_digest=request_digest,
            status=200,
            answer=to_json(answer),
            etag="",
            at=change.at,
            until_at=change.at + KEPT,
        )
    )
    db.flush()
    return answer, False


def _sweep(db: Session, change: Change) -> None:
    of_row = tuple_(IdempotencyRow.actor, IdempotencyRow.key)
    over = select(IdempotencyRow.actor, IdempotencyRow.key).where(
        IdempotencyRow.until_at <= change.at
    )
    found = db.execute(over.order_by(IdempotencyRow.until_at).limit(SWEPT)).all()
    if found:
        gone = delete(IdempotencyRow).where(of_row.in_([tuple(row) for row in found]))
        db.execute(gone)
