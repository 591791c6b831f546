"""Requests as bytes, and a socket to a server that reads whole answers."""

import json
import socket

BODY = json.dumps({"features": ["weather:temp"], "entities": {"origin": ["JFK"]}}).encode()
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def lookup(*headers: bytes, body: bytes = BODY) -> bytes:
    lines = [b"POST /get-online-features HTTP/1.1", b"Host: x", *headers]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Wire:
    """A socket to the server that reads whole answers."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=15)
        self.stream = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer; status 0 at the end."""
        line = self.stream.readline()
        if not line:
            return 0, {}, b""
        status = int(line.split()[1])
        headers = {}
        while (line := self.stream.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        size = 0 if head else int(headers.get("content-length", "0"))
        return status, headers, self.stream.read(size)

    def close(self) -> None:
        self.stream.close()
        self.socket.close()
