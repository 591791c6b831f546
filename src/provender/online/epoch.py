"""The word that lies beside a project's rows and is read with them, in the same command.

It is ``<life> <digest>``: the store's epoch, which it keeps as long as it is not emptied, and
the digest of the manifest published last. So whoever reads rows knows, before it answers with
them, whether the store was emptied since, and whether other definitions were published. A key
more in an MGET costs a microsecond, and no round trip; docs/decisions/0018 has the figures.

The word that says which policy lease is in force comes the same way, where one has to be.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provender.online.beside import epoch_key
from provender.online.leasing import Told, leased_key
from provender.online.resp import framed


class Epoch:
    """What is known of one project's word. ``emptied`` is called when the store was emptied.

    It is called before the rows that were read with the other word are handed out. Safe to
    share between threads. Until a look took a word, none is expected. With ``leased``, the word
    of the policy lease comes too: ``told`` has it.
    """

    def __init__(self, project: str, emptied: Callable[[], None], *, leased: bool = False) -> None:
        self.key = epoch_key(project).encode()
        self.leased_key = leased_key(project).encode() if leased else b""
        self.told = Told()
        keys = [self.key, self.leased_key] if leased else [self.key]
        self.size = len(keys)
        self.text = framed(keys)
        self.word: bytes | None = None
        self.changes = 0
        self._emptied = emptied
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """The digest of the manifest that was published when rows were read last, or nothing."""
        return self.word.partition(b" ")[2].decode() if self.word else ""

    def take(self, reply: list[bytes | None]) -> None:
        """Take the words off the end of a reply, before its rows are handed out."""
        if self.leased_key:
            self.told.take(reply.pop())
        self.see(reply.pop())

    def see(self, word: bytes | None) -> None:
        """Take in the word that came with rows."""
        if word != self.word:
            self._change(word)

    @contextmanager
    def looked(self, word: bytes | None, *, since: int) -> Iterator[bool]:
        """Take the word of a look that began at ``since`` of `changes`, and hold others off.

        Gives whether it is news: if rows brought another word meanwhile, all that the look
        found may be older than what is known.
        """
        with self._lock:
            is_news = self.changes == since
            if is_news:
                self.word = word
            yield is_news

    def _change(self, word: bytes | None) -> None:
        with self._lock:
            before, self.word = self.word, word
            self.changes += 1
            if before is not None and _life(before) != _life(word):
                self._emptied()


def epoch_word(life: str, digest: str) -> str:
    """Return the word of a store's ``life`` with a manifest."""
    return f"{life} {digest}"


def _life(word: bytes | None) -> bytes:
    return word.partition(b" ")[0] if word else b""
