"""``provender dataset retention|hold|expire``: how long the data of versions is kept."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from provender.cli.output import as_json, show, size, table

if TYPE_CHECKING:
    from provender.core.names import DatasetRef
    from provender.core.protocols import Library
    from provender.core.retention import Due, Retention

dry = click.option("--dry-run", is_flag=True, help="Write nothing; show what would go, and why.")
revision = click.option(
    "--expected", type=int, help="Refuse if the dataset is at another revision."
)


@click.command()
@click.argument("name")
@click.option(
    "--keep-versions", type=int, metavar="N", help="Keep the data of the last N versions."
)
@click.option("--keep-days", type=int, metavar="D", help="Keep data published in the last D days.")
@click.option("--forever", is_flag=True, help="Keep everything again.")
@dry
@revision
@as_json
def retention(
    name: str,
    *,
    keep_versions: int | None,
    keep_days: int | None,
    forever: bool,
    dry_run: bool,
    expected: int | None,
    as_json: bool,
) -> None:
    """Say how long the data of dataset NAME is kept; without options, show what is due.

    With both numbers, data goes that is past both. Nothing goes before provender dataset expire.
    """
    from provender.core.errors import InvalidInput
    from provender.sdk import connect

    if forever and (keep_versions is not None or keep_days is not None):
        raise InvalidInput("--forever keeps everything", hint="leave the numbers out")
    with connect() as workspace:
        ref, rule = _in_force(workspace.catalog, name)
        wanted: Retention | None = None
        if forever or keep_versions is not None or keep_days is not None:
            wanted = replace(rule, keep_versions=keep_versions, keep_days=keep_days)
        found = workspace.catalog.desk.retention(
            ref, wanted, expected=expected, dry_run=dry_run or wanted is None
        )
    _tell(found, wanted or rule, machine=as_json)


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Why no data of it may go.")
@click.option("--lift", is_flag=True, help="Let retention go on; for who governs.")
@revision
@as_json
def hold(name: str, *, reason: str, lift: bool, expected: int | None, as_json: bool) -> None:
    """Keep all data of dataset NAME, whatever its retention says, until the hold is lifted."""
    from provender.core.errors import InvalidInput
    from provender.sdk import connect

    if lift == bool(reason):
        raise InvalidInput(
            "a hold is placed for a reason, or lifted", hint="say --reason WHY, or --lift"
        )
    with connect() as workspace:
        ref, rule = _in_force(workspace.catalog, name)
        wanted = replace(rule, hold=reason)
        found = workspace.catalog.desk.retention(ref, wanted, expected=expected, dry_run=False)
    _tell(found, wanted, machine=as_json)


@click.command()
@click.argument("name")
@dry
@as_json
def expire(name: str, *, dry_run: bool, as_json: bool) -> None:
    """Let the data of dataset NAME go that its retention does not keep; manifests stay."""
    from provender.sdk import connect

    with connect() as workspace:
        _, rule = _in_force(workspace.catalog, name)
        done = workspace.expire(name, dry_run=dry_run)
    more = {"files": done.files, "size_bytes": done.size_bytes, "dry_run": dry_run}
    _tell(list(done.due), rule, machine=as_json, verb="would go" if dry_run else "went", more=more)
    if not as_json and not dry_run:
        click.echo(f"{done.files:,} files were removed, {size(done.size_bytes)}")


def _in_force(catalog: "Library", name: str) -> "tuple[DatasetRef, Retention]":
    """The dataset, and how long its data is kept now, as history says."""
    from provender.core.digest import canonical
    from provender.core.errors import InvalidInput, NotFound
    from provender.core.names import DatasetRef
    from provender.core.retention import NONE, Retention
    from provender.values import from_json

    ref = DatasetRef.parse(name)
    if ref.version is not None:
        raise InvalidInput(f"{name} names a version", hint=f"retention is of {ref.dataset}")
    catalog.dataset(ref)
    try:
        (last, *_) = catalog.desk.history("retention", ref.dataset, limit=1).items
    except (NotFound, ValueError):
        return ref, NONE
    return ref, from_json(Retention, canonical(last.value))


def _last(versions: int) -> str:
    return "the last version" if versions == 1 else f"the last {versions:,} versions"


def _tell(
    found: "list[Due]",
    rule: "Retention",
    *,
    machine: bool,
    verb: str = "is due",
    more: dict[str, Any] | None = None,
) -> None:
    def human() -> None:
        kept = [_last(rule.keep_versions)] if rule.keep_versions else []
        kept += [f"{rule.keep_days} days"] if rule.keep_days is not None else []
        click.echo(f"kept: {' or '.join(kept) or 'everything'}")
        if rule.hold:
            click.echo(f"on hold: {rule.hold}")
        table(
            ("version", "what", "size", "why"),
            ((d.ref, verb if d.goes else "stays", size(d.size_bytes), d.because) for d in found),
            empty="there is no data",
        )

    show({"retention": rule, "versions": found, **(more or {})}, machine=machine, human=human)
