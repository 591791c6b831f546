#!/usr/bin/env python3
"""Check an exported audit trail, with this file and a public key alone.

    python3 verify_audit.py audit.ndjson --key 0123456789abcdef.pub [--witness witness.ndjson]
                            [--since 2026-11-01] [--until 2026-12-01]

Needs Python 3.10 or newer and nothing else: no package, no network, no code of whoever made the bundle.
A key is a file of 64 hex digits, which you got from somewhere else than the bundle. Checked are the
digest of every event, the chain that they make, the Merkle tree over them (RFC 6962), the Ed25519
signatures (RFC 8032) of its checkpoints, and the witness, if you have it.

Nobody signs a bundle's first line. One that does not begin with event 1 holds only if you asked for a part,
by the same --since, and the witness knows of nothing left out from then on. One that says that it goes to
the end of the trail has to end with its own export, signed. One that says that it is a part, until some
instant, is called so aloud; if the witness knows of more, it holds only by the same --until, and if that is
not before it. Events behind the last checkpoint of a part are counted as not signed.

Exit code 0: all holds. 1: something does not; the first event is named. 2: it could not be checked.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

BUNDLE = "provender audit bundle 1"
CHECKPOINT = "provender audit checkpoint 1"
GENESIS = "sha256:" + "0" * 64
KEY_DIGITS = 16
EXPORT = "audit:export"
HEADER_PARTS = {"format", "first", "last", "until", "head", "peaks"}
SEALED = ("sequence", "at", "actor", "kind", "subject", "detail")
EVENT_PARTS = {*SEALED, "previous", "request", "digest"}
CHECKPOINT_PARTS = {"size", "root", "head", "at", "key", "signature"}
KEY_PARTS = {"id", "public"}
Said = dict[str, Any]
Part = tuple[datetime | None, datetime | None]

# Ed25519, RFC 8032, 5.1: the curve, and its arithmetic in extended coordinates.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)
SIGNATURE_BYTES = 64
KEY_BYTES = 32


class Broken(Exception):
    """The trail is not what was written, from the event ``sequence`` on."""

    def __init__(self, sequence: int, why: str) -> None:
        super().__init__(f"event {sequence}: {why}")
        self.sequence, self.why = sequence, why


class Unusable(Exception):
    """What was given cannot be checked."""


def add(a: Point, b: Point) -> Point:
    """Return the sum of two points."""
    left, right = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    twisted, doubled = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = right - left, doubled - twisted, doubled + twisted, right + left
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    """Return ``scalar`` times ``point``."""
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def same(a: Point, b: Point) -> bool:
    """Return whether two points are one."""
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decompress(data: bytes) -> Point | None:
    """Return the point that 32 bytes are, None if they are none: RFC 8032, 5.1.3."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * SQRT_M1 % P
    if (x * x - squared) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(KEY_BYTES, "little"))


def is_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether ``signature`` is ``public``'s of ``message``: RFC 8032, 5.1.7."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES or BASE is None:
        return False
    key, commitment = decompress(public), decompress(signature[:KEY_BYTES])
    response = int.from_bytes(signature[KEY_BYTES:], "little")
    if key is None or commitment is None or response >= L:
        return False
    challenge = hashlib.sha512(signature[:KEY_BYTES] + public + message).digest()
    times = int.from_bytes(challenge, "little") % L
    return same(multiply(response, BASE), add(commitment, multiply(times, key)))


class Tree:
    """A Merkle tree that grows: the roots of the perfect trees that it is of, the largest first."""

    def __init__(self, size: int, peaks: Sequence[bytes]) -> None:
        if len(peaks) != bin(size).count("1"):
            raise Unusable(f"a tree of {size} leaves has other than {len(peaks)} peaks")
        self.size, self.peaks = size, list(peaks)

    def grow(self, data: bytes) -> None:
        """Add a leaf that holds ``data``."""
        carried, rest = hashlib.sha256(b"\x00" + data).digest(), self.size
        while rest & 1:
            carried, rest = node(self.peaks.pop(), carried), rest >> 1
        self.peaks.append(carried)
        self.size += 1

    def root(self) -> str:
        """Return the root, as it is signed."""
        *others, root = self.peaks
        for peak in reversed(others):
            root = node(peak, root)
        return f"sha256:{root.hex()}"


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash over two."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def canonical(value: Any) -> str:
    """Return the one JSON text of ``value``."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seal(event: dict[str, Any]) -> str:
    """Return the digest that an event is to have: of the canonical list of what it says."""
    said = [event[name] for name in SEALED]
    said.append(event["previous"])
    if event["request"]:
        said.append(event["request"])
    return f"sha256:{hashlib.sha256(canonical(said).encode()).hexdigest()}"


def statement(checkpoint: dict[str, Any]) -> bytes:
    """Return the bytes that are signed."""
    at = checkpoint["at"]
    if "." not in at:  # written without microseconds where there are none
        at = at.replace("+00:00", ".000000+00:00")
    said = (CHECKPOINT, checkpoint["size"], checkpoint["root"], checkpoint["head"], at)
    return "".join(f"{line}\n" for line in (*said, checkpoint["key"])).encode()


class Verifier:
    """Checks a bundle line by line, in constant memory but for the witness's checkpoints."""

    def __init__(
        self, header: Said, keys: dict[str, bytes], witness: Iterable[Said], asked: Part
    ) -> None:
        if header.get("format") != BUNDLE:
            raise Unusable(f"the bundle has format {header.get('format')!r}, this knows {BUNDLE!r}")
        check_parts(header, HEADER_PARTS)
        self.first, self.last = int(header["first"]), int(header["last"])
        self.until, (self.since, self.asked) = header["until"], asked
        self.instant = None if self.until is None else instant(self.until)
        self.ends_with_export, self.exported_since = False, None
        self.tree = Tree(self.first - 1, [bytes.fromhex(peak) for peak in header["peaks"]])
        self.head, self.keys = str(header["head"]), keys
        if self.first == 1 and self.head != GENESIS:
            raise Broken(1, "the trail does not begin with nothing")
        self.proven = self.first - 1
        self.signed = self.checkpoints = self.witnessed = 0
        self.awaited: dict[int, list[dict[str, Any]]] = {}
        for told in witness:
            self.awaited.setdefault(told["size"], []).append(told)
        self.check_beginning()

    def take(self, line: dict[str, Any]) -> None:
        """Check one line behind the header."""
        if len(line) != 1:
            raise ValueError("a line says one thing")
        if "event" in line:
            self.event(line["event"])
        elif "checkpoint" in line:
            self.checkpoint(line["checkpoint"])
            self.checkpoints += 1
        elif "key" in line:  # keys in a bundle are told, not trusted
            check_parts(line["key"], KEY_PARTS)
        else:
            raise Broken(self.tree.size + 1, "there is a line that is neither event nor checkpoint")

    def event(self, event: dict[str, Any]) -> None:
        """Check an event, and what the witness says of the trail up to it."""
        due = self.tree.size + 1
        check_parts(event, EVENT_PARTS)
        if not isinstance(event["request"], str):
            raise TypeError("its request is no text")
        fits = event.get("sequence") == due and event.get("previous") == self.head
        if not fits or event.get("digest") != seal(event):
            raise Broken(due, "it does not fit the ones before it: the trail was changed")
        self.head = event["digest"]
        if due == self.first and self.since and instant(event["at"]) < self.since:
            raise Broken(due, f"it is from before {self.since}, which is not what you asked for")
        self.ends_with_export = event["kind"] == EXPORT and event["detail"].get("until") is None
        said = event["detail"].get("since") if self.ends_with_export else None
        self.exported_since = instant(said) if said else None
        self.tree.grow(bytes.fromhex(self.head[len("sha256:") :]))
        for told in self.awaited.pop(due, ()):
            self.checkpoint(told)
            self.witnessed += 1

    def checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that a checkpoint is signed, and of the events that were read."""
        check_parts(checkpoint, CHECKPOINT_PARTS)
        size, key = checkpoint["size"], checkpoint["key"]
        if size != self.tree.size:
            raise Broken(min(size, self.tree.size + 1), f"a checkpoint of {size} is not there")
        if key not in self.keys:
            raise Broken(size, f"its checkpoint is signed by {key}, which you did not name")
        signature = bytes.fromhex(checkpoint["signature"])
        if not is_signature(self.keys[key], statement(checkpoint), signature):
            raise Broken(size, f"the signature of its checkpoint is not one of the key {key}")
        if checkpoint["root"] != self.tree.root():
            raise Broken(self.proven + 1, f"it or a later one up to {size} is not what was signed")
        self.proven = self.signed = size

    def finish(self) -> dict[str, Any]:
        """Return what holds, after the last line."""
        if self.tree.size != self.last:
            raise Broken(self.tree.size + 1, f"it is not there: the bundle goes up to {self.last}")
        if self.signed < self.first:
            raise Broken(self.first, "no checkpoint signs for it, or for any after it")
        self.check_end()
        return {
            "ok": True,
            "first": self.first,
            "last": self.last,
            "since": self.since and self.since.isoformat(),
            "until": self.until,
            "checkpoints": self.checkpoints,
            "witnessed": self.witnessed,
            "unsigned": self.last - self.signed,
        }

    def check_beginning(self) -> None:
        """Check that the bundle lacks no event before its first, but for what nobody asked for."""
        lacks = f"it is not there: the bundle lacks its beginning before event {self.first}"
        if self.since is None and self.first != 1:
            raise Broken(1, f"{lacks}; if you asked for a part, say --since")
        for size in sorted(size for size in self.awaited if size < self.first):
            if any(self.since and instant(told["at"]) >= self.since for told in self.awaited[size]):
                raise Broken(size, f"{lacks}, and the witness knows of it")

    def check_end(self) -> None:
        """Check that the bundle goes as far as it says, and as whoever checks it asked for."""
        after = self.last + 1
        if self.asked is not None and self.asked != self.instant:
            said = self.until or "the end of the trail"
            raise Broken(after, f"the bundle goes until {said}, which is not what you asked for")
        beyond = [told for some in self.awaited.values() for told in some if self.is_missing(told)]
        if beyond:
            known = max(told["size"] for told in beyond)
            part = f"; the bundle says it is a part, until {self.until}" if self.until else ""
            raise Broken(after, f"it is not there: the witness knows of {known} events{part}")
        if self.until is None and not self.ends_with_export:
            raise Broken(after, "it is not there: a whole bundle ends with its own export")
        if self.until is None and self.since and self.since != self.exported_since:
            said = self.exported_since or "the beginning"
            raise Broken(self.last, f"it is an export since {said}, not what you asked for")
        if self.until is None and self.signed != self.last:
            raise Broken(self.signed + 1, "no checkpoint signs for it, or for any after it")

    def is_missing(self, told: dict[str, Any]) -> bool:
        """Return whether what the witness was told is of an event that the bundle lacks.

        A checkpoint is of the instant of its last event; of those from --until on none is wanted.
        """
        wanted = self.asked is None or instant(told["at"]) < self.asked
        return bool(told["size"] > self.last and wanted)


def check_parts(said: dict[str, Any], parts: set[str]) -> None:
    """Raise ValueError if ``said`` has not just these parts: what nobody sealed is not taken along."""
    if set(said) != parts:
        raise ValueError(f"it is not made of {', '.join(sorted(parts))}")


def instant(said: str) -> datetime:
    """Return the instant of ISO 8601 ``said``, in UTC where it does not say."""
    found = datetime.fromisoformat(said.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)  # noqa: UP017


def verify(
    lines: Iterable[str],
    keys: dict[str, bytes],
    witness: Iterable[dict[str, Any]] = (),
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Return what holds of ``lines`` by the public ``keys``; ``since``, ``until``: what was asked for.

    Raises:
        Broken: something does not hold; the first event is named.
        Unusable: it is no bundle.
    """
    parsed = _parsed(lines)
    try:
        verifier = Verifier(next(parsed), keys, witness, (since, until))
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unusable("it does not begin as a bundle does") from error
    try:
        for line in parsed:
            verifier.take(line)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Broken(verifier.tree.size + 1, f"it cannot be read: {error}") from error
    return verifier.finish()


def read_keys(named: Iterable[str]) -> dict[str, bytes]:
    """Return the public keys in the files ``named``, by their ids."""
    keys = [bytes.fromhex(Path(name).read_text().strip()) for name in named]
    if any(len(key) != KEY_BYTES for key in keys):
        raise Unusable("a public key is 64 hex digits")
    return {hashlib.sha256(key).hexdigest()[:KEY_DIGITS]: key for key in keys}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description="Check an exported audit trail.")
    parser.add_argument("bundle", help="what provender audit export wrote")
    parser.add_argument("--key", action="append", required=True, help="file of a public key")
    parser.add_argument("--witness", help="file that checkpoints were told to")
    parser.add_argument("--since", help="you asked for a part, of what was from that instant on")
    parser.add_argument("--until", help="you asked for a part, of what was before that instant")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        told = Path(asked.witness).read_text().splitlines() if asked.witness else []
        with Path(asked.bundle).open(encoding="utf-8") as lines:
            part = {n: instant(at) for n in ("since", "until") if (at := getattr(asked, n))}
            found = verify(lines, read_keys(asked.key), list(_parsed(told)), **part)
    except Broken as broken:
        found = {"ok": False, "sequence": broken.sequence, "why": broken.why}
    except (Unusable, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found) if asked.json else in_words(found))
    return 0 if found["ok"] else 1


def in_words(found: dict[str, Any]) -> str:
    """Return a report for people."""
    if not found["ok"]:
        return f"BROKEN: event {found['sequence']}: {found['why']}"
    ends = [f"{name} {found[name]}" for name in ("since", "until") if found[name]]
    part = f"; a part, {', '.join(ends)}" if ends else ""
    tail = f"; the last {found['unsigned']} are chained, not signed" if found["unsigned"] else ""
    return (
        f"events {found['first']}-{found['last']} hold, by {found['checkpoints']} checkpoints "
        f"and {found['witnessed']} of the witness{part}{tail}"
    )


def _parsed(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield json.loads(line, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of ``pairs``: one that says a thing twice is read by each as it likes."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it says a thing twice")
    return found


if __name__ == "__main__":
    sys.exit(main())
