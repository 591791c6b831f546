"""The plans of Feast's online calls: made once per question, and anew when the registry was read anew."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from feast.errors import FeastObjectNotFoundException
from feast.feature_service import FeatureService
from feast.infra.registry.base_registry import BaseRegistry

from provender.feast_plugin.resolution import Asked, FeastPlan, Unplanned, resolve

PLANS = 256
"""Plans kept per store; the least recently used goes first."""


@dataclass(slots=True)
class Kept:
    """A plan, and what it was made from."""

    plan: FeastPlan | None
    registry: BaseRegistry
    stamp: Any
    asked: Asked


@dataclass(slots=True)
class Plans:
    """The plans of one store; a registry that was read anew makes them anew."""

    _kept: OrderedDict[tuple[Any, ...], Kept] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(
        self, registry: BaseRegistry, project: str, asked: Asked, *, full: bool, aged: bool
    ) -> FeastPlan:
        """Return the plan that answers ``asked``.

        Raises:
            Unplanned: Feast's own code has to answer.
        """
        what = ("service", asked.name) if isinstance(asked, FeatureService) else tuple(asked)
        key = (project, what, full, aged)
        kept = self._kept.get(key)
        stamp = _stamp(registry)
        if kept is None or not _holds(kept, registry, stamp, asked):
            kept = self._make(key, registry, project, asked, full=full, aged=aged)
        else:
            self._touch(key)
        if kept.plan is None:
            raise Unplanned
        return kept.plan

    def __len__(self) -> int:
        return len(self._kept)

    def _make(
        self,
        key: tuple[Any, ...],
        registry: BaseRegistry,
        project: str,
        asked: Asked,
        *,
        full: bool,
        aged: bool,
    ) -> Kept:
        try:
            plan = resolve(registry, project, asked, full=full, aged=aged)
        except (Unplanned, FeastObjectNotFoundException):
            plan = None
        kept = Kept(plan, registry, _stamp(registry), asked)
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > PLANS:
                self._kept.popitem(last=False)
        return kept

    def _touch(self, key: tuple[Any, ...]) -> None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)


def _stamp(registry: BaseRegistry) -> Any:
    """Return when the registry was read; None where it does not say, or has to be read again."""
    is_valid = getattr(registry, "is_cache_valid", None)
    if not callable(is_valid) or not is_valid():
        return None
    return getattr(registry, "cached_registry_proto_created", None)


def _holds(kept: Kept, registry: BaseRegistry, stamp: Any, asked: Asked) -> bool:
    if stamp is None or kept.registry is not registry or kept.stamp != stamp:
        return False
    return kept.asked is asked or isinstance(asked, list) or kept.asked == asked
