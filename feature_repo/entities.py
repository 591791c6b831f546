"""What the features describe."""

from feast import Entity, ValueType

OWNER = "team:delay-models"

origin = Entity(
    name="origin",
    join_keys=["origin"],
    value_type=ValueType.STRING,
    description="Airport of departure: EWR, JFK or LGA.",
    owner=OWNER,
)
dest = Entity(
    name="dest",
    join_keys=["dest"],
    value_type=ValueType.STRING,
    description="Airport of arrival, by its three-letter code.",
    owner=OWNER,
)
carrier = Entity(
    name="carrier",
    join_keys=["carrier"],
    value_type=ValueType.STRING,
    description="Airline, by its two-letter code.",
    owner=OWNER,
)
plane = Entity(
    name="tailnum",
    join_keys=["tailnum"],
    value_type=ValueType.STRING,
    description="One aircraft, by its registration; leads to an owner, so it is never a feature.",
    owner=OWNER,
)
