"""Erasures: what makes the rows of one subject go, and the signed word that they did.

A subject is a value of a join key, such as ``driver_id=17``. The value itself is kept nowhere:
what is sought is a set of keyed digests, and whoever has the key finds the rows again, after a
kill or a restore, and nobody else can say whose they were. Pure: the key is handed in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from provender.core.datasets import NO_EVIDENCE, Evidence, Listed, Manifest
from provender.core.digest import canonical, digest, hmac_sha256, short
from provender.core.errors import Conflict, Corrupt, InvalidInput
from provender.core.lineage import Node, NodeKind

FORMAT = "provender erasure 1"
PREFIX = "er_"
MODEL = Node(NodeKind.MODEL, "").words
ERASED = "a subject was erased from it, certificate "
"""Why the data of a version is gone, before the id of the erasure."""
PRODUCER = "provender erase"


class State(StrEnum):
    """How far an erasure is. ``restored``: a backup of before was restored, so it has to be done again."""

    OPEN = "open"
    RESTORED = "restored"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The columns of a dataset in which values of the join key are."""

    dataset: str
    urn: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a subject can be. ``unkeyed`` were made from those places, and tell nobody apart;
    ``elsewhere`` is what others keep, who have to be told.
    """

    places: tuple[Place, ...] = ()
    unkeyed: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is to be done about a dataset: versions that hold the subject go; none, where none does.

    ``looked`` are the versions that were looked into.
    ``manifest`` is what comes after ``before``, the version that readers got, without its
    ``rows`` of the subject; None: readers got none that held it, or nothing is left of it.
    ``files`` are those that only versions have which go.
    """

    dataset: str
    erased: tuple[int, ...]
    looked: tuple[int, ...] = ()
    before: int | None = None
    rows: int = 0
    files: int = 0
    size_bytes: int = 0
    manifest: Manifest | None = None
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was done about a dataset: ``after`` is what came in place of ``before``, if anything did."""

    dataset: str
    urn: str
    columns: tuple[str, ...]
    erased: tuple[int, ...] = ()
    manifests: tuple[str, ...] = ()
    before: int | None = None
    after: int | None = None
    rows: int = 0
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """How many keys of a feature view went from the online store. ``whole``: all that it had.

    ``rewritten``: the store's files were written anew since; else they hold the keys until it does so.
    """

    project: str
    view: str
    keys: int
    whole: bool = False
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Readers:
    """What rests on versions that go: training sets, views, saved datasets, and models of those sets."""

    readers: tuple[str, ...]

    @property
    def to_decide(self) -> tuple[str, ...]:
        """The models: they learnt from the subject, and go on."""
        return tuple(one for one in self.readers if one.startswith(MODEL))

    @property
    def refused(self) -> tuple[str, ...]:
        """The others, which cannot be made again as they were."""
        return tuple(one for one in self.readers if not one.startswith(MODEL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An erasure as far as it is; once it is done, its certificate.

    ``sought`` are the keyed digests of the subject, by the key that is called ``key``.
    ``readers`` are training sets, views and saved datasets that named a version which went: they
    are refused; and models that were made of such training sets, about which somebody decides.
    ``signature`` is Ed25519's over `statement`, with the audit trail's key ``signed_by``.
    """

    id: str
    join_key: str
    sought: tuple[str, ...]
    key: str
    reason: str
    by: str
    at: datetime
    scope: Scope
    state: State = State.OPEN
    erased: tuple[Erased, ...] = ()
    readers: tuple[str, ...] = ()
    online: tuple[Dropped, ...] = ()
    finished_at: datetime | None = None
    signed_by: str = ""
    signature: str = ""

    @property
    def digest(self) -> str:
        """The identity of the certificate."""
        return digest(self)

    @property
    def to_decide(self) -> tuple[str, ...]:
        """As `Readers.to_decide`."""
        return Readers(self.readers).to_decide

    @property
    def refused(self) -> tuple[str, ...]:
        """As `Readers.refused`."""
        return Readers(self.readers).refused


class Erasures(Protocol):
    """How subjects are erased: for who governs."""

    def foresee(self, join_key: str, *, datasets: Sequence[str] = ()) -> Scope:
        """Return where values of ``join_key`` are; in ``datasets`` only, where some are named."""
        ...

    def begin(
        self,
        join_key: str,
        sought: Sequence[str],
        *,
        key: str,
        reason: str,
        datasets: Sequence[str] = (),
    ) -> Erasure:
        """Return a new erasure; one that is not done, of the same subject and places, as it is."""
        ...

    def erase(self, identity: str, found: Found) -> Erasure:
        """Return an erasure after versions of a dataset went, and the next one took their place.

        Of a dataset that holds nothing that is told, too: else nobody looked into it.
        """
        ...

    def finish(self, identity: str, *, online: Sequence[Dropped] = ()) -> Erasure:
        """Return the certificate of an erasure: it is done, and all of its scope was looked into."""
        ...

    def readers(self, versions: Sequence[str]) -> Readers:
        """Return what rests on ``versions``, ``domain.name@version``, and would be named if they went."""
        ...

    def erasure(self, identity: str) -> Erasure: ...

    def erasures(self, *, limit: int = 50, after: str = "") -> Listed[Erasure]: ...


def parse_subject(text: str) -> tuple[str, str]:
    """Return the join key and the value that ``join_key=value`` says.

    Raises:
        InvalidInput: it says none.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value:
        raise InvalidInput(
            "a subject is a join key and its value", hint="write it like driver_id=17"
        )
    return name.strip(), value


def parse_subjects(texts: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the join key and the values of several subjects.

    Raises:
        InvalidInput: there is none, or they are of several join keys.
    """
    parsed = [parse_subject(text) for text in texts]
    names = {name for name, _ in parsed}
    if len(names) != 1:
        raise InvalidInput(
            f"an erasure is of one join key, not of {', '.join(sorted(names)) or 'none'}",
            hint="write subjects like driver_id=17, and erase those of another join key apart",
        )
    return names.pop(), tuple(value for _, value in parsed)


def check_reason(reason: str, values: Iterable[str]) -> str:
    """Return why subjects are erased, which must not name one.

    Raises:
        InvalidInput: there is no reason, or it has the value.
    """
    if not reason.strip():
        raise InvalidInput("an erasure has a reason", hint='say --reason "request 2026-17"')
    words = reason.replace(",", " ").split()
    if any(value in words or (len(value) > 3 and value in reason) for value in values):
        raise InvalidInput(
            "the reason names the subject, and stays", hint="name the request, not the person"
        )
    return reason.strip()


def spelled(value: Any) -> Iterator[str]:
    """Yield how a value of a column is written, whatever its type; of a nested one each within it.

    Bytes are ``0x`` and hex digits, and the text that they are.
    """
    match value:
        case None:
            return
        case bool():
            yield "true" if value else "false"
        case float() | Decimal() if value == value and value % 1 == 0:
            yield str(int(value))
        case bytes():
            yield f"0x{value.hex()}"
            yield value.decode(errors="replace")
        case Mapping():
            for item in value.values():
                yield from spelled(item)
        case list() | tuple():
            for item in value:
                yield from spelled(item)
        case _:
            yield str(value)


def forms(value: str, keys: Iterable[bytes]) -> tuple[str, ...]:
    """Return every way in which ``value`` stands in a column: as it is, and masked by hashes.

    ``keys`` are those of projects (`core.effects.project_key`), whose masks give them.
    """
    found = [value]
    for key in keys:
        hashed = hmac_sha256(key, value.encode())
        whole = (int.from_bytes(hashed[:8], "big", signed=signed) for signed in (True, False))
        found += [hashed.hex(), f"0x{hashed.hex()}", *map(str, whole)]
    return tuple(dict.fromkeys(found))


def sealed(secret: bytes, join_key: str, form: str) -> str:
    """Return the keyed digest by which a value of ``join_key`` is known: 64 hex digits."""
    return hmac_sha256(secret, f"{join_key}={form}".encode()).hex()


@dataclass(frozen=True, slots=True)
class Sought:
    """What knows the values of a subject when it sees them."""

    secret: bytes = field(repr=False)
    join_key: str
    digests: frozenset[str]

    def is_of(self, value: Any) -> bool:
        """Return whether ``value``, or one within it, is the subject's."""
        return any(self.is_form(form) for form in spelled(value))

    def is_form(self, form: str) -> bool:
        """Return whether what is written so is the subject's."""
        return sealed(self.secret, self.join_key, form) in self.digests


def columns_of(
    join_key: str,
    joined: Iterable[tuple[str, str]],
    schemas: Mapping[str, frozenset[str]],
    made_from: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, tuple[str, ...]]:
    """Return the columns with values of ``join_key`` of each dataset that has such.

    They are called so, or feature views join by them as ``joined`` says, or they are said to be made
    from one: ``made_from`` has ``domain.name.column`` by dataset and column. ``schemas`` are the columns
    that any version of a dataset ever had.
    """
    found = {(name, join_key) for name, columns in schemas.items() if join_key in columns}
    found |= set(joined)
    named = {one for columns in made_from.values() for many in columns.values() for one in many}
    called_so = {one for one in named if one.rpartition(".")[2] == join_key}
    more = True
    while more:
        known = called_so | {f"{name}.{column}" for name, column in found}
        further = {
            (name, column)
            for name, columns in made_from.items()
            for column, sources in columns.items()
            if known.intersection(sources)
        }
        more = not further <= found
        found |= further
    there = sorted((n, c) for n, c in found if c in schemas.get(n, ()))
    return {name: tuple(c for n, c in there if n == name) for name, _ in there}


def identity_of(join_key: str, sought: Sequence[str], scope: Scope, at: datetime) -> str:
    """Return ``er_`` and 16 hex digits: no number, which a restored catalog would give again."""
    return PREFIX + short(digest([join_key, sought, scope, at]), length=16)


def with_erased(erasure: Erasure, done: Erased) -> Erasure:
    """Return the erasure with what was ``done``, together with what was before about that dataset.

    What is done again, as after a kill, counts once.

    Raises:
        Conflict: it is done.
    """
    check_going_on(erasure)
    others = [one for one in erasure.erased if one.urn != done.urn]
    before = next((one for one in erasure.erased if one.urn == done.urn), None)
    if before is not None:
        further = [number for number in done.erased if number not in before.erased]
        counted = (done.rows, done.files, done.size_bytes) if further else (0, 0, 0)
        rows, files, size_bytes = counted
        done = replace(
            done,
            erased=(*before.erased, *further),
            manifests=tuple(dict.fromkeys((*before.manifests, *done.manifests))),
            before=before.before or done.before,
            after=done.after or before.after,
            rows=before.rows + rows,
            files=before.files + files,
            size_bytes=before.size_bytes + size_bytes,
        )
    return replace(erasure, erased=(*others, done))


def check_going_on(erasure: Erasure) -> None:
    """Check that something can be done for an erasure still.

    Raises:
        Conflict: it is done.
    """
    if erasure.state is State.DONE:
        raise Conflict(
            f"the erasure {erasure.id} is done",
            hint=f"show its certificate: provender erase show {erasure.id}",
        )


def statement(erasure: Erasure) -> bytes:
    """Return the bytes that are signed: the format, and the canonical JSON without the signature."""
    return f"{FORMAT}\n{canonical(replace(erasure, signature=''))}\n".encode()


def unsigned(what: str) -> Corrupt:
    """Return that the signature of a certificate does not hold."""
    return Corrupt(
        f"{what} is not what was signed, or by none of the known keys",
        hint="get it again: provender erase show ID --json; keys are named in PROVENDER_AUDIT_KEYS",
    )
