"""What requests carry. Every key is known, every type is meant: nothing is read into a value."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from fastapi import Depends
from pydantic import ConfigDict, Field

from provender.api.reading import Reader
from provender.core.datasets import NO_EVIDENCE, Evidence, Manifest

T = TypeVar("T")
LONG = 10_000
Short = Annotated[str, Field(max_length=LONG)]


class Body:
    """A body; core values within it are read as strictly.

    Bodies are dataclasses, not pydantic's models, whose own validators would be used as they
    were built, and not as `shapes` tightens them.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)


def taken(kind: type[T]) -> Any:
    """Return the dependency that reads a body of ``kind``."""
    return Depends(Reader(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(Body):
    """A version to publish, with what was measured of it."""

    manifest: Manifest
    parent: Annotated[int, Field(ge=0)] | None = None
    breaking_reason: Short = ""
    note: Short = ""
    evidence: Evidence = NO_EVIDENCE
    draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Represent(Body):
    """The same rows in another format."""

    manifest: Manifest
