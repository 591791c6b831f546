"""The table of routes: what each takes and answers, for the server and for its description alike."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi.params import Depends

from provender.api.gate import Upload
from provender.api.reading import Reader, Verbatim
from provender.core.errors import ProvenderError

Endpoint = Callable[..., Any]
Errors = tuple[type[ProvenderError], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address. ``answers`` is the core type of a success, None: nothing.

    ``also`` are other statuses of success, ``raises`` the errors that its work may end with.
    The last part of a ``deep`` path may have slashes. One that is ``open`` answers everybody.
    """

    method: str
    path: str
    endpoint: Endpoint
    status: int
    answers: Any
    raises: Errors
    also: tuple[int, ...]
    media: str
    tag: str
    deep: bool
    open: bool

    @property
    def pattern(self) -> str:
        """What addresses have to be like."""
        return f"{self.path.removesuffix('}')}:path}}" if self.deep else self.path

    @property
    def name(self) -> str:
        return self.endpoint.__name__

    @property
    def body(self) -> Reader[Any] | Verbatim | Upload | None:
        """What reads the body of a request; None where it has none."""
        for hint in get_type_hints(self.endpoint, include_extras=True).values():
            if get_origin(hint) is Annotated:
                for extra in get_args(hint)[1:]:
                    reads = extra.dependency if isinstance(extra, Depends) else None
                    if isinstance(reads, Reader | Verbatim | Upload):
                        return reads
        return None


@dataclass(frozen=True, slots=True)
class Routes:
    """Collects the operations of one part of the API, which goes by the name ``tag``."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, answers: Any, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator for what reads."""
        return self.on("GET", path, answers, **more)

    def post(self, path: str, answers: Any, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator for what makes something, or asks with a body."""
        return self.on("POST", path, answers, **more)

    def on(
        self,
        method: str,
        path: str,
        answers: Any,
        *,
        status: int = 200,
        also: tuple[int, ...] = (),
        raises: Errors = (),
        media: str = "application/json",
        deep: bool = False,
        open: bool = False,  # noqa: A002 - what else to call it
    ) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that puts a function into the table."""

        def put(endpoint: Endpoint) -> Endpoint:
            self.operations.append(
                Operation(
                    method=method,
                    path=path,
                    endpoint=endpoint,
                    status=status,
                    answers=answers,
                    raises=raises,
                    also=also,
                    media=media,
                    tag=self.tag,
                    deep=deep,
                    open=open,
                )
            )
            return endpoint

        return put
