"""The tree of errors. Each says what happened with the values, and hints at what to do.

``code`` is stable and travels on the wire; ``status`` is the HTTP status a shell may use;
``exit_code`` is the process's. Nothing here knows HTTP or a terminal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from provender.core.credentials import redacted


class ProvenderError(Exception):
    """Something that a caller can understand and act upon."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = redacted(message)  # it may repeat what was sent
        super().__init__(self.message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n hint: {self.hint}" if self.hint else self.message


class InvalidInput(ProvenderError):
    """A value, a file or a definition that cannot be accepted as it is."""

    code = "invalid-input"
    status = 422
    exit_code = 2


class KeyReused(InvalidInput):
    """An idempotency key was sent before, with another request."""

    code = "idempotency-key-reused"


class TooLarge(InvalidInput):
    """More was sent at once than is taken."""

    code = "too-large"
    status = 413


class Misconfigured(ProvenderError):
    """A setting is unknown or malformed, or the state folder is not what it should be."""

    code = "misconfigured"
    status = 500
    exit_code = 2


class NotFound(ProvenderError):
    """A name that the catalog does not know, or that the actor may not discover.

    ``what`` says what kind of thing the name was of, such as ``feature view``; perhaps nothing.
    """

    code = "not-found"
    status = 404
    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", what: str = "") -> None:
        super().__init__(message, hint=hint)
        self.what = what


class Gone(NotFound):
    """Something that the catalog still knows, but whose data was deleted by its retention."""

    code = "gone"
    status = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Why columns of a dataset are closed: none, the dataset as a whole.

    ``because`` says it in words; ``rule`` is the id of the one that denies, ``tags`` the protected
    ones that close them. ``command`` asks ``who_can_grant`` them, as does the form at ``page``, a
    path of the catalog's pages; nobody, where no grant helps.
    """

    dataset: str
    columns: tuple[str, ...]
    because: str
    rule: str = ""
    tags: tuple[str, ...] = ()
    who_can_grant: tuple[str, ...] = ()
    command: str = ""
    page: str = ""


class Denied(ProvenderError):
    """The decision was no; the hint says who can grant it, ``facts`` why, for programs."""

    code = "denied"
    status = 403
    exit_code = 4

    def __init__(self, message: str, *, hint: str = "", facts: Sequence[Fact] = ()) -> None:
        super().__init__(message, hint=hint)
        self.facts = tuple(facts)


class Unauthenticated(ProvenderError):
    """It is not known who asks: no token, or none that is in force."""

    code = "unauthenticated"
    status = 401
    exit_code = 4


class Conflict(ProvenderError):
    """Somebody else was first, or the state does not allow the step."""

    code = "conflict"
    status = 409
    exit_code = 5


class Incompatible(Conflict):
    """A new schema would break the readers of the old one."""

    code = "incompatible-schema"


class Stale(Conflict):
    """Values are staler than their feature view lets serve."""

    code = "stale"


class Recalled(Conflict):
    """A version was recalled, and is not for reading any more."""

    code = "recalled"


class PreconditionFailed(Conflict):
    """What is to be changed is not any more what the caller had looked at."""

    code = "precondition-failed"
    status = 412


class PreconditionRequired(ProvenderError):
    """A change that does not say what the caller had looked at."""

    code = "precondition-required"
    status = 428
    exit_code = 5


class Corrupt(ProvenderError):
    """Stored bytes are not what their digest or their format says."""

    code = "corrupt"
    status = 500
    exit_code = 6


class Unavailable(ProvenderError):
    """A service, a port, a package or a disk that is needed is not there."""

    code = "unavailable"
    status = 503
    exit_code = 7


class Busy(Unavailable):
    """As many are served as may be at once; ``retry_after`` so many seconds there may be room."""

    code = "busy"
    status = 429

    def __init__(self, message: str, *, hint: str = "", retry_after: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Problems(InvalidInput):
    """Several things are wrong at once; all of them are listed."""

    code = "problems"

    def __init__(self, what: str, problems: list[str], *, hint: str = "") -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        count = f"{len(problems)} problem" + ("" if len(problems) == 1 else "s")
        super().__init__(f"{what}: {count}\n{lines}", hint=hint)
        self.problems = problems
