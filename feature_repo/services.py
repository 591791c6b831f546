"""What each model uses."""

from entities import OWNER
from feast import FeatureService
from views.aviation import (
    carrier_origin,
    departure,
    origin_ops,
    plane_view,
    route,
    tail_last,
    weather,
)

delay_v1 = FeatureService(
    name="delay_v1",
    features=[weather, origin_ops, carrier_origin, route, tail_last, plane_view, departure],
    description="Will the flight arrive 15 minutes late or more, asked 60 minutes before departure.",
    owner=OWNER,
)
