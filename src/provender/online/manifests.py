"""Serving manifests as they lie in the store and on disk: read only in a format that is known."""

from dataclasses import dataclass

from provender.core.errors import Corrupt
from provender.core.serving import MANIFEST_FORMAT, ServingManifest
from provender.values import from_json


@dataclass(frozen=True, slots=True)
class Peek:
    """What every manifest says of itself; those without a format are of the first."""

    format: int = 1


def read_manifest(text: str | bytes) -> ServingManifest:
    """Return the manifest in ``text``.

    Raises:
        Corrupt: it cannot be read, or was written by a newer Provender: a part that is not known
            may close what the rest opens.
    """
    found = from_json(Peek, text).format
    if found > MANIFEST_FORMAT:
        raise Corrupt(
            f"the serving manifest is in format {found}, and this version reads {MANIFEST_FORMAT}",
            hint="upgrade the server; until then it serves the last manifest that it could read",
        )
    return from_json(ServingManifest, text)
