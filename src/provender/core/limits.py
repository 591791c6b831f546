"""What a token lets its actor do at most. Limits narrow what policy allows; they never widen it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from provender.core.errors import InvalidInput

EVERY = "*"
DISCOVER = "discover"
OUTSIDE = "outside the token's scope"
FOR_A_PURPOSE = frozenset({"read", "serve"})
"""Actions that let rows out, and so are for a purpose."""
PATTERN = re.compile(r"[a-z0-9_.*]{1,130}\Z")


@lru_cache(4_096)
def _expression(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for all of them: of thousands, compiled one by one, few would be kept."""
    return re.compile("|".join(map(translate, patterns)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``*`` is every action or dataset; no ``project`` and no ``purpose`` is any.

    Discovering is always among the actions: who may do anything to a dataset may see that it is
    there. Dataset patterns are names with stars.
    """

    actions: tuple[str, ...] = (EVERY,)
    datasets: tuple[str, ...] = (EVERY,)
    project: str = ""
    purpose: str = ""

    def __post_init__(self) -> None:
        if not self.actions or not self.datasets:
            raise InvalidInput("limits without actions or datasets allow nothing", hint="write *")
        for pattern in self.datasets:
            if not PATTERN.match(pattern):
                raise InvalidInput(
                    f"{pattern!r} is not a pattern of dataset names",
                    hint="write domain.name, domain.* or *",
                )

    @property
    def of_every_dataset(self) -> bool:
        """Whether no dataset is left out."""
        return EVERY in self.datasets

    def reaches(self, dataset: str) -> bool:
        """Return whether ``dataset`` is among those that they are for."""
        return _expression(self.datasets).match(dataset) is not None

    @property
    def only_looks(self) -> bool:
        """Whether they let nothing be done but looking."""
        return set(self.actions) <= {DISCOVER}

    def lets(self, actions: Collection[str]) -> bool:
        """Return whether one of ``actions`` is among theirs; ``*`` is only where all are."""
        return (
            EVERY in self.actions
            or DISCOVER in actions
            or not set(self.actions).isdisjoint(actions)
        )

    def bars(self, action: str, dataset: str, purpose: str) -> str:
        """Return why ``action`` is outside of them, in words; empty if it is not."""
        if not self.reaches(dataset):
            return f"{OUTSIDE}: it is for datasets {', '.join(self.datasets)}"
        if action != DISCOVER and EVERY not in self.actions and action not in self.actions:
            return self.told
        if self.purpose and action in FOR_A_PURPOSE and purpose != self.purpose:
            return f"{OUTSIDE}: it is for purpose {self.purpose}"
        return ""

    @property
    def told(self) -> str:
        """That an action is not among theirs, in words."""
        return f"{OUTSIDE}: it is for actions {', '.join(self.actions)}"

    def within(self, other: "Limits") -> bool:
        """Return whether nothing is in these that is not in ``other``."""
        return (
            (EVERY in other.actions or set(self.actions) <= {*other.actions, DISCOVER})
            and all(other.reaches(pattern) for pattern in self.datasets)
            and other.project in ("", self.project)
            and other.purpose in ("", self.purpose)
        )


NO_LIMITS = Limits()
ONLY_LOOKING = Limits(actions=(DISCOVER,))
"""Of whoever does not say who they are, where that is allowed."""
