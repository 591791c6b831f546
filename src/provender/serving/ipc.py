"""Answers as an Arrow stream, for those who ask for it: columns as they are, without JSON.

A feature ``name`` comes with ``name__status`` and ``name__event_timestamp`` (null where JSON has
1970); join keys come alone. The server does without pyarrow until somebody asks.
"""

from typing import Any

import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.online.lookup import Lookups
from provender.tables.features import feature_array

STATUS = pa.dictionary(pa.int8(), pa.string())
INSTANT = pa.timestamp("us", tz="UTC")


def render(answer: Lookups) -> bytes:
    """Return the answer as an Arrow IPC stream of one batch.

    Raises:
        InvalidInput: an entity column holds values of several types.
    """
    columns: dict[str, Any] = {}
    for name, word, values, statuses, times in zip(
        answer.names, answer.types, answer.values, answer.statuses, answer.event_us, strict=True
    ):
        columns[name] = _values(name, word, values)
        if word:
            columns[f"{name}__status"] = pa.array(statuses, pa.string()).cast(STATUS)
            instants = pa.array([us or None for us in times], pa.int64())
            columns[f"{name}__event_timestamp"] = instants.cast(INSTANT)
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


def _values(name: str, word: str, values: list[Any]) -> Any:
    try:
        return feature_array(values, word) if word else pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise InvalidInput(
            f"column {name} cannot be an Arrow column: {error}",
            hint="send entity values of one type, or ask for JSON",
        ) from None
