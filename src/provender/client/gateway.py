"""Rows through the service that has the lake: `core.gateway.Gateway` over HTTP."""

from dataclasses import fields
from typing import Any

from provender.client.wire import Wire
from provender.core.gateway import Chunks, FeaturesAsked, RowsAsked, Streamed

ARROW = "application/vnd.apache.arrow.stream"
VERSION, TRAINING_SET = "provender-version", "provender-training-set"


class HttpGateway:
    """The lake behind the service that ``wire`` leads to, for whoever it takes us for."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def rows(self, asked: RowsAsked) -> Streamed:
        """Return the rows that we may read, masked as we may see them."""
        told, chunks = self._wire.stream(
            "GET",
            "retrieve",
            dataset=asked.ref.dataset,
            version=asked.ref.version,
            as_of=asked.as_of,
            column=list(asked.columns),
            purpose=asked.purpose or None,
            project=asked.project or None,
        )
        return Streamed(name=told.get(VERSION, str(asked.ref)), chunks=chunks)

    def features(self, asked: FeaturesAsked, spine: Chunks) -> Streamed:
        """Return the rows of ``spine`` with the features beside them, after that was recorded."""
        told, chunks = self._wire.stream(
            "POST", "retrieve", content=spine, headers={"content-type": ARROW}, **_written(asked)
        )
        return Streamed(name=told[TRAINING_SET], chunks=chunks)


def _written(asked: FeaturesAsked) -> dict[str, Any]:
    """What is asked for as parameters; what is as it would be anyway is left out."""
    given: dict[str, Any] = {}
    for part in fields(asked):
        value = getattr(asked, part.name)
        if value != part.default:
            name = part.name.removesuffix("s") if isinstance(value, tuple) else part.name
            given[name] = (
                "true" if value is True else list(value) if isinstance(value, tuple) else value
            )
    return given
