"""Bytes that are on the disk, and not only on their way there."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Wait until the file or folder at ``path`` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(path: Path, text: str) -> None:
    """Let the file at ``path`` hold ``text``, and be on the disk: killed, it holds what it held before."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    flush(part)
    part.replace(path)
