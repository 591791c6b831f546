"""What a version must be to be one of its dataset, as that is declared."""

from collections import Counter
from contextlib import suppress
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import datasets, naming, standings
from provender.catalog.rows import VersionRow
from provender.core.datasets import Dataset, Manifest
from provender.core.errors import Gone, InvalidInput
from provender.core.lake import dataset_at, is_below
from provender.core.names import DatasetRef, suggest
from provender.core.people import Actor
from provender.core.profiles import Profile

MOST = 2**63 - 1
AT_ONCE = 20


def check(db: Session, number: int, dataset: Dataset, manifest: Manifest) -> None:
    """Check that a version is as ``dataset``, which has that number, is declared.

    Raises:
        InvalidInput: another format or event timestamp, or a tag is on a column nobody ever saw;
            or it lies elsewhere than versions of the dataset do.
        NotFound: its event timestamp is none of its columns.
    """
    check_place(db, dataset.ref, manifest)
    check_facts(manifest)
    if manifest.format is not dataset.format:
        raise InvalidInput(
            f"{dataset.ref} is declared as {dataset.format}, the version is {manifest.format}",
            hint=f"correct {_file(dataset)} or write the rows as {dataset.format}",
        )
    if manifest.event_timestamp != dataset.event_timestamp:
        raise InvalidInput(
            f"{dataset.ref} has the event timestamp {dataset.event_timestamp}, "
            f"the version {manifest.event_timestamp}",
            hint=f"correct {_file(dataset)} or the rows",
        )
    for name in filter(None, [manifest.event_timestamp]):
        manifest.schema.column(name)
    _check_tagged_columns(db, number, dataset, manifest)


def check_place(db: Session, ref: DatasetRef, manifest: Manifest) -> None:
    """Check that ``manifest`` lies where versions of ``ref`` do, by any name it ever had.

    Raises:
        InvalidInput: it does not, or its files do not lie there.
    """
    owner = dataset_at(manifest.location)
    if owner is None or (owner != ref.dataset and owner not in naming.every(db, ref.dataset)):
        raise InvalidInput(
            f"{manifest.location!r} is no place of {ref.dataset}",
            hint=f"versions of it lie in folders of {ref.domain}/{ref.name}; write them there",
        )
    for file in manifest.files:
        if not is_below(file.path):
            raise InvalidInput(
                f"{file.path!r} is no file of a version at {manifest.location}",
                hint="name files relative to the location, without . and ..",
            )


def check_facts(manifest: Manifest) -> None:
    """Check that the numbers and instants of ``manifest`` can be those of rows and files.

    Raises:
        InvalidInput: they cannot.
    """
    numbers = {"rows": manifest.row_count, "bytes": manifest.size_bytes}
    numbers |= {f"bytes of {file.path}": file.size_bytes for file in manifest.files}
    for what, number in numbers.items():
        if not 0 <= number <= MOST:
            raise InvalidInput(f"a version cannot have {number} {what}", hint="count them again")
    events = manifest.event_range
    if events is None:
        return
    if events.earliest.tzinfo is None or events.latest.tzinfo is None:
        raise InvalidInput("the event range has no time zone", hint="give instants in UTC")
    if events.earliest > events.latest:
        raise InvalidInput(
            f"the first event, {events.earliest.isoformat()}, is after the last, "
            f"{events.latest.isoformat()}",
            hint="take the earliest and the latest event timestamp of the rows",
        )


def check_profile(manifest: Manifest, profile: Profile) -> None:
    """Check that ``profile`` is of the rows of ``manifest``, and of its columns, once each.

    Raises:
        InvalidInput: it is not.
    """
    if profile.row_count != manifest.row_count:
        raise InvalidInput(
            f"the profile is of {profile.row_count} rows, the version has {manifest.row_count}",
            hint="profile the rows that are published",
        )
    for name, count in Counter(column.column for column in profile.columns).items():
        if name not in manifest.schema or count > 1:
            raise InvalidInput(
                f"the profile has {count} parts about {name!r}, "
                f"the version has the columns {', '.join(manifest.schema.names)}",
                hint="profile the rows that are published, each column once",
            )


def check_inputs(db: Session, by: Actor, manifest: Manifest, *, now: datetime) -> None:
    """Check that a version was made from others that are there, and for reading.

    That the data of one went since does not matter.

    Raises:
        InvalidInput: an input is named without its version.
        NotFound: there is no such version for ``by``.
        Recalled: it was recalled, and is refused to readers.
    """
    for source in dict.fromkeys(manifest.inputs):
        if source.version is None:
            raise InvalidInput(
                f"input {source} names no version", hint=f"write for example {source}@1"
            )
        row = datasets.found(db, by, source, now=now)
        with suppress(Gone):
            standings.told(row, naming.of_rows(db, [row])[0])


def _check_tagged_columns(db: Session, number: int, dataset: Dataset, manifest: Manifest) -> None:
    """A tag on a column that no version ever had protects nothing, so it is refused."""
    stray = [column for column in dataset.column_tags if column not in manifest.schema]
    if not stray:
        return
    newest_first = select(VersionRow.value).where(VersionRow.dataset == number)
    newest_first = newest_first.order_by(VersionRow.number.desc())
    with db.scalars(newest_first.execution_options(yield_per=AT_ONCE)) as history:
        for version in history:
            stray = [column for column in stray if column not in version.manifest.schema]
            if not stray:
                return
    raise InvalidInput(
        f"{dataset.ref} has tags on column {stray[0]!r}, which it does not have",
        hint=f"{suggest(stray[0], manifest.schema.names)} Correct {_file(dataset)}",
    )


def _file(dataset: Dataset) -> str:
    return f"catalog/datasets/{dataset.ref.domain}/{dataset.ref.name}.yml"
