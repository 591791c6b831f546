"""Which of two rows of one key is the newer: on the server, in Lua, and here.

Event timestamps decide; where they are equal, created timestamps, and none comes first. Lua's
numbers are doubles, so instants are compared there as two halves of 32 bits.
"""

import struct

from provender.online.layout import CREATED_AFTER, CREATED_WHOLE, HEAD, SIGN

NO_CREATED_US = -SIGN - 1
"""Comes before every instant."""

STAYS = """
local unpacked = struct.unpack
local function created(row, kind, high, low)
  if kind == 0 then return -1, -1 end
  if kind == 2 then return unpacked('>I4I4', row, 15) end
  low = low + unpacked('<I4', row, 15)
  if low >= 4294967296 then return high + 1, low - 4294967296 end
  return high, low
end
local function stays(old, new)
  local size = #old
  if size < 14 or #new < 14 then return false end
  local version, check, a, b, flags = unpacked('>BI4I4I4B', old)
  local others, other, c, d, more = unpacked('>BI4I4I4B', new)
  local kind = flags % 4
  if version ~= others or check ~= other or kind == 3 or size < 14 + 4 * kind then
    return false
  end
  if a ~= c then return a > c end
  if b ~= d then return b > d end
  local e, f = created(old, kind, a, b)
  local g, h = created(new, more % 4, c, d)
  if e ~= g then return e > g end
  return f > h
end
"""
"""``stays(old, new)``: whether the stored row stays, as it is newer by (event, created) timestamp.

A stored row of another layout, or of another version of the format, is replaced.
"""


def order_of(row: bytes) -> tuple[int, int]:
    """Return the event and created timestamps of ``row``: the newer row has the greater pair.

    Both are microseconds since 1970; a row without a created timestamp
    has `NO_CREATED_US`.

    Raises:
        ValueError: these are not the bytes of a row.
    """
    try:
        _, _, event, flags = HEAD.unpack_from(row)
        kind = flags & 3
        if kind == CREATED_AFTER:
            created = event + struct.unpack_from("<I", row, HEAD.size)[0]
        elif kind == CREATED_WHOLE:
            (created,) = struct.unpack_from(">Q", row, HEAD.size)
        else:
            created = NO_CREATED_US + SIGN
    except struct.error as error:
        raise ValueError(f"{len(row)} bytes are no row: {error}") from None
    return event - SIGN, created - SIGN
