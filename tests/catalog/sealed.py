"""Catalogs whose audit trail is signed, with keys and a witness in a folder of the test."""

from datetime import timedelta
from pathlib import Path

from provender.catalog.checkpoints import Sealing
from provender.catalog.signing import Keys
from provender.catalog.witness import Witness
from provender.core.checkpoints import Rhythm


def sealing(
    folder: Path, *, events: int = 5, hours: float = 1000, witnessed: bool = True
) -> Sealing:
    """How a trail is sealed by keys in ``folder``, and before the witness there."""
    return Sealing(
        keys=Keys(folder / "keys"),
        rhythm=Rhythm(events=events, time=timedelta(hours=hours)),
        witness=Witness(folder / "witness.ndjson") if witnessed else None,
    )
