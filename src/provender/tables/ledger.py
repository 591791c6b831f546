"""The erasures that there were, beside the data they are about: what outlives a restored catalog.

One file per erasure, in ``.erasures`` of the lake, as it was signed last. It holds no value: the
key by which a subject is found again lies elsewhere.
"""

from pathlib import Path

from provender.core.erasure import PREFIX, Erasure
from provender.tables import disk, storage
from provender.values import from_json, to_json

FOLDER = ".erasures"


def write(root: Path, erasure: Erasure) -> None:
    """Keep an erasure as it is now, on the disk.

    Raises:
        Unavailable: the lake cannot be written.
    """
    with storage.explained(root):
        folder = root / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        disk.put(folder / f"{erasure.id}.json", to_json(erasure))
        disk.flush(folder)
        disk.flush(root)


def read(root: Path) -> list[Erasure]:
    """Return every erasure that was begun in the lake at ``root``.

    Raises:
        Corrupt: a file is not what was written.
    """
    files = sorted((root / FOLDER).glob(f"{PREFIX}*.json"))
    return [from_json(Erasure, path.read_bytes()) for path in files]
