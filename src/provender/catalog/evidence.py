"""What a publisher measured of a version, a row for each column, so that rights can close columns.

Of a column with a protected tag nothing but counts is kept. What is told is what `access.told_values`
lets somebody know; of checks of other columns no more than whether they passed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from provender.catalog import access, whence
from provender.catalog.rows import CheckRow, ContractRow, DatasetRow, ProfileRow, TagRow, VersionRow
from provender.core.contracts import CheckResult, Outcome
from provender.core.credentials import found, redacted
from provender.core.datasets import Evidence
from provender.core.digest import canonical
from provender.core.lifecycle import Severity
from provender.core.people import Actor
from provender.core.policy import ColumnRef
from provender.core.profiles import ColumnProfile, KeyCount, Measure, Profile, Relation
from provender.values import from_json, to_json

T = TypeVar("T")

WHOLE = ""
"""The column name of what is of the version as a whole."""


def keep(db: Session, dataset: int, number: int, evidence: Evidence) -> None:
    """Write down the profile and the checks of a version; its run is in the version's own row."""
    if evidence.profile is not None:
        _add_profile(db, dataset, number, evidence.profile)
    _add_checks(db, dataset, number, evidence.checks)


def keep_profile(db: Session, dataset: int, number: int, profile: Profile) -> None:
    """Write down the profile of a version in place of the one that was known of it."""
    db.execute(delete(ProfileRow).where(ProfileRow.dataset == dataset, ProfileRow.number == number))
    _add_profile(db, dataset, number, profile)


def _add_profile(db: Session, dataset: int, number: int, profile: Profile) -> None:
    closed = _without_credentials(_closed(db, dataset, profile))
    db.add_all(
        ProfileRow(dataset=dataset, number=number, column_name=column, value=value)
        for column, value in _parts(closed)
    )


def _without_credentials(profile: Profile) -> Profile:
    """What was measured, without what looks like a credential: nobody wrote that here."""
    said = to_json(profile)
    return from_json(Profile, redacted(said)) if found(said) else profile


def keep_checks(db: Session, dataset: int, number: int, checks: Sequence[CheckResult]) -> None:
    """Write down the checks of a version in place of those that were known of it."""
    of_version = (CheckRow.dataset == dataset, CheckRow.number == number)
    db.execute(delete(CheckRow).where(*of_version))
    _add_checks(db, dataset, number, checks)


def _add_checks(db: Session, dataset: int, number: int, checks: Sequence[CheckResult]) -> None:
    contract = _in_force(db, dataset) if any(one.contract for one in checks) else None
    db.add_all(
        CheckRow(
            dataset=dataset,
            number=number,
            position=position,
            contract=contract if check.contract else None,
            name=check.name,
            column_name=check.column,
            outcome=check.outcome.value,
            severity=check.severity.value,
            detail=check.detail,
        )
        for position, check in enumerate(checks)
    )


def of(db: Session, row: VersionRow) -> Evidence:
    """Return what was measured of the version of ``row``."""
    profiles = select(ProfileRow.column_name, ProfileRow.value).where(
        ProfileRow.dataset == row.dataset, ProfileRow.number == row.number
    )
    parts = {column: value for column, value in db.execute(profiles)}  # noqa: C416 - typed
    wanted = (
        select(CheckRow, ContractRow.contract_id, ContractRow.contract_version)
        .outerjoin(ContractRow, ContractRow.id == CheckRow.contract)
        .where(CheckRow.dataset == row.dataset, CheckRow.number == row.number)
        .order_by(CheckRow.position)
    )
    checks = [
        _check(check, f"{contract} {version}" if contract else "")
        for check, contract, version in db.execute(wanted)
    ]
    profile = _profile(parts)
    return Evidence(
        run=row.run,
        profile=_closed(db, row.dataset, profile) if profile else None,
        checks=tuple(checks),
    )


def seen(db: Session, who: Actor, row: VersionRow, *, now: datetime) -> Evidence:
    """Return what was measured, as far as ``who`` may know the values of the columns that it is of."""
    found = of(db, row)
    if found.profile is None and not found.checks:
        return found
    names = {*row.value.manifest.schema.names, *(check.column for check in found.checks)} - {WHOLE}
    dataset = db.get_one(DatasetRow, row.dataset)
    told = access.told_values(db, who, dataset, names, now=now)
    return replace(
        found,
        profile=found.profile.told(told) if found.profile is not None else None,
        checks=tuple(check.told(told, is_whole=names == told) for check in found.checks),
    )


def protected(db: Session, row: DatasetRow, names: Iterable[str]) -> set[str]:
    """Return those of the columns ``names`` of a dataset that are protected now."""
    tags = set(db.scalars(select(TagRow.name).where(TagRow.protected)))
    asked = set(names)
    came = whence.of_columns(db, [ColumnRef(row.name, name) for name in asked])
    declared = row.value.carrying({one.column: found for one, found in came.items()})
    return {name for name in asked if tags & declared.tags_of(name)}


def _closed(db: Session, dataset: int, profile: Profile) -> Profile:
    """The profile with nothing but counts of the columns that are protected now."""
    names = [column.column for column in profile.columns]
    return profile.closed(protected(db, db.get_one(DatasetRow, dataset), names))


def _parts(profile: Profile) -> Iterator[tuple[str, dict[str, Any]]]:
    names = [column.column for column in profile.columns]
    yield (
        WHOLE,
        {
            "row_count": profile.row_count,
            "relations": profile.relations,
            "keys": profile.keys,
            "measures": profile.measures,
            "columns": names,
        },
    )
    for column in profile.columns:
        yield column.column, {"profile": column}


def _profile(parts: dict[str, dict[str, Any]]) -> Profile | None:
    whole = parts.get(WHOLE)
    if whole is None:
        return None
    return Profile(
        row_count=whole["row_count"],
        columns=tuple(
            from_json(ColumnProfile, canonical(parts[name]["profile"])) for name in whole["columns"]
        ),
        relations=_each(Relation, whole["relations"]),
        keys=_each(KeyCount, whole.get("keys", ())),
        measures=_each(Measure, whole.get("measures", ())),
    )


def _each(kind: type[T], stored: Iterable[Any]) -> tuple[T, ...]:
    return tuple(from_json(kind, canonical(one)) for one in stored)


def _in_force(db: Session, dataset: int) -> int | None:
    there = (ContractRow.dataset == dataset, ContractRow.until_at.is_(None))
    return db.scalar(select(ContractRow.id).where(*there))


def _check(row: CheckRow, contract: str) -> CheckResult:
    return CheckResult(
        name=row.name,
        outcome=Outcome(row.outcome),
        severity=Severity(row.severity),
        detail=row.detail,
        column=row.column_name,
        contract=contract,
    )
