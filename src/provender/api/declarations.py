"""The taxonomy, the glossary, people, domains and rules, one object at a time; and new datasets.

Every kind has the same four routes: they are made from `KINDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any

from fastapi import Query, Request, Response

from provender.api import answers, bodies, conditions, named, paging
from provender.api.parameters import (
    After,
    Asking,
    AsOf,
    Id,
    IfMatch,
    IfNoneMatch,
    Limit,
    Name,
    Text,
)
from provender.api.routes import Routes
from provender.core.datasets import Dataset, Entry, Listed
from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problems,
)
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance, Step
from provender.core.names import DatasetRef, unknown
from provender.core.people import Person
from provender.core.policy import Rule
from provender.core.protocols import Library
from provender.core.tags import Tag

routes = Routes("taxonomy")
WRITES = (NotFound, Denied, Conflict, Problems)
CHANGES = (*WRITES, PreconditionFailed, PreconditionRequired)
Why = Annotated[Text, Query(max_length=2000, description="Why, for the history.")]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, under the plural that its routes and its field of `Governance` go by."""

    kind: str
    plural: str
    type: type[Any]
    name: Callable[[Any], str] = attrgetter("name")


KINDS = (
    Kind("domain", "domains", Domain),
    Kind("person", "people", Person, attrgetter("id")),
    Kind("tag", "tags", Tag),
    Kind("term", "terms", Term),
    Kind("rule", "rules", Rule, attrgetter("id")),
)


def _listing(kind: Kind) -> None:
    def several(
        request: Request,
        catalog: Asking,
        as_of: AsOf = None,
        limit: Limit = 50,
        after: After = "",
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        found = sorted(_all(kind, catalog, as_of), key=kind.name)
        return answers.answer(request, paging.cut(request, found, limit=limit, after=after))

    several.__name__ = f"list_{kind.plural}"
    several.__doc__ = f"Return the {kind.plural} that there are, or were at an instant, by name."
    listed: Any = Listed[kind.type]  # type: ignore[name-defined]
    routes.get(f"/{kind.plural}", listed)(several)


def _reading(kind: Kind) -> None:
    def one(
        request: Request,
        catalog: Asking,
        name: Id,
        as_of: AsOf = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        state = None if as_of else named.thing_state(catalog, kind.kind, name)
        there = {kind.name(found): found for found in _all(kind, catalog, as_of)}
        if name not in there:
            raise unknown(kind.kind, name, there)
        return answers.answer(request, there[name], state=state)

    one.__name__ = f"get_{kind.kind}"
    one.__doc__ = f"Return a {kind.kind}, as it is or was at an instant. Its ETag is for changes."
    routes.get(f"/{kind.plural}/{{name}}", kind.type, raises=(NotFound,))(one)


def _writing(kind: Kind) -> None:
    declared: Any = bodies.declaration_of(kind.type)

    def put(
        request: Request,
        catalog: Asking,
        name: Id,
        body: Annotated[declared, bodies.taken(declared)],
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        if kind.name(body.value) != name:
            raise InvalidInput(
                f"the body declares {kind.name(body.value)!r}, not {name!r}",
                hint="send it to its own address",
            )
        of = named.thing(kind.kind, name)
        expected = conditions.expected_or_none(if_match, if_none_match, of)
        done = catalog.desk.declare(body.value, expected=expected, reason=body.reason)
        return answers.answer(request, done)

    def withdraw(
        request: Request, catalog: Asking, name: Id, reason: Why = "", if_match: IfMatch = None
    ) -> Response:
        expected = conditions.expected(if_match, named.thing(kind.kind, name))
        done = catalog.desk.withdraw(kind.kind, name, expected=expected, reason=reason)
        return answers.answer(request, done)

    put.__name__, withdraw.__name__ = f"put_{kind.kind}", f"withdraw_{kind.kind}"
    put.__doc__ = f"Declare a {kind.kind}, or say it anew, beside what catalog/ declares."
    withdraw.__doc__ = f"Take a {kind.kind} away; catalog/ brings it back, if it declares it."
    where = f"/{kind.plural}/{{name}}"
    routes.on("PUT", where, Step, raises=CHANGES)(put)
    routes.on("DELETE", where, Step, raises=CHANGES)(withdraw)


def _all(kind: Kind, catalog: Library, as_of: Any) -> tuple[Any, ...]:
    said: Governance = catalog.desk.governance(as_of=as_of, datasets=False)
    found: tuple[Any, ...] = getattr(said, kind.plural)
    return found


for _kind in KINDS:
    _listing(_kind)
    _reading(_kind)
    _writing(_kind)

DATASET_DECLARED: Any = bodies.declaration_of(Dataset)


@routes.post("/datasets", Entry, status=201, raises=WRITES)
def declare_dataset(
    request: Request,
    catalog: Asking,
    body: Annotated[DATASET_DECLARED, bodies.taken(DATASET_DECLARED)],
) -> Response:
    """Declare a dataset that is not there yet; one that is, is edited."""
    ref = body.value.ref
    try:
        there = catalog.finder.entry(ref)
    except NotFound:
        catalog.desk.declare(body.value, expected=0, reason=body.reason)
    else:
        raise Conflict(
            f"{there.dataset.ref} is there already, at revision {there.revision}",
            hint=f"change it: PATCH /datasets/{there.dataset.ref}",
        )
    where = answers.address(request, "datasets", ref.dataset)
    return answers.answer(request, catalog.finder.entry(ref), status=201, location=where)


@routes.on("PUT", "/datasets/{name}/declaration", Step, raises=CHANGES)
def put_dataset(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[DATASET_DECLARED, bodies.taken(DATASET_DECLARED)],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Say all of a dataset anew, for who governs; If-Match is its ETag, If-None-Match: * a new one."""
    if body.value.ref.dataset != name:
        raise InvalidInput(
            f"the body declares {body.value.ref.dataset}, not {name}",
            hint="send it to its own address",
        )
    of = named.dataset(catalog, body.value.ref)
    expected = conditions.expected_or_none(if_match, if_none_match, of)
    done = catalog.desk.declare(body.value, expected=expected, reason=body.reason)
    return answers.answer(request, done)


@routes.on("DELETE", "/datasets/{name}", Step, raises=CHANGES)
def withdraw_dataset(
    request: Request, catalog: Asking, name: Name, reason: Why = "", if_match: IfMatch = None
) -> Response:
    """Take a dataset away that has no versions."""
    of = named.dataset(catalog, DatasetRef.parse(name))
    expected = conditions.expected(if_match, of)
    done = catalog.desk.withdraw("dataset", name, expected=expected, reason=reason)
    return answers.answer(request, done)


@routes.post("/governance/withdraw", Step, raises=CHANGES)
def withdraw_object(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.Withdrawal, bodies.taken(bodies.Withdrawal)],
    if_match: IfMatch = None,
) -> Response:
    """Take an object of any kind away; If-Match is its revision in quotes, as its history says."""
    expected = conditions.expected(if_match, named.thing(body.kind, body.name))
    done = catalog.desk.withdraw(body.kind, body.name, expected=expected, reason=body.reason)
    return answers.answer(request, done)
