"""The only hashing: canonical JSON, files and keyed digests, mostly as ``sha256:<hex>``."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from provender.core.errors import InvalidInput

CHUNK_BYTES = 1 << 20
KEYED_BYTES = 16
PREFIX = "sha256:"
SHA256_BYTES = 32
ATOMS = frozenset({type(None), bool, int, float, str})
OTHERWISE = (int, float, str, Enum, date, timedelta, Path, Mapping, list, tuple, set, frozenset)
"""What has a form of its own, be it a dataclass or not."""


def plain(value: Any) -> Any:
    """Return ``value`` as JSON types: dataclasses become objects, instants ISO 8601, durations seconds.

    Raises:
        TypeError: a value that has no agreed JSON form.
    """
    kind: type = type(value)
    if kind in ATOMS:
        return value
    names = _field_names(kind)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    match value:
        case bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Path():
            return value.as_posix()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=canonical)
    raise TypeError(f"{kind.__name__} has no canonical JSON form")


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    """Return the names of a dataclass's fields; None of what is none, or is something else, too."""
    if not is_dataclass(kind) or issubclass(kind, OTHERWISE):
        return None
    return tuple(field.name for field in fields(kind))


def canonical(value: Any) -> str:
    """Return the one JSON text of ``value``: keys sorted, no white space, UTF-8 kept."""
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of ``value``.

    Raises:
        InvalidInput: a text has half of a character, which has no bytes.
    """
    text = canonical(value)
    try:
        return digest_bytes(text.encode())
    except UnicodeEncodeError as error:
        half = text[max(0, error.start - 40) : error.end]
        raise InvalidInput(
            f"{half!r} ends with half of a character", hint="leave that character out"
        ) from error


def digest_bytes(data: bytes) -> str:
    """Return ``sha256:<hex>`` of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha256(data: bytes) -> bytes:
    """Return the 32 bytes of the SHA-256 of ``data``, for trees of hashes."""
    return hashlib.sha256(data).digest()


def raw(identity: str) -> bytes:
    """Return the 32 bytes that ``sha256:<hex>`` says.

    Raises:
        ValueError: it is no such digest.
    """
    found = bytes.fromhex(identity.removeprefix(PREFIX))
    if identity != f"{PREFIX}{found.hex()}" or len(found) != SHA256_BYTES:
        raise ValueError(f"{identity!r} is no SHA-256 digest")
    return found


def digest_stream(chunks: Iterable[bytes]) -> str:
    """Return ``sha256:<hex>`` of the concatenated ``chunks``, in constant memory."""
    running = hashlib.sha256()
    for chunk in chunks:
        running.update(chunk)
    return f"sha256:{running.hexdigest()}"


def keyed(secret: bytes, data: bytes) -> bytes:
    """Return 16 bytes that only who has ``secret`` can tell from others: BLAKE2b with a key."""
    key = secret if len(secret) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.sha256(secret).digest()
    return hashlib.blake2b(data, digest_size=KEYED_BYTES, key=key).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Return the 32 bytes of HMAC-SHA-256 of ``data`` under ``key`` (RFC 2104)."""
    return hmac.digest(key, data, "sha256")


def short(identity: str, *, length: int = 12) -> str:
    """Return the first ``length`` hex digits of a digest, for people to read."""
    return identity.removeprefix("sha256:")[:length]
