"""Contracts of datasets: attached as they are written, and given back so, byte for byte."""

from typing import Annotated

from fastapi import Depends, Request, Response

from provender.api import answers, conditions, named
from provender.api.parameters import Asking, AsOf, IfMatch, IfNoneMatch, Name
from provender.api.reading import Verbatim
from provender.api.routes import Routes
from provender.core.contracts import ContractText
from provender.core.errors import (
    Conflict,
    Denied,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problems,
)
from provender.core.names import DatasetRef

YAML = "application/yaml"
LARGEST = 1 << 20
routes = Routes("contracts")


@routes.get("/datasets/{name}/contract", None, media=YAML, raises=(NotFound,))
def get_contract(
    request: Request,
    catalog: Asking,
    name: Name,
    as_of: AsOf = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the contract of a dataset, byte for byte as it was attached."""
    found = catalog.desk.contract(DatasetRef.parse(name), as_of=as_of)
    return answers.verbatim(request, found.raw, media=YAML, state=named.contract_state(found))


@routes.get("/datasets/{name}/contract/promises", ContractText, raises=(NotFound,))
def get_promises(
    request: Request,
    catalog: Asking,
    name: Name,
    as_of: AsOf = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what we read in the contract of a dataset, beside its text."""
    found = catalog.desk.contract(DatasetRef.parse(name), as_of=as_of)
    return answers.answer(request, found, state=named.contract_state(found))


@routes.on(
    "PUT",
    "/datasets/{name}/contract",
    ContractText,
    raises=(NotFound, Denied, Conflict, PreconditionFailed, PreconditionRequired, Problems),
)
def put_contract(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[bytes, Depends(Verbatim(YAML, largest=LARGEST))],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Let a contract judge the versions published from now on; for a first one, If-None-Match: *."""
    ref = DatasetRef.parse(name)
    of = named.contract(catalog, ref)
    expected = conditions.expected_or_none(if_match, if_none_match, of)
    done = catalog.desk.attach(ref, body, expected=expected)
    return answers.answer(request, done, state=named.contract_state(done))
