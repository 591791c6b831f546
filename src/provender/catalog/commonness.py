"""Which words very many visible documents hold: remembered for a minute, as counting them takes longest.

What is counted up to a limit and reaches it rarely falls below it soon. A word that fewer hold is
counted each time, so that what was just written is found. What was remembered before rights
changed, something was withdrawn or a catalog was restored is forgotten with the policy's epoch.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from provender.catalog import epoch
from provender.catalog.nominate import Sought
from provender.catalog.past import View

SECONDS = 60.0
MOST_VIEWS = 64
MOST_WORDS = 2_000

Words = dict[Sought, float]
"""What was found often, and until when that is believed."""
Counted = tuple[tuple[int, int], View, int]
"""At which epoch, among what, and up to how many."""


class _Remembered:
    """What was found often, by who sees what; those asked for last are the last. For all threads."""

    def __init__(self) -> None:
        self._by_view: OrderedDict[Counted, Words] = OrderedDict()
        self._lock = Lock()

    def of(self, view: Counted) -> Words:
        """Return what is remembered of a view, to be read and written."""
        with self._lock:
            words = self._by_view.setdefault(view, {})
            self._by_view.move_to_end(view)
            while len(self._by_view) > MOST_VIEWS:
                self._by_view.popitem(last=False)
            if len(words) > MOST_WORDS:
                words = self._by_view[view] = {}
            return words


_remembered: WeakKeyDictionary[Pool, _Remembered] = WeakKeyDictionary()
"""By database: engines that differ in options only share a pool."""


def counts(db: Session, view: View, every: Sequence[Sought], *, most: int) -> list[int]:
    """Return how many documents hold each of what is sought; ``most`` if there are, or were, more."""
    if len(view.places) > 1:  # as of an instant, which another is asked of next
        return view.counts(db, every, most=most)
    remembered = _remembered.setdefault(db.get_bind().engine.pool, _Remembered())
    words = remembered.of((epoch.at(db), view, most))
    now = time.monotonic()
    new = [one for one in dict.fromkeys(every) if words.get(one, 0.0) <= now]
    counted = dict(zip(new, view.counts(db, new, most=most), strict=True)) if new else {}
    words.update((one, now + SECONDS) for one, number in counted.items() if number >= most)
    return [counted.get(one, most) for one in every]
