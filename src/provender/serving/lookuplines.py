"""A lookup and its answer as a line of the lookup log, with entity ids hashed where they must be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from provender.core.features import FieldSpec
from provender.core.lookuplog import LoggedFeature, LogShape
from provender.core.serving import ServedView
from provender.online.answer import Answer
from provender.online.blocks import Block
from provender.online.codec import KeyCodec, hashed_tag
from provender.online.kinds import UNDECLARED, is_null, kind_of
from provender.online.lookup import Question
from provender.online.secrets import HASHED, KEYRING
from provender.online.spelling import plain
from provender.serving.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Seen:
    """A lookup and its answer, as it waits to be written."""

    number: int
    snapshot: Snapshot
    service: str
    question: Question
    answer: Answer[Block]

    @property
    def cells(self) -> int:
        return self.answer.size * (len(self.answer.outputs) + 1)


def shape_of(seen: Seen, *, hash_ids: bool, boot: str) -> tuple[LogShape, Callable[[Seen], bytes]]:
    """Return the shape of a service's lines, and what makes one."""
    plan, manifest = seen.question.plan, seen.snapshot.manifest
    given = {**plan.join_keys, **plan.request}
    hashed = {
        name
        for read in plan.reads
        for name in read.given
        if hash_ids or read.view.entity_ids == HASHED
    }
    shape = LogShape(
        project=plan.project,
        service=seen.service,
        manifest=seen.snapshot.digest,
        given=tuple(replace(item, name=name) for name, item in given.items()),
        features=tuple(
            LoggedFeature(view=ref.view, feature=ref.feature, type=output.type)
            for ref, output in zip(
                manifest.service(seen.service).features, plan.outputs, strict=True
            )
        ),
        hashed=tuple(sorted(hashed)),
    )
    secret = KEYRING.secret(plan.project) if hashed else b""
    columns = {
        item.name: _pseudonyms(item, plan.project, secret) if item.name in hashed else _given(item)
        for item in shape.given
    }
    return shape, lambda seen: _line(seen, columns, boot)


def _line(
    seen: Seen, given: Mapping[str, Callable[[list[Any]], Sequence[Any]]], boot: str
) -> bytes:
    answer, entities = seen.answer, seen.question.entities
    columns = answer.columns()[len(answer.given) :]
    line = {
        "at_us": seen.question.now_us,
        "id": f"{boot}-{seen.number:x}",
        "rows": answer.size,
        "given": [write(entities[name]) for name, write in given.items()],
        "values": [
            exact(column.values, output.type)
            for column, output in zip(columns, answer.outputs, strict=True)
        ],
        "statuses": [column.statuses for column in columns],
        "event_us": [column.event_us for column in columns],
    }
    return orjson.dumps(line, default=str)


def exact(values: Sequence[Any], word: str) -> Sequence[Any]:
    """Return values of the type ``word`` as JSON that loses nothing.

    Instants are ISO 8601. Objects of whose insides nothing is declared are JSON text, as in the
    dataset: it has words for the numbers that are not finite.
    """
    if word in UNDECLARED:
        kind = kind_of(word)
        return [None if value is None else kind.write(value).decode() for value in values]
    if word.endswith("json>>"):
        inner = word.partition("<")[2][:-1]
        return [None if value is None else exact(list(value), inner) for value in values]
    return values if "timestamp" in word else plain(values, word)


def _given(field: FieldSpec) -> Callable[[list[Any]], Sequence[Any]]:
    """Return what writes given values in the one form that their type has."""
    kind, is_text = kind_of(field.type), field.type == "string"

    def one(value: Any) -> Any:
        if is_null(value):
            return None
        packed = kind.write(str(value) if is_text else value)
        return kind.read(packed) if kind.read else packed

    return lambda values: exact([one(value) for value in values], field.type)


def _pseudonyms(
    field: FieldSpec, project: str, secret: bytes
) -> Callable[[list[Any]], Sequence[Any]]:
    """Return what writes in place of ids what stands for them in keys: of each join key alone."""
    alone = KeyCodec(project, ServedView(name="", join_keys=(field,), columns=()))

    def write(values: list[Any]) -> list[str | None]:
        tails = alone.tails([values], len(values))
        return [None if tail is None else hashed_tag(secret, tail[:-1]).decode() for tail in tails]

    return write
