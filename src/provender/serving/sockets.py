"""How much of what was written has not reached the other side."""

import asyncio
import fcntl
import struct
import termios

SIZE = struct.Struct("i")


def unsent(transport: asyncio.Transport) -> int:
    """Return the bytes that wait here, and those that the kernel holds for the other side.

    The kernel takes megabytes before it asks for more: without those, a client that reads all
    the time would seem to read nothing for seconds. See SIOCOUTQ in tcp(7) and unix(7).
    """
    waiting = transport.get_write_buffer_size()
    connected = transport.get_extra_info("socket")
    try:
        held = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(SIZE.size))
    except OSError:
        return waiting
    return waiting + int(SIZE.unpack(held)[0])
