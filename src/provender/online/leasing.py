"""Where policy leases lie in the online store, and the word that comes with rows and says which is in force.

Two keys of a project in one slot: the lease, and a word ``<digest> <state>`` that vanishes by itself
where nobody renews it. Whoever reads rows reads the word with them, so that what was revoked is
known with the next answer; `online.pump` writes both.
"""

import threading
from dataclasses import dataclass


def lease_key(project: str) -> str:
    """Return where the lease of ``project`` lies, with what was written when."""
    return f"provender:lease:{{{project}}}"


def leased_key(project: str) -> str:
    """Return where the word lies that says which lease is in force; nothing: none is."""
    return f"provender:leased:{{{project}}}"


@dataclass(frozen=True, slots=True)
class Word:
    """Which lease is in force: its digest, and the state of the policy that was confirmed.

    Both are empty where none is.
    """

    digest: str = ""
    state: str = ""

    @classmethod
    def of(cls, text: bytes | None) -> "Word":
        """Return the word that lies in the store as ``text``."""
        digest, _, state = text.decode().partition(" ") if text else ("", "", "")
        return cls(digest, state)


NO_WORD = Word()


class Told(threading.local):
    """The word that came with the rows that this thread read last."""

    _text: bytes | None = None
    word: Word = NO_WORD

    def take(self, text: bytes | None) -> None:
        """Take in what came with rows; it is mostly what came before."""
        if text != self._text:
            self._text, self.word = text, Word.of(text)
