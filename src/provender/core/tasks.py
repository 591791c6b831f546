"""What waits for a steward."""

from dataclasses import dataclass
from datetime import datetime

from provender.core.lineage import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to look after, with what to do about it; ``node`` is what it is about, if anything."""

    id: str
    kind: str
    node: Node | None
    says: str
    suggests: str
    since: datetime
    revision: int
