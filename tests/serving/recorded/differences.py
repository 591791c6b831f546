"""Where we answer otherwise than Feast's server on purpose, and why. The test has no other exception.

Each must still occur in the traffic, or it has no business here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.serving.recorded.requests import OLDER

NULL_INSTANT = -(2**63)
ROUNDED_DOWN = -(2**31) - 1
"""`data.EARLY`, which is half a second later."""
USERS = "an error of the user is no defect of the server, and clients of Feast try a 500 again"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of an answer, as JSON was read to it."""

    column: str
    value: Any
    status: str
    event_timestamp: str

    @property
    def text(self) -> str:
        """The value as one text, by which 1 is not 1.0; a set's elements come in one order."""
        value = self.value
        if self.column.endswith("_set") and isinstance(value, list):
            value = sorted(value, key=json.dumps)
        return json.dumps(value, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """``holds`` is asked with Feast's cell and ours, which are of the same row but where it says not."""

    why: str
    holds: Callable[[Cell, Cell], bool]
    same_row: bool = True


def _is_null(feast: Cell, ours: Cell) -> bool:
    return ours.value is None and ours.status == "NULL_VALUE" and feast.status == "PRESENT"


FILLINGS = {"truths": False, "ratios": "NaN", "texts": "", "instants": NULL_INSTANT}
DIFFERENCES = {
    "a null says so": Difference(
        "Feast cannot tell a null from a value by its status",
        lambda feast, ours: _is_null(feast, ours) and feast.value is None,
    ),
    "an instant that is null is null": Difference(
        "Feast answers -2^63 seconds",
        lambda feast, ours: _is_null(feast, ours) and feast.value == NULL_INSTANT,
    ),
    "NaN is a value": Difference(
        "Feast takes a NaN for a null while it materialises",
        lambda feast, ours: (ours.value, ours.status, feast.value) == ("NaN", "PRESENT", None),
    ),
    "whole numbers are exact beside a null": Difference(
        "Feast makes floats of a column with a null while it materialises",
        lambda feast, ours: (
            ours.column == "whole_or_null"
            and isinstance(ours.value, int)
            and feast.value == int(float(ours.value)) != ours.value
        ),
    ),
    "a null in a list stays one": Difference(
        "Feast's protobuf has no null in a list",
        lambda feast, ours: (
            ours.column in FILLINGS
            and None in (ours.value or ())
            and feast.value == [FILLINGS[ours.column] if v is None else v for v in ours.value]
        ),
    ),
    "an empty list in a list stays one": Difference(
        "Feast makes a null of it",
        lambda feast, ours: (
            ours.column == "lists"
            and [] in (ours.value or ())
            and feast.value == [item or None for item in ours.value]
        ),
    ),
    "a row that is too old is withheld": Difference(
        "Feast does not heed the TTL of a view when it serves",
        lambda feast, ours: (
            (ours.value, ours.status) == (None, "OUTSIDE_MAX_AGE") and feast.status == "PRESENT"
        ),
    ),
    "instants round down, before 1970 too": Difference(
        "Feast rounds those in lists towards 1970, and others down",
        lambda feast, ours: (
            ours.column == "instants"
            and bool(ours.value)
            and (ours.value[0], feast.value[0]) == (ROUNDED_DOWN, ROUNDED_DOWN + 1)
        ),
    ),
    "an entity comes back as it was given": Difference(
        "Feast answers text that is a number as a number",
        lambda feast, ours: (
            ours.column == "driver_id"
            and isinstance(feast.value, int)
            and ours.value == str(feast.value)
        ),
    ),
    "an older row does not take the place of a newer one": Difference(
        "Feast's SQLite keeps what was written last",
        lambda feast, ours: ours.column == "count" and feast.value == OLDER != ours.value,
        same_row=False,
    ),
}
MORE_NAMES = {
    # by name of the request: the columns that only we answer
    "a service, full names": (
        {"computed__scaled"},
        "Feast loses what is computed behind full names",
    ),
}
OWN_VERSIONS = {
    # by name of the request: the versions that only we tell
    "versions of a service": ({"grown": 1}, "Feast forgets the versions of views in a service"),
    "versions behind aliases": ({"other": 1}, "Feast forgets the versions of views in a service"),
}
OWN_CLASSES = {
    "a write to an unknown view": (
        "FeatureViewNotFoundException",
        "a kind of Feast's FeastObjectNotFoundException that says what was not found",
    )
}
OWN_BODIES = {"health": "Feast's is empty, and ours tells the state of store, catalog and snapshot"}
STATUSES = {
    # by name of the request: Feast's status, ours, and why
    "no entities at all": (500, 200, "nothing is asked about nobody"),
    "a null join key": (
        500,
        200,
        "nobody has a null key: nothing is found, and the rest is answered",
    ),
    "a null join key among others": (500, 200, "nobody has a null key, and the rest is answered"),
    "a view at a version": (500, 404, USERS),
    "an unknown feature": (500, 404, USERS),
    "no colon": (500, 422, USERS),
    "no features": (500, 422, USERS),
    "neither features nor service": (500, 422, USERS),
    "no join key": (500, 422, USERS),
    "one of two join keys": (
        200,
        422,
        "it can find nothing; --compat partial-keys answers as Feast",
    ),
    "a join key of another type": (500, 422, USERS),
    "a join key out of range": (500, 422, USERS),
    "columns of different lengths": (500, 422, USERS),
    "no request data": (404, 422, "nothing is missing on the server: the request lacks a column"),
    "two features of one name": (500, 422, USERS),
    "entities are empty": (500, 422, USERS),
    "a push to somewhere else": (500, 422, USERS),
    "a push without a column": (500, 422, USERS),
}
