"""From which sizes on an engine does otherwise: drawn, so that small questions go every way.

Real thresholds lie above a million rows, which the oracle does not like.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from provender.offline import matching, numbered, shape

PICKED_FROM = {"any": 0.0, "long": 0.5, "none": 10.0}
"""From which length on DuckDB picks rows of a file: in shares of the longest source of a question."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Sizes in rows and bytes, shares in rows for each one that is wanted; see the constants."""

    picked_from: str
    picked_share: int
    ties_held: int
    whole_group_bytes: int
    batch_rows: int
    least_share: int
    memory_limit: str

    @contextmanager
    def around(self, engine, options):
        """Yield ``engine`` within the limits; the modules' constants are as they were afterwards.

        How few rows are worth a step of their own is a share of the spine, so that steps are few.
        """
        longest = max([1, *(view.rows for view in options.views)])
        least = max(3, options.spine_rows // self.least_share)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                numbered, "PICKED_FROM_ROWS", int(PICKED_FROM[self.picked_from] * longest)
            )
            patch.setattr(numbered, "PICKED_SHARE", self.picked_share)
            patch.setattr(numbered, "WHOLE_GROUP_BYTES", self.whole_group_bytes)
            patch.setattr(numbered, "BATCH_ROWS", self.batch_rows)
            patch.setattr(matching, "BATCH_ROWS", self.batch_rows)
            patch.setattr(matching, "TIES_HELD", self.ties_held)
            for module in (numbered, matching, shape):
                if hasattr(module, "LEAST_ROWS"):  # some have it from another
                    patch.setattr(module, "LEAST_ROWS", least)
            yield self._limited(engine, options)

    def _limited(self, engine, options):
        """Spark's memory is its cluster's; DuckDB reads JSON with 32 MiB a thread, or not at all."""
        reads_json = any(view.layout == "jsonl" for view in options.views)
        if reads_json or not hasattr(engine, "memory_limit"):
            return engine
        return replace(engine, memory_limit=self.memory_limit)


CHOICES = {
    "picked_from": ("any", "long", "none"),
    "picked_share": (0, 2, 64),
    "ties_held": (1, 60, 1 << 20),
    "whole_group_bytes": (0, 2_000, 64 << 20),
    "batch_rows": (512, 65_536),
    "least_share": (1, 3, 9),
    "memory_limit": ("", "1KB", "100MB"),
}
