"""What somebody sends in pieces, waited for no longer than it may take."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic


async def in_time(
    pieces: AsyncIterator[bytes], *, still: float, whole: float
) -> AsyncIterator[bytes]:
    """Yield ``pieces`` as they come.

    Raises:
        TimeoutError: none came for ``still`` seconds, or not all within ``whole``.
    """
    end = monotonic() + whole
    while True:
        async with asyncio.timeout(min(still, end - monotonic())):
            piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece
