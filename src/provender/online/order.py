"""Which of two rows of one key is the newer: on the server, in Lua, and here.

Event timestamps decide; where they are equal, created timestamps, and none comes first. Lua's
numbers are doubles, so instants are compared there as two halves of 32 bits.
"""

import struct

from provender.online.layout import CREATED_AFTER, CREATED_WHOLE, HEAD, SIGN

NO_CREATED_US = -SIGN - 1
"""Comes before every instant."""

STAYS = """
local function created(row, high, low)
  local kind = string.byte(row, 14) % 4
  if kind == 0 then return -1, -1 end
  if kind == 2 then return struct.unpack('>I4I4', row, 15) end
  low = low + struct.unpack('<I4', row, 15)
  if low >= 4294967296 then return high + 1, low - 4294967296 end
  return high, low
end
local function whole(row)
  if #row < 14 then return false end
  local kind = string.byte(row, 14) % 4
  return kind ~= 3 and #row >= 14 + 4 * kind
end
local function newer(old, new)
  local a, b = struct.unpack('>I4I4', old, 6)
  local c, d = struct.unpack('>I4I4', new, 6)
  if a ~= c then return a > c end
  if b ~= d then return b > d end
  local e, f = created(old, a, b)
  local g, h = created(new, c, d)
  if e ~= g then return e > g end
  return f > h
end
local function stays(old, new)
  return whole(old) and string.sub(old, 1, 5) == string.sub(new, 1, 5) and newer(old, new)
end
"""
"""``stays(old, new)``: whether the stored row stays, as it is newer by (event, created) timestamp.

``old`` needs to be its first 22 bytes only. A stored row of another layout, or of another
version of the format, is replaced.
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
