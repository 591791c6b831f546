"""Answers as Feast's JSON for online features. Pure.

Columns are written one after another as they lie in what was read; those of one view that have
no nulls differ in their values only, so that all of them are put together at once.

Source: Feast 0.67 feature_server_utils.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from provender.core import digest
from provender.core.errors import InvalidInput
from provender.online.answer import Answer, Stored, column_statuses
from provender.online.blocks import PRESENT, Block, json_bodies
from provender.online.plan import LookupPlan
from provender.online.spelling import plain

Told = Callable[[list[str]], list[str]]
KEPT_ROWS = 1_000
"""Rows of the largest answer whose parts are kept: clients choose the sizes, and any of them."""
PRESENT_JSON = b'"PRESENT"'
EPOCH_JSON = b'"1970-01-01T00:00:00Z"'
HEAD = b'{"values":['
TAIL = b'],"statuses":%b,"event_timestamps":%b}'


def render(
    plan: LookupPlan,
    answer: Answer[Block],
    bodies: Sequence[list[bytes]] | None = None,
    *,
    versions: Mapping[str, int] | None = None,
    incomplete: Sequence[str] = (),
    told: Told | None = None,
) -> bytes:
    """Return the JSON of the answer to ``plan``; with ``versions`` of views, tell them.

    ``bodies`` are the values of its blocks as `json_bodies` writes them, if it did already.
    ``incomplete`` are views whose rows may not be all there. What the metadata say beyond
    Feast's (``freshness``, ``incomplete``) is there only if there is something to say. ``told``
    makes the statuses that are told of those that are right.

    Raises:
        InvalidInput: an entity value cannot be told as JSON.
    """
    epoch = _epochs(answer.size)
    results = [_echoed(name, values, epoch) for name, values in answer.given]
    stored = _stored(answer.blocks, bodies or json_bodies(answer.blocks), told)
    for run in plan.runs:
        if run.read is None:
            output = plan.outputs[run.start]
            values = answer.computed[output.demand][output.feature]
            results.append(_given(values, output.type, epoch))
        else:
            results.append(stored[run.read].between(run.start, run.stop))
    names = plan.names_json
    if answer.given:
        names = b"%b,%b" % (orjson.dumps([name for name, _ in answer.given])[1:-1], names)
    more = _more(answer, versions, incomplete)
    told_names = b'"feature_names":[%b]%b' % (names, more)
    return b'{"results":[%b],"metadata":{%b}}' % (b",".join(results), told_names)


@dataclass(slots=True)
class Written:
    """The columns of a block: their values, and the ``tail`` that follows each.

    Without a tail, the columns are whole results.
    """

    columns: list[bytes]
    tail: bytes | None = None

    def between(self, start: int, stop: int) -> bytes:
        """Return the results of some columns."""
        columns, tail = self.columns[start:stop], self.tail
        if tail is None:
            return b",".join(columns)
        return b"".join((HEAD, b"".join((tail, b",", HEAD)).join(columns), tail))


def _stored(
    blocks: Sequence[Block], bodies: Sequence[list[bytes]], told: Told | None
) -> list[Written]:
    written = zip(blocks, bodies, strict=True)
    return [
        _nulled(block, mine, told)
        if block.has_nulls
        else Written(mine, _tail(block.statuses, _times(block.event_us), told))
        for block, mine in written
    ]


def _nulled(block: Block, bodies: list[bytes], told: Told | None) -> Written:
    """Return the columns of a block which has nulls: each with statuses of its own."""
    times = _times(block.event_us)
    return Written(
        [
            HEAD + body + _tail(Stored(block, index).statuses, times, told)
            for index, body in enumerate(bodies)
        ]
    )


def _echoed(name: str, values: list[Any], epoch: bytes) -> bytes:
    """Return the column of entity values as they were given."""
    try:
        return _given(values, "", epoch)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(
            f"values of the entity column {name!r} cannot be echoed as JSON: {error}",
            hint="send text, or numbers of at most 64 bits",
        ) from None


def _given(values: list[Any], kind: str, epoch: bytes) -> bytes:
    statuses = column_statuses(values, [PRESENT] * len(values))
    return HEAD + orjson.dumps(plain(values, kind))[1:-1] + _tail(statuses, epoch, None)


def _tail(statuses: list[str], times: bytes, told: Told | None) -> bytes:
    """Return what follows the values of a column."""
    if told is not None:
        statuses = told(statuses)
    size = len(statuses)
    texts = _all_present(size) if statuses.count(PRESENT) == size else orjson.dumps(statuses)
    return TAIL % (texts, times)


def _more(
    answer: Answer[Block], versions: Mapping[str, int] | None, incomplete: Sequence[str]
) -> bytes:
    """Return the metadata that follow the names."""
    more: dict[str, Any] = {}
    if incomplete:
        more["incomplete"] = incomplete
    if answer.freshness:
        more["freshness"] = {name: digest.plain(told) for name, told in answer.freshness.items()}
    if versions is not None:
        more["feature_view_metadata"] = [  # as with Feast, a first version is not told
            {"name": view, "version": number} if number else {"name": view}
            for view, number in versions.items()
        ]
    return b"," + orjson.dumps(more)[1:-1] if more else b""


def _all_present(size: int) -> bytes:
    return _kept_present(size) if size <= KEPT_ROWS else _same(PRESENT_JSON, size)


def _epochs(size: int) -> bytes:
    return _kept_epochs(size) if size <= KEPT_ROWS else _same(EPOCH_JSON, size)


@lru_cache(maxsize=KEPT_ROWS + 1)
def _kept_present(size: int) -> bytes:
    return _same(PRESENT_JSON, size)


@lru_cache(maxsize=KEPT_ROWS + 1)
def _kept_epochs(size: int) -> bytes:
    return _same(EPOCH_JSON, size)


def _same(text: bytes, size: int) -> bytes:
    """Return the JSON array of ``size`` times ``text``."""
    return b"[%b]" % (text + (b"," + text) * (size - 1) if size else b"")


def _times(event_us: list[int]) -> bytes:
    return b'["%b"]' % b'","'.join(map(rfc3339, event_us)) if event_us else b"[]"


@lru_cache(maxsize=65536)
def rfc3339(us: int) -> bytes:
    """Return the instant ``us`` microseconds after 1970 with 0, 3 or 6 digits and a ``Z``."""
    seconds, micros = divmod(us, 1_000_000)
    base = datetime.fromtimestamp(seconds, tz=UTC).isoformat()[:-6]
    if not micros:
        return f"{base}Z".encode()
    digits = f"{micros // 1000:03d}" if micros % 1000 == 0 else f"{micros:06d}"
    return f"{base}.{digits}Z".encode()
