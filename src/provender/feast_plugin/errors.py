"""Errors that are ours and Feast's at once, so that callers who catch Feast's still do."""

from collections.abc import Sequence

from feast.errors import (
    EntityTimestampInferenceException,
    FeastEntityDFMissingColumnsError,
    RequestDataNotFoundInEntityDfException,
    SavedDatasetLocationAlreadyExists,
)

from provender.core.errors import Conflict, InvalidInput, ProvenderError


class SpineLacksColumns(FeastEntityDFMissingColumnsError, InvalidInput):
    """The spine lacks a join key or the event timestamp."""

    def __init__(self, message: str, *, hint: str, missing: Sequence[str]) -> None:
        super().__init__(set(missing), set(missing))  # type: ignore[no-untyped-call]
        self.message, self.hint, self.missing = message, hint, tuple(missing)

    __str__ = ProvenderError.__str__


class NoEventTimestamp(EntityTimestampInferenceException, InvalidInput):
    """The spine does not say which column is its event timestamp."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__("event_timestamp")
        self.message = (
            f"the spine has no event timestamp; it has {', '.join(columns) or 'no columns'}"
        )
        self.hint = "call the column event_timestamp, or leave it the only timestamp"

    __str__ = ProvenderError.__str__


class LocationTaken(SavedDatasetLocationAlreadyExists, Conflict):
    """There is something already where a saved dataset should go."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.message = f"{location} is there already"
        self.hint = "give another path, or allow_overwrite=True"

    __str__ = ProvenderError.__str__


class RequestLacksColumns(RequestDataNotFoundInEntityDfException, InvalidInput):
    """The spine lacks what an on-demand view takes from the request."""

    def __init__(self, view: str, missing: Sequence[str]) -> None:
        super().__init__(", ".join(missing), view)  # type: ignore[no-untyped-call]
        self.message = (
            f"on-demand view {view} needs {', '.join(missing)}, which the spine does not have"
        )
        self.hint = "add the columns to the spine; at serving they come with the request"

    __str__ = ProvenderError.__str__
