"""What a steward changes in what is said about a dataset.

Pure: `edited` says what a dataset becomes, or everything that is wrong with the edit at once.
Whether somebody may edit at all is policy's question; which tags they may put there is ours.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from provender.core.datasets import Dataset
from provender.core.errors import Problems
from provender.core.form import link_problems, text_problems
from provender.core.names import suggest
from provender.core.people import Actor, Owner, Role
from provender.core.tags import Assignment, Taxonomy, may_put

SHOWN = 3
"""How many versions are named."""
HINTED = 20
"""How many unknown names come with a hint: each is compared with all there are."""
WHOLE = "*"
"""How a dataset writes a tag of all its columns among those of one column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The parts that change; None leaves a part as it is.

    ``column_descriptions`` holds those that change: an empty text takes one away.
    """

    description: str | None = None
    documentation: str | None = None
    owners: tuple[Owner, ...] | None = None
    terms: tuple[str, ...] | None = None
    links: tuple[str, ...] | None = None
    assign: tuple[Assignment, ...] = ()
    unassign: tuple[Assignment, ...] = ()
    column_descriptions: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an edit may name: tags, words of the glossary, actors, and columns (none: any)."""

    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    terms: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()


def edited(dataset: Dataset, edit: Edit, *, known: Known, by: Actor) -> Dataset:
    """Return what ``dataset`` becomes by ``edit``; the same if the edit says what is said already.

    Raises:
        Problems: the edit names what is not known, or puts a tag where it may not be or which
            ``by`` may not assign; every problem is listed.
    """
    edit = _plain(edit)
    problems = [
        *_text_problems(dataset, edit),
        *_owner_problems(edit, known),
        *_term_problems(dataset, edit, known),
        *_column_problems(dataset, edit, known),
        *_tag_problems(dataset, edit, known, by),
    ]
    if problems:
        raise Problems(f"the edit of {dataset.ref} cannot be accepted", problems)
    return _retagged(_retold(dataset, edit), edit)


def _plain(edit: Edit) -> Edit:
    """The edit with texts as they are kept, and ``*`` for a column as the dataset."""

    def on_whole(put: Assignment) -> Assignment:
        return replace(put, column="") if put.column == WHOLE else put

    return replace(
        edit,
        description=None if edit.description is None else edit.description.strip(),
        assign=tuple(dict.fromkeys(map(on_whole, edit.assign))),
        unassign=tuple(dict.fromkeys(map(on_whole, edit.unassign))),
    )


def _retold(dataset: Dataset, edit: Edit) -> Dataset:
    told = {
        part: value
        for part in ("description", "documentation", "terms", "links")
        if (value := getattr(edit, part)) is not None
    }
    for part in ("terms", "links"):
        if part in told:
            told[part] = tuple(dict.fromkeys(told[part]))
    if edit.owners is not None:
        told |= _offices(edit.owners)
    if edit.column_descriptions is not None:
        texts = dataset.column_descriptions | edit.column_descriptions
        told["column_descriptions"] = {name: text for name, text in texts.items() if text}
    return replace(dataset, **told)


def _offices(owners: tuple[Owner, ...]) -> dict[str, object]:
    def of(role: Role) -> tuple[str, ...]:
        return tuple(dict.fromkeys(owner.id for owner in owners if owner.role is role))

    return {
        "owner": of(Role.ACCOUNTABLE)[0],
        "stewards": of(Role.STEWARD),
        "deputies": of(Role.DEPUTY),
    }


def taken(before: Dataset, after: Dataset, tags: Collection[str]) -> list[Assignment]:
    """Return what is of ``tags`` on ``before`` or on a column of it, and on ``after`` not there any more.

    With another value it is not there any more: rules may name one.
    """
    left = set(after.assignments)
    return [
        one
        for one in before.assignments
        if one.tag in tags and left.isdisjoint({one, replace(one, column="")})
    ]


@dataclass(frozen=True, slots=True)
class Bared:
    """A ``column`` of ``versions``, but not of what readers get now, that has ``tag`` no more."""

    tag: str
    column: str
    versions: tuple[int, ...]

    def __str__(self) -> str:
        more = f" and {len(self.versions) - SHOWN} more" if self.versions[SHOWN:] else ""
        named = ", ".join(map(str, self.versions[:SHOWN]))
        return f"{self.tag!r} from column {self.column!r}, which only versions {named}{more} have"


def bared(
    before: Dataset,
    after: Dataset,
    tags: Collection[str],
    schemas: Iterable[tuple[int, Collection[str]]],
    *,
    newest: Collection[str],
) -> list[Bared]:
    """Return what of ``tags`` is taken from columns of ``schemas`` that ``newest`` lacks.

    It is how a tag is moved to a column's new name, and opens the old one. ``schemas`` are the
    columns of versions by number; a tag with another value is another tag.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for number, names in schemas:
        for column in sorted(set(names).difference(newest)):
            for tag in sorted(_on(before, column, tags) - _on(after, column, tags)):
                found.setdefault((tag, column), []).append(number)
    return [Bared(tag, column, tuple(numbers)) for (tag, column), numbers in found.items()]


def _on(dataset: Dataset, column: str, tags: Collection[str]) -> set[str]:
    there = (one for one in dataset.assignments if one.column in ("", column))
    return {str(one) for one in there if one.tag in tags}


def _retagged(dataset: Dataset, edit: Edit) -> Dataset:
    if not edit.assign and not edit.unassign:
        return dataset
    gone = set(edit.unassign)
    put = [one for one in dataset.assignments if one not in gone]
    put = list(dict.fromkeys([*put, *edit.assign]))
    columns: dict[str, tuple[str, ...]] = {}
    for one in put:
        if one.column:
            columns[one.column] = (*columns.get(one.column, ()), str(one))
    tags = tuple(str(one) for one in put if not one.column)
    return replace(dataset, tags=tags, column_tags=columns)


def _text_problems(dataset: Dataset, edit: Edit) -> Iterator[str]:
    if edit.description == "":
        yield "description: a dataset needs one"
    yield from text_problems("description", edit.description or "")
    yield from text_problems("documentation", edit.documentation or "", "documentation")
    for column, text in (edit.column_descriptions or {}).items():
        yield from text_problems(f"description of column {column!r}", text)
    for link in edit.links or ():
        if link not in dataset.links:
            yield from link_problems(link)


def _owner_problems(edit: Edit, known: Known) -> Iterator[str]:
    if edit.owners is None:
        return
    accountable = [owner.id for owner in edit.owners if owner.role is Role.ACCOUNTABLE]
    if len(set(accountable)) != 1:
        named = ", ".join(accountable) or "nobody"
        yield f"owners: {named} would be accountable; name exactly one"
    unknown = [who for who in dict.fromkeys(o.id for o in edit.owners) if who not in known.actors]
    for who, hint in _hinted(unknown, known.actors):
        yield f"owners: {who!r} is not declared{hint}"


def _hinted(unknown: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each unknown name, the first few with the known one that they may be meant for."""
    for count, name in enumerate(unknown):
        yield name, f" ({suggest(name, known)})" if count < HINTED else ""


def _term_problems(dataset: Dataset, edit: Edit, known: Known) -> Iterator[str]:
    there = {*known.terms, *dataset.terms}
    unknown = [term for term in dict.fromkeys(edit.terms or ()) if term not in there]
    for term, hint in _hinted(unknown, known.terms):
        yield f"terms: {term!r} is not in the glossary{hint}"


def _column_problems(dataset: Dataset, edit: Edit, known: Known) -> Iterator[str]:
    described = [name for name, text in (edit.column_descriptions or {}).items() if text]
    named = dict.fromkeys([*described, *(put.column for put in edit.assign if put.column)])
    there = {*known.columns, *dataset.column_tags, *dataset.column_descriptions}
    unknown = [column for column in named if known.columns and column not in there]
    for column, hint in _hinted(unknown, known.columns):
        yield f"column {column!r}: there is none{hint}"
    for column in named:
        yield from text_problems(f"column {column[:80]!r}", column, "link")


def _tag_problems(dataset: Dataset, edit: Edit, known: Known, by: Actor) -> Iterator[str]:
    yield from known.taxonomy.misuses(edit.assign, where="tags")
    there = set(dataset.assignments)
    for put in edit.unassign:
        if put not in there:
            place = f"column {put.column!r}" if put.column else "the dataset"
            yield f"tags: {str(put)!r} is not on {place}"
    both = set(edit.assign) & set(edit.unassign)
    yield from (f"tags: {str(put)!r} is both assigned and unassigned" for put in sorted(both))
    moved = dict.fromkeys(put.tag for put in (*edit.assign, *edit.unassign))
    for name in moved:
        tag = known.taxonomy.of(name)
        if tag is not None and not may_put(tag, by):
            yield f"tags: {by} may not assign {name!r}; {' or '.join(tag.assigners)} may"
