"""An exported audit trail as a file: there whole, on the disk, and for its owner only, or not there."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from provender.core.errors import Conflict, Corrupt, Unavailable

PRIVATE = 0o600


def write_bundle(lines: Iterator[bytes], out: Path) -> tuple[Path, int]:
    """Return the new file that ``lines`` are in, and its bytes; in ``out``, if that is a folder.

    Raises:
        Conflict: it is there already.
        Corrupt: the lines are not as many as the first one says.
        Unavailable: it cannot be written.
    """
    head = next(lines)
    said = json.loads(head)
    target = out / f"audit-{said['first']}-{said['last']}.ndjson" if out.is_dir() else out
    part = target.with_name(f".{target.name}.part")
    try:
        with ExitStack() as files:
            opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
            file = files.enter_context(os.fdopen(opened, "wb"))
            if target.suffix == ".gz":
                packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
                files.callback(packed.close)
                _write(packed.write, said, head, lines)
            else:
                _write(file.write, said, head, lines)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, target)  # unlike a rename it never takes the place of another
        return target, target.stat().st_size
    except FileExistsError as error:
        raise Conflict(f"{target} is there already", hint="name a new file") from error
    except OSError as error:
        raise Unavailable(
            f"the bundle {target} cannot be written: {error.strerror or error}",
            hint="name a file in a folder that you may write, on a disk with room",
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _write(
    write: Callable[[bytes], object], said: dict[str, int], head: bytes, lines: Iterator[bytes]
) -> None:
    write(head)
    events = 0
    for line in lines:
        write(line)
        events += line.startswith(b'{"event":')
    wanted = said["last"] - said["first"] + 1
    if events != wanted:
        raise Corrupt(
            f"the bundle has {events:,} of {wanted:,} events: it was cut off",
            hint="the server's log says why; run provender audit verify there",
        )
