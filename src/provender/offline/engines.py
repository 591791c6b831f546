"""Retrieval by DuckDB or by Spark: what the rule of `offline.choose` needs is measured here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from provender.core.policy import Permit
from provender.core.training import PointInTimePlan, Table
from provender.offline.answer import Answer, Progress
from provender.offline.choose import Choice, Engine, Sizes, choose, limit_bytes
from provender.offline.duck import DuckEngine
from provender.offline.spark import SparkEngine
from provender.offline.spine import Spine


@dataclass(frozen=True, slots=True)
class Engines:
    """Runs plans with one of two engines; ``setting`` is duckdb, spark or auto."""

    duck: DuckEngine
    spark: SparkEngine
    setting: str = "duckdb"

    def run(
        self,
        plan: PointInTimePlan,
        spine: Spine,
        permit: Permit,
        *,
        now: datetime,
        progress: Progress | None = None,
    ) -> Answer:
        """Return the spine's columns, then the plan's features; see either engine's `run`."""
        engine = self._engine(self.choice(plan, spine))
        return engine.run(plan, spine, permit, now=now, progress=progress)

    def explain(self, plan: PointInTimePlan, spine: Spine) -> str:
        """Return which engine would run ``plan`` and why, and its SQL."""
        choice = self.choice(plan, spine)
        said = "\n".join(f"-- {choice.engine}: {reason}" for reason in choice.reasons)
        return f"{said}\n{self._engine(choice).explain(plan, spine)}"

    def choice(self, plan: PointInTimePlan, spine: Spine) -> Choice:
        """Return which engine runs ``plan``, by the setting and by what is measured now."""
        sizes = Sizes(
            source_bytes=sum(_size(file) for file in self._files(plan)),
            spine_rows=spine.row_count,
            memory_bytes=limit_bytes(self.duck.memory_limit, machine_bytes=_machine_bytes()),
        )
        return choose(self.setting, sizes, master=self.spark.master)

    def _engine(self, choice: Choice) -> DuckEngine | SparkEngine:
        return self.spark if choice.engine is Engine.SPARK else self.duck

    def _files(self, plan: PointInTimePlan) -> set[Path]:
        """Every file of the plan's sources that lies here, once."""
        return {file for join in plan.joins for file in self._files_of(join.table)}

    def _files_of(self, table: Table) -> Iterator[Path]:
        folder = Path(table.location.removeprefix("file://"))
        if table.version is not None:
            folder = self.duck.lake / folder
        if table.files:
            yield from (folder / name for name in table.files)
        elif folder.is_dir():
            yield from folder.rglob("*")
        else:
            yield folder


def _size(file: Path) -> int:
    """Bytes of a file; none of what is not here, which the engine itself will say."""
    return file.stat().st_size if file.is_file() else 0


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
