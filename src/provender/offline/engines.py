"""Retrieval by DuckDB or by Spark: what the rule of `offline.choose` needs is measured here."""

from dataclasses import dataclass
from datetime import datetime

from provender.core.policy import Permit
from provender.core.training import PointInTimePlan
from provender.offline.answer import Answer, Progress
from provender.offline.choose import AUTO, Choice, Engine, Sizes, choose, limit_bytes, named
from provender.offline.duck import DuckEngine
from provender.offline.masks import Key, no_key
from provender.offline.session import machine_memory
from provender.offline.spark import SparkEngine
from provender.offline.spine import Spine
from provender.tables.sizes import size_bytes


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
        key: Key = no_key,
    ) -> Answer:
        """Return the spine's columns, then the plan's features; see either engine's `run`."""
        engine = self._engine(self.choice(plan, spine))
        return engine.run(plan, spine, permit, now=now, progress=progress, key=key)

    def explain(self, plan: PointInTimePlan, spine: Spine) -> str:
        """Return which engine would run ``plan`` and why, and its SQL."""
        choice = self.choice(plan, spine)
        said = "\n".join(f"-- {choice.engine}: {reason}" for reason in choice.reasons)
        return f"{said}\n{self._engine(choice).explain(plan, spine)}"

    def choice(self, plan: PointInTimePlan, spine: Spine) -> Choice:
        """Return which engine runs ``plan``, by the setting and, for auto, by what is measured now.

        Raises:
            NotFound: files of a source are not there.
            Unavailable: object storage cannot be reached.
        """
        if self.setting != AUTO:
            return named(self.setting)
        sizes = Sizes(
            source_bytes=size_bytes([join.table for join in plan.joins], self.duck.lake),
            spine_rows=spine.row_count,
            memory_bytes=limit_bytes(self.duck.memory_limit, machine_bytes=machine_memory()),
        )
        return choose(self.setting, sizes, master=self.spark.master)

    def _engine(self, choice: Choice) -> DuckEngine | SparkEngine:
        return self.spark if choice.engine is Engine.SPARK else self.duck
