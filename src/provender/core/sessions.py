"""Sessions of browsers: how long one lasts, and what its forms carry.

A session is over an hour after it was used last, half a day after it began, when it is ended,
and with the token that it rests on, whichever comes first.
"""

from datetime import datetime, timedelta

from provender.core.digest import digest_bytes, short

IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)
SEEN = timedelta(minutes=1)
"""How exactly it is known when a session was used last."""
SECRET_BYTES = 32


def ends(began: datetime, *, seen: datetime, until: datetime | None = None) -> datetime:
    """Return when a session is over that was ``seen`` last then; ``until``: its token ends."""
    last = min(began + LONGEST, seen + IDLE)
    return last if until is None else min(last, until)


def sealed(secret: str) -> str:
    """Return what is kept of the secret in a cookie."""
    return derived("session", secret)


def derived(purpose: str, secret: str) -> str:
    """Return what only who has ``secret`` can know, and tells nothing of it; for one ``purpose``."""
    return short(digest_bytes(f"{purpose}:{secret}".encode()), length=64)
