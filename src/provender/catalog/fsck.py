"""Whether the catalog is what it should be: every invariant asked of every row.

What a damaged disk, a hand in the database or a fault of ours would break is looked for here,
one check for each thing that the code relies upon. Facts are never made up: only what follows
from others (`REPAIRS`) can be written anew.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from provender.catalog import changes, derived, invariants, origins, proofs
from provender.catalog.changes import Change
from provender.catalog.db import Progress, unheard
from provender.catalog.door import Door
from provender.catalog.operators import check_operates
from provender.core.audit import EventKind
from provender.core.errors import Corrupt
from provender.core.policy import Action

Check = Callable[[Session], Iterable[tuple[str, str]]]
"""Yields what is wrong: what it is about, and what is wrong with it."""
CHECKS: dict[str, Check] = {
    "database": invariants.database,
    "values": invariants.values,
    "audit": invariants.audit_trail,
    "names": invariants.names,
    "versions": invariants.versions,
    "grants": invariants.grants,
    "requests": invariants.requests,
    "holds": invariants.holds,
    "erasures": invariants.erasures,
    "models": invariants.models,
    "history": invariants.history,
    "history-is-current": invariants.history_is_current,
    "trail": proofs.trail,
    "latest": derived.latest,
    "said-of-datasets": derived.said_of_datasets,
    "graph": derived.graph,
    "origins": origins.origins,
    "carried": derived.carried_tags,
    "counters": derived.counters,
    "index": derived.index,
}
"""Every invariant by its name, the cheapest first of those that others rest on."""
REPAIRS: dict[str, Callable[[Session, Change], None]] = {
    "latest": derived.repair_latest,
    "said-of-datasets": derived.repair_said_of_datasets,
    "graph": derived.repair_graph,
    "origins": origins.repair_origins,
    "carried": derived.repair_carried_tags,
    "counters": derived.repair_counters,
    "index": derived.repair_index,
}
"""How what follows from other rows is written anew, from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it should be: by which ``check``, in what, and how."""

    check: str
    subject: str
    says: str
    repaired: bool = False


def examine(door: Door, *, repair: bool = False, progress: Progress = unheard) -> list[Fault]:
    """Return what is wrong with the catalog; with ``repair`` what follows from facts is put right.

    Raises:
        Denied: the actor may not govern.
    """
    with door.reading() as db:
        check_operates(db, door.who(db), doing="check the catalog", now=door.clock())
        found = list(faults(db, progress=progress))
    wrong = [name for name in REPAIRS if any(fault.check == name for fault in found)]
    if not repair or not wrong:
        return found
    with door.writing(Action.GOVERN) as (db, change):
        for name in wrong:
            REPAIRS[name](db, change)
        db.flush()
        db.expire_all()
        left = set(faults(db, progress=progress))
        told = [replace(fault, repaired=fault not in left) for fault in found]
        detail = {"repaired": sorted({fault.check for fault in told if fault.repaired})}
        changes.tell(db, change, EventKind.CATALOG_REPAIR, "catalog", detail)
    return told


def faults(db: Session, *, progress: Progress = unheard) -> Iterator[Fault]:
    """Yield what is wrong, check by check. What cannot be read is wrong once, and asked no further."""
    unreadable = False
    for done, (name, check) in enumerate(CHECKS.items()):
        progress(f"checking {name}", done / len(CHECKS))
        try:
            for subject, says in check(db):
                unreadable |= name == "values"
                yield Fault(check=name, subject=subject, says=says)
        except (Corrupt, ValueError) as error:  # what an earlier check has named already, mostly
            if not unreadable:
                yield Fault(check=name, subject="catalog", says=str(error))
