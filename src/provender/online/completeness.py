"""Which views' rows may not be all there, since the store was emptied.

Redis is a cache. What the rows of a view hold (their coverage) lies beside them and goes with
them, as do the manifest and the epoch of the store. A view that was covered before the store
was emptied is incomplete until it is covered again; what was covered is remembered on disk, so
that a server that starts after the loss knows it too.
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from provender.core.errors import Corrupt
from provender.online.beside import Covered
from provender.values import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was seen of the store: its epoch, the views that were covered once, those that were lost."""

    epoch: str = ""
    covered: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def after(memory: Memory, seen: Covered, *, has_manifest: bool) -> Memory:
    """Return the memory after the store was ``seen``: without its manifest it was emptied.

    So it was if its epoch is another one. Emptied, it lost all that was covered before.
    """
    another = bool(memory.epoch) and seen.epoch != memory.epoch
    lost = set(memory.lost)
    if another or not has_manifest:
        lost |= set(memory.covered)
    lost -= seen.views
    return Memory(
        epoch=seen.epoch or memory.epoch,
        covered=tuple(sorted({*memory.covered, *seen.views})),
        lost=tuple(sorted(lost)),
    )


class Completeness:
    """The views of one project that are incomplete, kept up to date by `see`.

    Without a ``file`` it is remembered by this process only.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.lost: frozenset[str] = frozenset()
        self._file = file
        self._memory = self._remembered()
        self.lost = frozenset(self._memory.lost)

    def see(self, seen: Covered, *, has_manifest: bool) -> None:
        """Take in what the store says now."""
        self._take(after(self._memory, seen, has_manifest=has_manifest))

    def emptied(self) -> None:
        """Note that the store was emptied: all that was covered is lost, until it is covered again."""
        memory = self._memory
        self._take(replace(memory, lost=tuple(sorted({*memory.lost, *memory.covered}))))

    def forget(self, views: frozenset[str]) -> None:
        """Keep only what is of ``views``: others are served no more."""
        memory = self._memory
        self._take(
            replace(
                memory,
                covered=tuple(view for view in memory.covered if view in views),
                lost=tuple(view for view in memory.lost if view in views),
            )
        )

    def _take(self, memory: Memory) -> None:
        if memory != self._memory:
            self._memory, self.lost = memory, frozenset(memory.lost)
            self._remember()

    def _remembered(self) -> Memory:
        if self._file is None:
            return Memory()
        try:
            return from_json(Memory, self._file.read_bytes())
        except (OSError, Corrupt):
            return Memory()

    def _remember(self) -> None:
        """Write the memory down; where that fails, it is of this process only."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._file.parent, prefix=".coverage-")
            with os.fdopen(descriptor, "w") as stream:
                stream.write(to_json(self._memory))
            Path(name).replace(self._file)
