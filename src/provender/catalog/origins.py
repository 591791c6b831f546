"""Whether training sets and models hang in the graph on what they were made of.

Who may discover one, who is told of it and which tags it has follow from that. One that says that
it is another is forged: the trail tells (`proofs`), and nothing is hung on what it says.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from provender.catalog import lineage, naming, nodes, trained
from provender.catalog.changes import Change
from provender.catalog.nodes import portions
from provender.catalog.rows import EdgeRow, ModelRow, NodeRow, RestsOnRow, TrainingSetRow
from provender.core.lineage import Node, NodeKind
from provender.core.training import TrainingSetManifest

Held = tuple[frozenset[int], frozenset[str]]
"""The datasets, by number, that a node rests on, and what it hangs on: ``4@1``, or a training set."""


def origins(db: Session) -> Iterator[tuple[str, str]]:
    """Training sets and models hang on what they were made of, and show as that does."""
    for manifest in _sets(db):
        yield f"training set {manifest.id}", "does not hang on the versions that it was made of"
    for model in _models(db):
        yield f"model {model.value.id}", f"does not hang on {model.training_set}, or not as that"


def repair_origins(db: Session, change: Change) -> None:
    """Write anew what they hang on."""
    for manifest in list(_sets(db)):
        trained.link_again(db, manifest, now=change.at)
    for model in list(_models(db)):
        of = Node(NodeKind.TRAINING_SET, model.training_set)
        nodes.rest_on(db, model.value.node, ())
        lineage.record_model(db, model.value.node, of)


def _sets(db: Session) -> Iterator[TrainingSetManifest]:
    """Those that do not hang as they should."""
    rows = db.scalars(select(TrainingSetRow).order_by(TrainingSetRow.id))
    every = [row.value for row in rows if row.value.id == row.id]
    for portion in portions(every):
        held = _held(db, (Node(NodeKind.TRAINING_SET, manifest.id) for manifest in portion))
        known = naming.known_numbers(db, {pin.dataset for one in portion for pin in one.pins})
        for manifest in portion:
            pins = {(known.get(pin.dataset, 0), pin.version) for pin in manifest.pins}
            wanted = frozenset(of for of, _ in pins), frozenset(f"{of}@{n}" for of, n in pins)
            if held[manifest.id] != wanted:
                yield manifest


def _models(db: Session) -> Iterator[ModelRow]:
    """Those that do not hang as they should."""
    rows = db.scalars(select(ModelRow).order_by(ModelRow.name, ModelRow.number))
    every = [row for row in rows if row.value.id == f"{row.name}@{row.number}"]
    for portion in portions(every):
        held = _held(db, (row.value.node for row in portion))
        sets = _held(db, (Node(NodeKind.TRAINING_SET, row.training_set) for row in portion))
        for row in portion:
            rests, _ = sets[row.training_set]
            if held[row.value.id] != (rests, frozenset({row.training_set})):
                yield row


def _held(db: Session, wanted: Iterable[Node]) -> dict[str, Held]:
    """What each of ``wanted`` rests and hangs on, by its name."""
    named = set(wanted)
    numbers = nodes.known(db, named)
    names = {number: node.name for node, number in numbers.items()}
    rests: dict[str, set[int]] = {node.name: set() for node in named}
    hangs: dict[str, set[str]] = {node.name: set() for node in named}
    of_node = select(RestsOnRow.node, RestsOnRow.dataset).where(RestsOnRow.node.in_(list(names)))
    for resting, dataset in db.execute(of_node):
        rests[names[resting]].add(dataset)
    above = aliased(NodeRow)
    made_of = (
        select(EdgeRow.downstream, above.kind, above.name, above.dataset)
        .join(above, above.id == EdgeRow.upstream)
        .where(
            EdgeRow.downstream.in_(list(names)),
            above.kind.in_((NodeKind.DATASET, NodeKind.TRAINING_SET)),
        )
    )
    for number, kind, name, of in db.execute(made_of):
        of_dataset = f"{of}@{name.partition('@')[2]}"
        hangs[names[number]].add(of_dataset if kind == NodeKind.DATASET else name)
    return {name: (frozenset(rests[name]), frozenset(hangs[name])) for name in rests}
