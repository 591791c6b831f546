"""What is read from the dataset is what the answer held, for values of every type."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.features import ServiceSpec
from provender.core.names import FeatureRef
from provender.online.codec import RowCodec
from provender.online.lookup import Lookups, Question
from provender.online.spool import Segment, SpoolFolder, read_segment
from provender.sdk.lookuprows import log_rows
from provender.serving.lookuplines import Seen, shape_of
from provender.serving.snapshot import Snapshot
from provender.serving.wire import FeaturesRequest
from tests.online.views import EVERY_TYPE, FEAST_TYPES, T0, manifest, view
from tests.stress import times

FLOATS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
INSTANTS = st.datetimes(
    datetime(1678, 1, 1),  # noqa: DTZ001 - nanoseconds reach no further
    datetime(2261, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
MORE: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float32": st.floats(width=32),
    "float64": FLOATS,
    "string": st.text(st.characters(codec="utf-8")),
    "binary": st.binary(),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "timestamp": INSTANTS,
    "list<float64>": st.lists(st.none() | FLOATS),
    "list<timestamp>": st.lists(st.none() | INSTANTS),
    "list<list<float64>>": st.lists(st.none() | st.lists(st.none() | FLOATS)),
}
FIXED = EVERY_TYPE | FEAST_TYPES
TYPES = dict(enumerate([*FIXED, "list<float64>", "list<timestamp>"]))
COLUMNS = {f"x{at}": word for at, word in TYPES.items()}
VIEW = view(COLUMNS, keys={"k": "int64"})
SERVICE = ServiceSpec(
    name="all", features=tuple(FeatureRef("weather", column) for column in COLUMNS)
)
SNAPSHOT = Snapshot.of(manifest(VIEW, services=(SERVICE,)), lambda spec: lambda columns: columns)
KEYS = [1, 2, None, 2**63 - 1]


def value_of(word: str) -> st.SearchStrategy[Any]:
    fixed = st.just(FIXED[word]) if word in FIXED else st.nothing()
    return st.none() | fixed | MORE.get(word, st.nothing())


rows = st.fixed_dictionaries({name: value_of(word) for name, word in COLUMNS.items()})


def same(logged: Any, answered: Any) -> bool:
    """Whether two values are equal, floats bit for bit but for the many NaN."""
    if isinstance(answered, float) and isinstance(logged, float):
        if math.isnan(answered):
            return math.isnan(logged)
        return logged == answered and math.copysign(1, logged) == math.copysign(1, answered)
    if isinstance(answered, list):
        return len(logged) == len(answered) and all(map(same, logged, answered))
    if isinstance(answered, dict) and isinstance(logged, str):
        logged = json.loads(logged)
    if hasattr(logged, "to_pydatetime"):
        logged = logged.to_pydatetime()
    return bool(logged == answered)


@settings(max_examples=times(60, calm=25), deadline=None)
@given(stored=st.tuples(rows, rows))
def test_rows_hold_what_was_answered(stored: tuple[dict[str, Any], dict[str, Any]]) -> None:
    plan = SNAPSHOT.plan(FeaturesRequest({}, (), SERVICE.name, False, False))
    question = Question(plan, {"k": list(KEYS)}, T0 + timedelta(seconds=1))
    codec = RowCodec(VIEW)
    found = [codec.encode(question.keys[at], stored[at], T0) for at in (0, 1)]
    answer = question.judge([*found, None, None])
    seen = Seen(1, SNAPSHOT, SERVICE.name, question, answer)
    shape, line = shape_of(seen, hash_ids=False, boot="b")
    with TemporaryDirectory() as home:
        spool = SpoolFolder(Path(home), "flights")
        slot = spool.take_slot()
        segment = Segment(spool.of(SERVICE.name), slot.number, shape)
        segment.append([line(seen)])
        segment.close()
        slot.close()
        [path] = spool.segments()
        read = read_segment(path)
    assert read is not None
    table = log_rows(*read)
    assert table.column("k").to_pylist() == KEYS
    told = Lookups.of(answer)
    for at, name in enumerate(COLUMNS, start=1):
        logged = table.column(f"weather__{name}").to_pylist()
        assert all(map(same, logged, told.values[at])), (COLUMNS[name], logged, told.values[at])
        stamps = table.column(f"weather__{name}__timestamp").to_pylist()
        assert stamps == list(told.event_timestamps[at])
        statuses = table.column(f"weather__{name}__status").to_pylist()
        words = {1: "PRESENT", 2: "NULL_VALUE", 3: "NOT_FOUND"}
        assert [words[number] for number in statuses] == told.statuses[at]
