"""What will go: announced in its answers and in the description, for two minor releases at least."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """An operation that is deprecated ``since`` a day, and not there from ``until`` on."""

    since: date
    until: date
    instead: str

    @property
    def headers(self) -> dict[str, str]:
        """What its answers say: RFC 9745's Deprecation, and RFC 8594's Sunset."""
        since = int(_midnight(self.since).timestamp())
        return {
            "deprecation": f"@{since}",
            "sunset": format_datetime(_midnight(self.until), usegmt=True),
        }


Deprecations = Mapping[str, Deprecation]
DEPRECATED: Deprecations = {}
"""By the name of the operation. Nothing is, yet."""
SHORTEST_DAYS = 180
"""How long an operation stays at least after it was deprecated: two minor releases."""


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
