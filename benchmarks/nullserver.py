"""The null server: ``nullserver PORT ANSWER_FILE`` answers each request with the bytes of that file.

It reads what it must to know where a request ends, and nothing else: what is left is the cost of
HTTP and of the load generator on this machine, below which no server can be.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from benchmarks.load import HEAD_END, content_length


class Constant(asyncio.Protocol):
    """Answers all requests alike, pipelined ones too."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio promises what it accepts

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(HEAD_END)) >= 0:
            whole = end + len(HEAD_END) + _length(bytes(buffer[: end + 2]))
            if len(buffer) < whole:
                return
            del buffer[:whole]
            if self._transport is not None:
                self._transport.write(self._answer)


def _length(head: bytes) -> int:
    return content_length(head) if head.startswith(b"POST") else 0


async def main(port: int, body: bytes) -> None:
    """Serve until the process is ended."""
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Constant(head.encode() + body), "127.0.0.1", port
    )  # fmt: skip
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
