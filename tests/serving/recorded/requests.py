"""What is asked, in order: some requests write what later ones read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.serving.recorded.repository.data import KINDS

LOOKUP = "/get-online-features"
DRIVERS = [1, 2, 3, 4, 5, 404]
EVERYTHING = [f"kinds:{name}" for name in KINDS]
OLDER = 99
"""What an older row says, pushed after a newer one."""
AT_NOON = "2024-06-01T11:59:59"


@dataclass(frozen=True, slots=True)
class Request:
    """``body`` is JSON, or text that is sent as it is."""

    name: str
    body: Any
    path: str = LOOKUP
    method: str = "POST"


def lookup(
    name: str, entities: Mapping[str, Any] | None, features: Any = None, **more: Any
) -> Request:
    """Return a lookup; what is None is left out of it."""
    body = {"features": features, "entities": entities, **more}
    return Request(name, {key: value for key, value in body.items() if value is not None})


ONE = {"driver_id": [1]}
PAIR = {"place": ["JFK", "ü}{,", "", "JFK", "nowhere"], "customer_id": [1, 2, -(2**63), 2, 1]}
ENDS = {"first_id": [1, 2], "second_id": [2, 404]}
LOOKUPS = [
    lookup("every type", {"driver_id": DRIVERS}, EVERYTHING),
    lookup("every type, full names", {"driver_id": [1, 3]}, EVERYTHING, full_feature_names=True),
    lookup(
        "an entity several times", {"driver_id": [404, 1, 1, 4, 404]}, ["kinds:text", "kinds:whole"]
    ),
    lookup("entities as text", {"driver_id": ["1", "404"]}, ["kinds:whole"]),
    lookup("two join keys", PAIR, ["pairs:spent"]),
    lookup("two join keys, full name", PAIR, ["pairs:spent"], full_feature_names=True),
    lookup("more entities than are needed", PAIR | {"driver_id": [1, 2, 3, 4, 5]}, ["kinds:text"]),
    lookup(
        "views with other entities",
        PAIR | {"driver_id": [1, 2, 3, 4, 5]},
        ["kinds:text", "pairs:spent"],
    ),
    lookup("a view without entities", ONE, ["world:rides"]),
    lookup(
        "a view without entities, beside one",
        {"driver_id": [1, 404]},
        ["world:rides", "kinds:text"],
    ),
    lookup("an expired row", {"driver_id": [1, 2, 3]}, ["aged:level"]),
    lookup("a service", {"driver_id": DRIVERS, "factor": [2.0] * 6}, feature_service="mixed"),
    lookup(
        "a service, full names",
        {"driver_id": [1, 4], "factor": [2.0, 0.5]},
        feature_service="mixed",
        full_feature_names=True,
    ),
    lookup("a service wins over features", ENDS, ["no:such"], feature_service="both_ends"),
    lookup("a service with aliases", ENDS, feature_service="both_ends", full_feature_names=True),
    lookup("on demand", {"driver_id": [1, 4, 404], "factor": [2.0, 3.0, 4.0]}, ["computed:scaled"]),
    lookup(
        "on demand, with its input",
        {"driver_id": [1], "factor": [2.0]},
        ["computed:scaled", "kinds:ratio"],
    ),
    lookup("fields nobody knows", ONE, ["kinds:text"], nobody="knows"),
    lookup("no entities at all", {"driver_id": []}, ["kinds:text"]),
]
VERSIONS = {"include_feature_view_version_metadata": True}
WITH_VERSIONS = [
    lookup("versions of two views", ONE, ["kinds:text", "grown:first"], **VERSIONS),
    lookup("versions of one view", ONE, ["grown:first", "grown:second"], **VERSIONS),
    lookup(
        "versions of a service",
        {"driver_id": [1], "factor": [1.0]},
        feature_service="mixed",
        **VERSIONS,
    ),
    lookup("versions behind aliases", ENDS, feature_service="both_ends", **VERSIONS),
    lookup("versions with full names", ONE, ["grown:first"], full_feature_names=True, **VERSIONS),
    lookup(
        "versions on demand", {"driver_id": [1], "factor": [1.0]}, ["computed:scaled"], **VERSIONS
    ),
    lookup("a view at a version", ONE, ["grown@v1:first"], **VERSIONS),
]
WRONG = [
    lookup("an unknown view", ONE, ["kind:text"]),
    lookup("an unknown feature", ONE, ["kinds:txt"]),
    lookup("an unknown service", ONE, feature_service="mxed"),
    lookup("no colon", ONE, ["text"]),
    lookup("no features", ONE, []),
    lookup("neither features nor service", ONE),
    lookup("no join key", {"customer_id": [1]}, ["kinds:text"]),
    lookup("one of two join keys", {"customer_id": [1]}, ["pairs:spent"]),
    lookup("a null join key", {"driver_id": [None]}, ["kinds:text"]),
    lookup("a null join key among others", {"driver_id": [1, None]}, ["kinds:text"]),
    lookup("a join key of another type", {"driver_id": ["one"]}, ["kinds:text"]),
    lookup("a join key out of range", {"driver_id": [2**63]}, ["kinds:text"]),
    lookup(
        "columns of different lengths", {"driver_id": [1, 2], "customer_id": [1]}, ["kinds:text"]
    ),
    lookup("no request data", ONE, ["computed:scaled"]),
    lookup("two features of one name", ONE, ["grown:first", "grown:first"]),
    lookup("entities are empty", {}, ["kinds:text"]),
    lookup("entities are missing", None, ["kinds:text"]),
    lookup("entities are a list", [1], ["kinds:text"]),  # type: ignore[arg-type]
    lookup("an entity is no list", {"driver_id": 1}, ["kinds:text"]),
    lookup("features are text", ONE, "kinds:text"),
    lookup("features are numbers", ONE, [1]),
    lookup("a flag is text", ONE, ["kinds:text"], full_feature_names="maybe"),
    Request("no JSON", "{"),
    Request("nothing", ""),
    Request("a list", []),
    Request("another path", {}, "/no-such-path"),
    Request("another method", "", LOOKUP, "GET"),
    Request("health", "", "/health", "GET"),
]
ROW = {"driver_id": [1, 7], "count": [2, 2**53 + 1], "share": [0.25, None], "word": ["new", None]}
PUSHES = [
    Request(
        "a push",
        {
            "push_source_name": "pushes",
            "df": ROW | {"event_timestamp": [AT_NOON] * 2},
            "to": "online",
        },
        "/push",
    ),
    lookup(
        "what was pushed", {"driver_id": [1, 7]}, ["pushed:count", "pushed:share", "pushed:word"]
    ),
    Request(
        "a write",
        {
            "feature_view_name": "pushed",
            "df": ROW | {"event_timestamp": ["2024-06-01T12:00:00"] * 2, "count": [3, 4]},
        },
        "/write-to-online-store",
    ),
    lookup("what was written", {"driver_id": [1, 7]}, ["pushed:count"]),
    Request(
        "an older push",
        {
            "push_source_name": "pushes",
            "df": ROW | {"event_timestamp": ["2024-06-01T11:30:00"] * 2, "count": [OLDER, OLDER]},
            "to": "online",
        },
        "/push",
    ),
    lookup("what an older push left", {"driver_id": [1, 7]}, ["pushed:count"]),
    Request(
        "a push to an unknown source",
        {
            "push_source_name": "push",
            "df": ROW | {"event_timestamp": [AT_NOON] * 2},
            "to": "online",
        },
        "/push",
    ),
    Request(
        "a push to somewhere else",
        {"push_source_name": "pushes", "df": ROW | {"event_timestamp": [AT_NOON] * 2}, "to": "x"},
        "/push",
    ),
    Request("a push without rows", {"push_source_name": "pushes"}, "/push"),
    Request(
        "a push without a column",
        {
            "push_source_name": "pushes",
            "df": {"driver_id": [1], "event_timestamp": [AT_NOON]},
            "to": "online",
        },
        "/push",
    ),
    Request(
        "a write to an unknown view",
        {"feature_view_name": "push", "df": ROW | {"event_timestamp": [AT_NOON] * 2}},
        "/write-to-online-store",
    ),
]
REQUESTS = [*LOOKUPS, *WITH_VERSIONS, *WRONG, *PUSHES]
