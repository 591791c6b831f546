"""A dataset's contract: what its publisher promises, in our reading and as it was written."""

from provender.core.contracts import ContractText
from provender.core.errors import NotFound
from provender.core.names import DatasetRef
from provender.web.page import Page, Visit

MOST_LETTERS = 20_000
MOST_EXPECTATIONS = 100


def contract(visit: Visit) -> Page:
    """The contract in force, with everything that it expects."""
    ref = visit.catalog.finder.entry(DatasetRef.parse(visit.part("name")).at(None)).dataset.ref
    found = visit.catalog.desk.contract(ref)
    return Page(
        template="contract.html",
        title=f"{ref} – contract",
        facts={
            "dataset": ref.dataset,
            "sha256": found.sha256,
            "revision": found.revision,
            "attached_at": found.attached_at,
            "attached_by": found.attached_by,
            "contract": found.contract,
            "text": found.text[:MOST_LETTERS],
        },
        shown={
            "ref": ref,
            "expected": found.contract.expectations[:MOST_EXPECTATIONS],
            "more": len(found.contract.expectations) - MOST_EXPECTATIONS,
            "is_cut": len(found.text) > MOST_LETTERS,
        },
    )


def attached(visit: Visit, ref: DatasetRef) -> ContractText | None:
    """Return the contract in force, None if there is none."""
    try:
        return visit.catalog.desk.contract(ref)
    except NotFound:
        return None
