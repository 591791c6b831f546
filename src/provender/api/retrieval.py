"""Rows of the lake, for whoever has a token and no lake: decided, masked and filtered here."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from provender.api import answers
from provender.api.gate import ARROW, Stream, Turn, Upload, attended, begun, gate_of
from provender.api.parameters import Asking, AsOf, Counted, DatasetName, Flag, Text
from provender.api.routes import Routes
from provender.core.errors import (
    Busy,
    Conflict,
    Corrupt,
    Denied,
    Gone,
    InvalidInput,
    NotFound,
    Recalled,
)
from provender.core.gateway import FeaturesAsked, RowsAsked, Streamed
from provender.core.names import DatasetRef
from provender.offline.deadline import Deadline

routes = Routes("retrieval")
VERSION, TRAINING_SET = "provender-version", "provender-training-set"
MANY = 200
RAISES = (NotFound, Gone, Denied, Recalled, Conflict, Busy, Corrupt)
Named = Annotated[Text, Query(max_length=200)]
Names = Annotated[list[Named], Query(max_length=MANY)]


@routes.get("/retrieve", None, media=ARROW, raises=RAISES)
async def retrieve_rows(
    request: Request,
    catalog: Asking,
    deadline: Turn,
    dataset: Annotated[DatasetName, Query(examples=["aviation.flights"])],
    version: Annotated[Counted | None, Query(description="None: the latest one.")] = None,
    as_of: AsOf = None,
    column: Annotated[Names, Query(description="Those columns; none: all.")] = [],  # noqa: B006
    purpose: Named = "",
    project: Annotated[
        Named, Query(description="Whose hashes masked values are; none: others.")
    ] = "",
) -> Response:
    """Return rows of a version as an Arrow stream; the header Provender-Version says which it is."""
    ref = DatasetRef.parse(dataset).at(version)
    if version is not None and as_of is not None:
        raise InvalidInput(f"{ref} is the same at any time", hint="leave as_of or version out")
    asked = RowsAsked(ref=ref, columns=tuple(column), purpose=purpose, as_of=as_of, project=project)
    gate = gate_of(request)
    return await _streamed(
        request, deadline, VERSION, lambda: gate.lake.rows(catalog, asked, deadline)
    )


@routes.post("/retrieve", None, media=ARROW, raises=RAISES)
async def retrieve_features(
    request: Request,
    catalog: Asking,
    spine: Annotated[Path, Depends(Upload(ARROW))],
    deadline: Turn,
    *,
    project: Named = "",
    service: Named = "",
    feature: Annotated[Names, Query(description="view:feature, where no service is named.")] = [],  # noqa: B006
    purpose: Named = "",
    pin: Annotated[Names, Query(description="Dataset versions, such as aviation.weather@1.")] = [],  # noqa: B006
    as_of: AsOf = None,
    event_timestamp: Named = "event_timestamp",
    full_feature_names: Annotated[Flag, Query(description="Call them view__feature.")] = False,
    known_by_then: Annotated[
        Flag, Query(description="Leave out what was recorded after the row's instant.")
    ] = False,
    assume_utc: Annotated[Flag, Query(description="Timestamps without a zone are UTC.")] = False,
) -> Response:
    """Return the rows that are sent as an Arrow stream, with features as known at each beside them.

    A training set is recorded before its first row is sent; Provender-Training-Set is its id.
    """
    asked = FeaturesAsked(
        project=project,
        service=service,
        features=tuple(feature),
        purpose=purpose,
        pins=tuple(pin),
        as_of=as_of,
        event_timestamp=event_timestamp,
        full_feature_names=full_feature_names,
        known_by_then=known_by_then,
        assume_utc=assume_utc,
    )
    gate = gate_of(request)
    return await _streamed(
        request,
        deadline,
        TRAINING_SET,
        lambda: gate.lake.features(catalog, asked, spine, deadline),
    )


async def _streamed(
    request: Request, deadline: Deadline, header: str, work: Callable[[], Streamed]
) -> Response:
    def opened() -> tuple[Streamed, bytes]:
        streamed = work()
        return streamed, begun(streamed)

    streamed, head = await attended(request.receive, deadline, opened)
    still = gate_of(request).still
    return answers.secret(Stream(head, streamed, deadline, {header: streamed.name}, still=still))
