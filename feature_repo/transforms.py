"""Functions of on-demand views: dicts of equally long lists in and out, standard library only.

Feast rebuilds a function from its own text, and the digest that guards it covers no more, so
each imports what it needs inside. Training and serving run the same text.
"""

from typing import Any


def departure(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return what the scheduled departure says by itself, on the clock of New York.

    ``departure_hour`` is 0–23, ``departure_minute`` the minute of the day, 0–1439,
    ``departure_weekday`` 0 for Monday. ``minutes_since_arrival`` is from the last known arrival
    of the plane to the scheduled departure; null when there is none.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    new_york = ZoneInfo("America/New_York")
    departures, arrivals = inputs["departure_epoch"], inputs["last_arr_epoch"]
    clocks = [None if at is None else datetime.fromtimestamp(at, new_york) for at in departures]
    return {
        "departure_hour": [None if clock is None else clock.hour for clock in clocks],
        "departure_minute": [
            None if clock is None else 60 * clock.hour + clock.minute for clock in clocks
        ],
        "departure_weekday": [None if clock is None else clock.weekday() for clock in clocks],
        "minutes_since_arrival": [
            None if left is None or came is None else (left - came) / 60
            for left, came in zip(departures, arrivals, strict=True)
        ],
    }
