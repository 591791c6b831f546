"""What rests on versions of datasets that go: what names them, and models of what does."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import models, naming, retention, whereabouts
from provender.core.erasure import Readers
from provender.core.lineage import NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor


def readers(db: Session, by: Actor, versions: Sequence[str], *, now: datetime) -> Readers:
    """Return what rests on ``versions``, and would be named by a certificate if they went.

    Raises:
        Denied: ``by`` does not govern.
        NotFound: there is no such dataset.
    """
    whereabouts.check_allowed(db, by, now=now)
    return Readers(named(db, [DatasetRef.parse(version) for version in versions]))


def named(db: Session, versions: Sequence[DatasetRef]) -> tuple[str, ...]:
    """Return in words what named one of these versions, and the models that were made of it."""
    datasets = naming.numbers(db, (version.dataset for version in versions))
    pins = {number: retention.pins(db, number) for number in set(datasets.values())}
    found = {
        node
        for version in versions
        for node in pins[datasets[version.dataset]].get(version.version or 0, ())
    }
    sets = [node.name for node in found if node.kind is NodeKind.TRAINING_SET]
    return tuple(sorted(node.words for node in (*found, *models.made_of(db, sets))))
