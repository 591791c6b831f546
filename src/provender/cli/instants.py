"""Instants as options: a day or a time of it, in UTC or with its zone."""

from datetime import datetime
from typing import Any

import click


class Instant(click.ParamType[datetime]):
    """An instant in UTC, from ISO 8601; without a zone it is UTC already, without a time midnight."""

    name = "instant"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Return ``value`` as an instant."""
        from provender.core.clock import to_utc

        try:
            return to_utc(value if isinstance(value, datetime) else datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not an instant; write for example 2026-03-01, 2026-03-01T12:00 "
                "or 2026-03-01T12:00:00Z; without a zone it is UTC",
                param,
                ctx,
            )
