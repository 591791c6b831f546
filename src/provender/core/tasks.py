"""What waits for a steward."""

import base64
from dataclasses import dataclass
from datetime import datetime

from provender.core.lineage import Node
from provender.core.names import is_legible, unknown


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


def task_id(kind: str, key: str) -> str:
    """Return the id of the task of a kind that is about ``key``: letters that a URL can have."""
    written = base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    return f"{kind}.{written}"


def task_key(identity: str) -> tuple[str, str]:
    """Return the kind and the key of the task called ``identity``.

    Raises:
        NotFound: no task is called so.
    """
    kind, _, written = identity.partition(".")
    try:
        padded = written + "=" * (-len(written) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (ValueError, UnicodeDecodeError):
        key = ""
    if not key or not is_legible(key) or task_id(kind, key) != identity:
        raise unknown("task", identity, ())
    return kind, key
