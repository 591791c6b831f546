"""How long the data of versions is kept. The manifest of a version stays for good."""

from dataclasses import dataclass

from provender.core.names import DatasetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Data goes that is neither of the last versions nor young; ``hold`` says why none goes."""

    keep_versions: int | None = None
    keep_days: int | None = None
    hold: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Whether the data of a version ``goes``, and why it does or stays."""

    ref: DatasetRef
    goes: bool
    because: str
    size_bytes: int = 0
