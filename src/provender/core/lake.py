"""Where versions lie in the lake: in a folder of their own below that of their dataset.

No name is ever given to another dataset, so neither is a place. Whoever publishes a manifest
could name any other, whose rows readers would get and whose files the retention would remove.
"""

import re

from provender.core.names import PART

FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\Z")


def dataset_at(location: str) -> str | None:
    """Return the dataset, ``domain.name``, of which a version may lie at ``location``; None: of none."""
    match location.split("/"):
        case [domain, name, folder] if PART.match(domain) and PART.match(name):
            return f"{domain}.{name}" if FOLDER.match(folder) else None
    return None


def is_below(path: str) -> bool:
    """Return whether ``path`` names a file in the folder that it is relative to, in one way only."""
    return "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))
