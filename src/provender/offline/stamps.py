"""Files that are read more than once must be the same each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provender.core.errors import Conflict, NotFound

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Stamps:
    """What the file system said of files when they were first looked at."""

    paths: tuple[Path, ...]
    seen: tuple[Stamp, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Stamps":
        """Return the stamps of ``paths`` now.

        Raises:
            NotFound: one is gone.
        """
        return cls(tuple(paths), tuple(_stamp(path) for path in paths))

    def check(self) -> None:
        """Return if no file was changed since.

        Raises:
            NotFound, Conflict: one is gone, or is another; it is named.
        """
        for number in range(len(self.paths)):
            self.check_one(number)

    def check_one(self, number: int) -> None:
        """Do as `check` for one file."""
        path = self.paths[number]
        if _stamp(path) != self.seen[number]:
            raise Conflict(
                f"{path} was changed while it was read",
                hint="ask again; datasets of the catalog never change under a reader",
            )


def _stamp(path: Path) -> Stamp:
    """What changes with the bytes of a file, but not with a hard link to it."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise NotFound(
            f"{path} is gone", hint="check the path; do not remove files while they are read"
        ) from error
    return found.st_ino, found.st_size, found.st_mtime_ns
