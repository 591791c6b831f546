"""What the tags of resources are of: the names that nothing else in the catalog ever has."""

from collections.abc import Callable

from provender.api.conditions import State
from provender.core.contracts import ContractText
from provender.core.datasets import Entry
from provender.core.errors import NotFound
from provender.core.names import DatasetRef
from provender.core.protocols import Library


def state(entry: Entry) -> State:
    """Return what the answer is the state of that ``entry`` is."""
    return State(entry.urn, entry.revision)


def dataset(catalog: Library, ref: DatasetRef) -> Callable[[], str]:
    """Return how to find the name of a dataset."""
    return lambda: catalog.finder.entry(ref).urn


def contract(catalog: Library, ref: DatasetRef) -> Callable[[], str]:
    """Return how to find the name of the contract of a dataset."""
    return lambda: _called("contract", catalog.finder.entry(ref).dataset.ref.dataset)


def contract_state(found: ContractText) -> State:
    """Return what the answer is the state of that a contract is."""
    return State(_called("contract", found.dataset), found.revision)


def thing(kind: str, key: str) -> Callable[[], str]:
    """Return how to find the name of what is called by its kind and key alone."""
    return lambda: _called(kind, key)


def thing_state(catalog: Library, kind: str, key: str) -> State | None:
    """Return what is in force of an object, by its history; None: nothing is known of it.

    Ask for it before the object itself: what is said between the two is then seen as a change.
    """
    try:
        last = catalog.desk.history(kind, key, limit=1).items
    except NotFound:
        return None
    return State(_called(kind, key), last[0].revision) if last else None


def _called(kind: str, key: str) -> str:
    return f"{kind} {key}"
