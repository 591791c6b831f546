"""The text of commands, and what answers say: the protocol of Redis, as far as we speak it.

Pure: no sockets. hiredis parses answers; commands are put together here, as its packer is
slower than joining bytes where all keys have one length, as those of a view mostly do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

HEADS = tuple(b"\r\n$%d\r\n" % length for length in range(512))
"""What stands between two strings, by the length of the second."""
MOVING = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "MASTERDOWN", "LOADING")
"""Refusals that pass when somebody else is asked, or the same one later."""

ReplyError = hiredis.ReplyError
Words = Sequence[bytes | str]


class Refused(Exception):
    """The server answered, with an error; ``word`` is its first word, such as ``NOPERM``."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.word = text.split(" ", 1)[0]

    @property
    def passes(self) -> bool:
        return self.word in MOVING


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a cluster says that a slot is: for good, or for this question only (``asking``)."""

    host: str
    port: int
    asking: bool


def command(*words: bytes | str) -> bytes:
    """Return the text of one command."""
    return bytes(hiredis.pack_command(words))  # type: ignore[arg-type]


class KeyText(Sequence[bytes]):
    """Keys that were put together as the text that asks for them, each after its length.

    They are made one by one for whoever needs them so, as a cluster's slots do.
    """

    __slots__ = ("_keys", "_size", "text")

    def __init__(self, text: bytes, size: int) -> None:
        self.text = text
        self._size = size
        self._keys: list[bytes] | None = None

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, at: Any) -> Any:
        if self._keys is None:
            self._keys = unframed(self.text[2:] + b"\r\n") if self._size else []
        return self._keys[at]


def mget(keys: Sequence[bytes], beside: bytes = b"", more: int = 0) -> bytes:
    """Return the text that asks for the row of each key, and of ``more`` keys, framed ``beside``."""
    count = b"*%d\r\n$4\r\nMGET" % (len(keys) + 1 + more)
    text = keys.text if isinstance(keys, KeyText) else _strings(keys)
    return b"%b%b\r\n%b" % (count, text, beside)


def framed(strings: Sequence[bytes]) -> bytes:
    """Return the strings as arguments of a command."""
    return _strings(strings)[2:] + b"\r\n" if strings else b""


def unframed(text: bytes) -> list[bytes]:
    """Return the strings that `framed` made ``text`` of."""
    reader = hiredis.Reader()
    reader.feed(text)
    strings: list[bytes] = []
    while (string := reader.gets()) is not False:
        strings.append(string)
    return strings


def elsewhere(refused: Refused, asked: str) -> Elsewhere | None:
    """Return where MOVED and ASK point to; the host is that of ``asked`` where they name none."""
    words = str(refused).split(" ")
    if words[0] not in ("MOVED", "ASK") or len(words) < 3:
        return None
    host, _, port = words[2].rpartition(":")
    return Elsewhere(host.strip("[]") or asked, int(port), words[0] == "ASK")


def answered(reply: Any) -> Any:
    """Return the reply.

    Raises:
        Refused: it is an error.
    """
    if isinstance(reply, ReplyError):
        raise Refused(str(reply))
    return reply


def _strings(strings: Sequence[bytes]) -> bytes:
    lengths = set(map(len, strings))
    if len(lengths) == 1:
        head = b"\r\n$%d\r\n" % lengths.pop()
        return head + head.join(strings)
    if max(lengths, default=0) < len(HEADS):
        return b"".join([part for text in strings for part in (HEADS[len(text)], text)])
    return b"".join([b"\r\n$%d\r\n%b" % (len(text), text) for text in strings])
