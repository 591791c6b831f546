"""Models: each version with the training set that it was made of, found by who may discover that.

A name is one in a project: ``project/name``.

The end of lineage: tags travel to a model along the columns of its training set, and who erases
or recalls data is told which models learnt from it.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    audit,
    changes,
    consumption,
    datasets,
    features,
    lineage,
    projects,
)
from provender.catalog.changes import Change
from provender.catalog.door import Door
from provender.catalog.nodes import portions
from provender.catalog.records import check_limit, position
from provender.catalog.rows import ModelRow
from provender.core.audit import EventKind
from provender.core.datasets import Listed
from provender.core.digest import digest
from provender.core.errors import Conflict, Denied, InvalidInput
from provender.core.lineage import Node, NodeKind
from provender.core.models import ModelVersion, Trained, check, found_again, in_project, parts
from provender.core.names import unknown
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.training import TrainingSetManifest

SUGGESTED = 2000


class LocalModels:
    """`core.models.Models` in this process."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def record(self, trained: Trained) -> ModelVersion:
        """Return the version that a model is: a new one, or the one that it is already."""
        with self._door.writing(Action.READ) as (db, change):
            return record(db, self._door.who(db), trained, change=change)

    def version(self, name: str, number: int | None = None) -> ModelVersion:
        """Return a version of the model ``name``, the newest if no ``number`` is said."""
        with self._door.reading() as db:
            return version(db, self._door.who(db), name, number, now=self._door.clock())

    def versions(self, name: str, *, limit: int = 50, after: str = "") -> Listed[ModelVersion]:
        """Return the versions of the model ``name``, the newest first."""
        check_limit(limit)
        below = position(after)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            found = versions(db, who, name, below=below, limit=limit + 1, now=now)
        shown = tuple(found[:limit])
        return Listed(shown, str(shown[-1].number) if len(found) > limit else None)

    def models(self, *, limit: int = 50, after: str = "") -> Listed[ModelVersion]:
        """Return the newest version of every model, by name."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            found = newest(db, who, after=after, limit=limit + 1, now=now)
        shown = tuple(found[:limit])
        return Listed(shown, shown[-1].trained.name if len(found) > limit else None)


def record(db: Session, by: Actor, trained: Trained, *, change: Change) -> ModelVersion:
    """Return the version that a model is: a new one, or the one that it is already.

    Who made the training set says what was made of it: they had a permit to read it.

    Raises:
        InvalidInput: something that is said of it cannot be.
        NotFound: there is no such training set for ``by``, or no definitions of its project.
        Denied: ``by`` did not make it, or somebody else owns its project.
        Conflict: the name is somebody else's, or something else was said of the same artifact.
        Gone, Recalled: data that it was made of was erased, or is refused to readers, since.
    """
    made_of = features.training_set(db, by, trained.training_set, now=change.at)
    _check_made(db, by, made_of, now=change.at)
    name = in_project(made_of.spec.project, trained.name)
    said = check(replace(trained, name=name, training_set=made_of.id))  # the start of an id will do
    _check_name(db, by, said.name, made_of, now=change.at)
    there = db.scalars(_same(said)).first()
    if there is not None:
        return found_again(there, said)
    for pin in made_of.pins:  # who erased or recalled it was told of those models that there were
        datasets.resolve(db, by, pin, now=change.at)
    last = db.scalar(select(func.max(ModelRow.number)).where(ModelRow.name == said.name)) or 0
    new = ModelVersion(number=last + 1, trained=said, created_by=by.id, created_at=change.at)
    _add(db, new, made_of, change=change)
    return new


def version(
    db: Session, who: Actor, name: str, number: int | None, *, now: datetime
) -> ModelVersion:
    """Return a version of a model, the newest if no ``number`` is said.

    Raises:
        NotFound: there is none, or it was made of data that ``who`` may not discover.
        InvalidInput: several projects have a model of that name.
    """
    shown = _shown(db, who, now=now)
    name = _whole_name(db, shown, name)
    wanted = shown.where(ModelRow.name == name).order_by(ModelRow.number.desc())
    if number is not None:
        wanted = wanted.where(ModelRow.number == number)
    found = db.scalars(wanted.limit(1)).first()
    if found is None:
        raise _unknown(db, shown, name, number)
    return found


def versions(
    db: Session, who: Actor, name: str, *, below: int | None, limit: int, now: datetime
) -> list[ModelVersion]:
    """Return versions of a model, the newest first, ``below`` the one of that number.

    Raises:
        NotFound, InvalidInput: as `version`.
    """
    name = version(db, who, name, None, now=now).trained.name
    wanted = _shown(db, who, now=now).where(ModelRow.name == name)
    if below is not None:
        wanted = wanted.where(ModelRow.number < below)
    return list(db.scalars(wanted.order_by(ModelRow.number.desc()).limit(limit)))


def newest(db: Session, who: Actor, *, after: str, limit: int, now: datetime) -> list[ModelVersion]:
    """Return the newest version of each model that ``who`` may discover, beyond the name ``after``."""
    shown = features.shown_ids(db, who, now=now)
    last = (
        select(ModelRow.name, func.max(ModelRow.number).label("number"))
        .where(ModelRow.training_set.in_(shown), ModelRow.name > after)
        .group_by(ModelRow.name)
        .order_by(ModelRow.name)
        .limit(limit)
        .subquery()
    )
    same = (ModelRow.name == last.c.name) & (ModelRow.number == last.c.number)
    return list(db.scalars(select(ModelRow.value).join(last, same).order_by(ModelRow.name)))


def made_of(db: Session, training_sets: Collection[str]) -> Iterator[Node]:
    """Yield the models that were made of ``training_sets``."""
    for portion in portions(training_sets):
        for found in db.scalars(select(ModelRow.value).where(ModelRow.training_set.in_(portion))):
            yield found.node


def _check_made(db: Session, by: Actor, made_of: TrainingSetManifest, *, now: datetime) -> None:
    """Of a training set from before ids were one maker's the audit trail names every maker.

    Who may not know the project does not ask which names of it are taken. What was made of
    nothing that is governed says of no permit who may know of it.
    """
    projects.check_scope(by, made_of.spec.project)
    features.repo(db, by, made_of.spec.project, now=now)
    if not made_of.pins:
        raise InvalidInput(
            f"training set {made_of.id} was made of no dataset of the catalog",
            hint="record a model of a training set whose data the catalog knows",
        )
    kind = EventKind.TRAINING_SET_RECORD
    if made_of.created_by != by.id and not (
        made_of.bare and audit.events(db, kind=kind, actor=by.id, subjects=[made_of.id], limit=1)
    ):
        raise Denied(
            f"{by} did not make the training set {made_of.id}, and may not say what was made of it",
            hint="record a model as who made its training set; or make one of your own, which takes "
            "the right to read its data",
        )


def _check_name(
    db: Session, by: Actor, name: str, made_of: TrainingSetManifest, *, now: datetime
) -> None:
    """A model is of who owns its project, else of who recorded it first; and of who governs.

    Where somebody owns the project nobody else is told which names are taken.
    """
    project = made_of.spec.project
    owner = projects.owner_of(db, project)
    earliest = select(ModelRow.value).where(ModelRow.name == name).order_by(ModelRow.number)
    first = None if owner else db.scalars(earliest.limit(1)).first()
    whose = owner or (first.created_by if first else by.id)
    if whose in (by.id, *by.teams) or access.governs(db, by, now=now):
        return
    if owner:
        raise Denied(
            f"project {project} is {owner}'s: its models are not for {by} to record",
            hint=f"ask {owner} to record it, or train for a project of your own",
        )
    raise Conflict(
        f"the name {name!r} is taken",
        hint="take another name; or let who recorded it first record it",
    )


def _same(said: Trained) -> Select[ModelVersion]:
    return select(ModelRow.value).where(
        ModelRow.name == said.name,
        ModelRow.training_set == said.training_set,
        ModelRow.artifact == said.artifact,
    )


def _add(db: Session, new: ModelVersion, made_of: TrainingSetManifest, *, change: Change) -> None:
    said = new.trained
    db.add(
        ModelRow(
            name=said.name,
            number=new.number,
            training_set=said.training_set,
            artifact=said.artifact,
            value=new,
        )
    )
    lineage.record_model(db, new.node, Node(NodeKind.TRAINING_SET, said.training_set))
    kind = NodeKind.MODEL.value
    consumption.keep(db, change, [consumption.Use(pin, kind, new.id) for pin in made_of.pins])
    changes.tell(
        db,
        change,
        EventKind.MODEL_RECORD,
        new.id,
        {
            "training_set": said.training_set,
            "purpose": made_of.spec.purpose,
            "artifact": said.artifact,
            "uri": said.uri,
            "metrics": said.metrics,
            "description": digest(said.description),
        },
    )


def _shown(db: Session, who: Actor, *, now: datetime) -> Select[ModelVersion]:
    of_sets = features.shown_ids(db, who, now=now)
    return select(ModelRow.value).where(ModelRow.training_set.in_(of_sets))


def _whole_name(db: Session, shown: Select[ModelVersion], name: str) -> str:
    """The ``project/name`` of a model that may be called by its own name only."""
    if "/" in name:
        return name
    ending = shown.with_only_columns(ModelRow.name).distinct().order_by(ModelRow.name)
    some = db.scalars(ending.where(ModelRow.name.endswith(f"/{name}", autoescape=True)))
    found = [one for one in some if parts(one)[1] == name]
    if len(found) > 1:
        raise InvalidInput(
            f"{len(found)} projects have a model {name!r}",
            hint=f"say which: {', '.join(found[:8])}",
        )
    return found[0] if found else name


def _unknown(db: Session, shown: Select[ModelVersion], name: str, number: int | None) -> Exception:
    of_name = shown.where(ModelRow.name == name).with_only_columns(ModelRow.number)
    numbers = list(db.scalars(of_name.order_by(ModelRow.number.desc()).limit(SUGGESTED)))
    if number is not None and numbers:
        there = [f"{name}@{one}" for one in numbers]
        return unknown("model version", f"{name}@{number}", there)
    names = shown.with_only_columns(ModelRow.name).distinct().limit(SUGGESTED)
    return unknown("model", name, db.scalars(names))
