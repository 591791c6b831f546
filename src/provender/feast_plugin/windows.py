"""Retrieval without a spine: Feast's start and end, and what they are when not given."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from feast.feature_view import FeatureView

from provender.core.clock import Clock, to_utc, utc_now
from provender.core.errors import InvalidInput
from provender.core.policy import Action
from provender.core.training import PointInTimePlan
from provender.feast_plugin.spine import Spine
from provender.feast_plugin.terms import Terms
from provender.offline.window import distinct_instants

WITHOUT_TTL = timedelta(days=30)
NOW = timedelta(seconds=60)


def window(
    views: Sequence[FeatureView], start: datetime | None, end: datetime | None, clock: Clock
) -> tuple[datetime, datetime]:
    """Return the first and the last instant, both inclusive; one without a zone is in UTC.

    The end is now, if none is given; the start is then as long before the end as the longest
    TTL of the views, or 30 days if none has one, as Feast has it.
    """
    last = clock() if end is None or _is_feasts_now(end) else to_utc(end)
    if start is not None:
        return to_utc(start), last
    return last - max((view.ttl for view in views if view.ttl), default=WITHOUT_TTL), last


def spine_between(plan: PointInTimePlan, start: datetime, end: datetime, terms: Terms) -> Spine:
    """Return every key and instant of the plan's views from ``start`` to ``end``.

    Raises:
        Denied: the actor may not read the keys and event timestamps, which come out here.
        InvalidInput: ``start`` is after ``end``, or there is nothing between them.
    """
    emitted = [replace(join, features=(), created_timestamp=None) for join in plan.joins]
    permit = terms.permit(
        Action.READ,
        [join.table for join in emitted],
        frozenset().union(*(join.reads for join in emitted)),
        purpose=terms.purpose,
    )
    rows = distinct_instants(
        terms.engine,
        emitted,
        permit,
        event_timestamp=plan.event_timestamp,
        start=start,
        end=end,
        now=utc_now(),
        key=terms.key,
    )
    if not rows.row_count:
        raise InvalidInput(
            f"no row of {', '.join(join.view for join in plan.joins)} is from "
            f"{start.isoformat()} to {end.isoformat()}",
            hint="give another start_date and end_date; both are inclusive",
        )
    return Spine.of(rows)


def _is_feasts_now(end: datetime) -> bool:
    """Whether it is the wall clock's reading that Feast puts in where no end is given.

    Feast 0.67 takes ``datetime.now()``, which is local time without a zone: read as UTC it
    would be hours off (feature_store.py, get_historical_features).
    """
    if end.tzinfo is not None:
        return False
    return timedelta(0) <= _local_now() - end < NOW


def _local_now() -> datetime:
    return utc_now().astimezone().replace(tzinfo=None)
