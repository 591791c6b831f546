"""The script that writes rows on the server, and what is to become of keys with time.

One script for all writers, so that the server compiles it once. It decides by the bytes of
the rows only: which of two is newer is the order's affair.
"""

import hashlib  # noqa: TID251 - Redis names scripts by their SHA-1
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from provender.core.serving import ServedView
from provender.online.order import STAYS
from provender.online.resp import command, framed, unframed

CHUNK_ROWS = 1000
"""Rows per script: the server answers nobody else for about two milliseconds, and Lua can hand
no more than some thousands of strings to a command."""
NEVER = datetime.min.replace(tzinfo=UTC)
GRACE = timedelta(hours=1)
"""A row that is too old is told to be so for this long, before it is not found at all."""

WRITE = """
local how, life, soonest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if how == 'fresh' then
  local pairs = {}
  for i = 1, #KEYS do
    pairs[2 * i - 1] = KEYS[i]
    pairs[2 * i] = ARGV[i + 3]
  end
  if redis.call('MSETNX', unpack(pairs)) == 1 then return 0 end
end
local stored = redis.call('MGET', unpack(KEYS))
local landed, lands, size = {}, {}, 0
for i = 1, #KEYS do
  local key, new = KEYS[i], ARGV[i + 3]
  local old = landed[key] or stored[i]
  if not (old and stays(old, new)) then
    landed[key] = new
    lands[size + 1], lands[size + 2] = key, new
    size = size + 2
  end
end
if how == 'for' then
  for i = 1, size, 2 do redis.call('SET', lands[i], lands[i + 1], 'PX', life) end
elseif how == 'until' then
  for i = 1, size, 2 do
    local high, low = struct.unpack('>I4I4', lands[i + 1], 6)
    local at = math.floor((high - 2147483648) * 4294967.296 + low / 1000) + life
    at = string.format('%.0f', math.max(at, soonest))
    redis.call('SET', lands[i], lands[i + 1], 'PXAT', at)
  end
elseif size > 0 then
  redis.call('MSET', unpack(lands, 1, size))
end
return #KEYS - size / 2
"""


@dataclass(frozen=True, slots=True)
class Expiry:
    """When keys vanish: ``how`` is nothing (never), ``for`` a time, or ``until`` a time after the event.

    An expiry costs the server about 30 bytes a key. Never is the default.
    """

    how: str = ""
    life: timedelta = timedelta()

    @classmethod
    def after(cls, life: timedelta) -> "Expiry":
        """Vanish so long after they were written."""
        return cls("for", life)

    @classmethod
    def of_view(cls, ttl: timedelta | None, *, grace: timedelta = GRACE) -> "Expiry":
        """Vanish when the row is older than the view's ``ttl`` by ``grace``; never without one.

        A row that is as old as that already stays for ``grace``: an instant in the past would
        delete it at once, and whatever the server's clock says, it is told to be too old first.
        """
        return cls() if ttl is None else cls("until", ttl + grace)

    @classmethod
    def of_served(cls, view: ServedView, *, replaying: bool) -> "Expiry":
        """Vanish as is declared of ``view``; while ``replaying`` old data, not by its age."""
        if view.expires_after is not None:
            return cls.after(view.expires_after)
        return cls.of_view(view.ttl) if view.expires_with_ttl and not replaying else cls()

    def vanished_before(self, now: datetime) -> datetime:
        """Return from before when rows are gone by ``now``, going by their event timestamps."""
        return now - self.life if self.how == "until" else NEVER


FOREVER = Expiry()


class WriteScript:
    """How to call the script with the order of rows that ``compare`` decides."""

    def __init__(self, compare: str = STAYS) -> None:
        self.text = compare + WRITE
        self._name = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    @property
    def load(self) -> bytes:
        return command("SCRIPT", "LOAD", self.text)

    def call(
        self, count: int, keys: bytes, rows: bytes, how: Expiry, now_ms: int, *, fresh: bool = False
    ) -> bytes:
        """Return the command that writes ``count`` rows; both texts are as `framed` makes them.

        ``fresh`` tries first whether none of the keys exists; only for keys that differ.
        """
        word = "fresh" if fresh and not how.how else how.how
        life = int(how.life / timedelta(milliseconds=1))
        soonest = now_ms + int(GRACE / timedelta(milliseconds=1))
        head = framed([b"EVALSHA", self._name.encode(), b"%d" % count])
        told = framed([word.encode(), b"%d" % life, b"%d" % soonest])
        return b"".join((b"*%d\r\n" % (6 + 2 * count), head, keys, told, rows))


def msetnx(count: int, pairs: bytes) -> bytes:
    """Return the command that sets all of the keys if none of them exists."""
    return b"*%d\r\n$6\r\nMSETNX\r\n%b" % (2 * count + 1, pairs)


def script_pairs(text: bytes) -> list[tuple[bytes, bytes]]:
    """Return the keys and rows of a command that `WriteScript.call` or `msetnx` made."""
    words = unframed(text[text.index(b"$") :])
    if words[0] == b"MSETNX":
        return list(zip(words[1::2], words[2::2], strict=True))
    count = int(words[2])
    return list(zip(words[3 : 3 + count], words[6 + count :], strict=True))
