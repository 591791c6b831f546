"""What is written into the search index, in the transaction that changes what is found."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import search
from provender.catalog.changes import Change
from provender.catalog.search import Document
from provender.core.lineage import Node


def put(db: Session, change: Change, node: Node, documents: Iterable[Document]) -> None:
    """Let ``documents`` be what is found of ``node``, in place of what was."""
    search.replace_documents(db, search.documents_of_node(db, node), documents)


def touch(
    db: Session,
    node: Node,
    *,
    fresh_until: datetime | None = None,
    state: str = "",
    used: int = 0,
    checked: int | None = None,
) -> None:
    """Say what ranks ``node`` and has no words: publishing again changes this and nothing else.

    The index of words ranks by words alone, so it has nothing to write.
    """
