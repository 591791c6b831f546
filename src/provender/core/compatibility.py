"""Whether a new schema breaks the readers of an old one, column by column and inside of nested types."""

from collections.abc import Iterator

from provender.core.errors import InvalidInput
from provender.core.schema import WIDENS, Compatibility, Schema, Verdict
from provender.core.typewords import Word, parse

Effect = tuple[bool, str]
"""Whether it breaks readers, and in words what it is."""


def compare(old: Schema, new: Schema) -> Compatibility:
    """Return what ``new`` does to readers of ``old``.

    Adding a column, widening a type and promising fewer nulls are compatible; removing a
    column, changing its type otherwise and allowing new nulls break. So it is with the fields of
    structs, the items of lists, and the keys and values of maps. Order does not matter.
    """
    found = list(_effects(old, new))
    breaking = sorted(text for breaks, text in found if breaks)
    harmless = sorted(text for breaks, text in found if not breaks)
    if breaking:
        return Compatibility(Verdict.BREAKING, (*breaking, *harmless))
    if harmless:
        return Compatibility(Verdict.COMPATIBLE, tuple(harmless))
    return Compatibility(Verdict.IDENTICAL)


def _effects(old: Schema, new: Schema) -> Iterator[Effect]:
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    for name in before.keys() - after.keys():
        yield True, f"column {name} is gone"
    for name in after.keys() - before.keys():
        yield False, f"column {name} ({after[name].type}) is new"
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        yield from _of_types(name, was.type, now.type)
        if now.nullable and not was.nullable:
            yield True, f"column {name} may now be null"
        elif was.nullable and not now.nullable:
            yield False, f"column {name} is never null now"


def _of_types(path: str, was: str, now: str) -> Iterator[Effect]:
    if was == now:
        return
    try:
        old, new = parse(was), parse(now)
    except InvalidInput:  # a word that only its engine knows
        yield True, f"column {path} changed from {was} to {now}"
        return
    yield from _inside(path, old, new)


def _inside(path: str, old: Word, new: Word) -> Iterator[Effect]:
    if old.kind != new.kind or not old.parts:
        if old != new:
            wider = str(new) in WIDENS.get(str(old), ())
            word = "widened" if wider else "changed"
            yield not wider, f"column {path} {word} from {old} to {new}"
        return
    before, after = dict(old.parts), dict(new.parts)
    for name in before.keys() | after.keys():
        part = f"{path}.{name}" if old.kind == "struct" else f"{path}[{name}]"
        if name not in after:
            yield True, f"column {part} is gone"
        elif name not in before:
            yield False, f"column {part} ({after[name]}) is new"
        else:
            yield from _inside(part, before[name], after[name])
