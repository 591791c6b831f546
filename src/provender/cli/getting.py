"""``provender dataset get`` and ``provender dataset convert``: the same data in another age or format."""

import re
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.counting import telling
from provender.cli.instants import Instant
from provender.cli.measured import purpose_option
from provender.cli.output import as_json, fields, show, size

if TYPE_CHECKING:
    from provender.offline.answer import Progress
    from provender.sdk.getting import Reading

AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """A duration such as 90m, 12h or 7d."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        found = AGE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not an age; write for example 90m, 12h or 7d", param, ctx)
        return timedelta(**{UNITS[found[2]]: float(found[1])})


@click.command("get")
@click.argument("name")
@click.option("--version", type=int, help="That version; default: the latest.")
@click.option("--as-of", type=Instant(), help="The latest of that instant, UTC.")
@click.option("--max-age", type=Age(), help="Refuse data that is older, for example 12h.")
@click.option("--format", "wanted", help="In that format; converted if nobody did yet.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Copy the files there; default: say where they are.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    help="That column only, into the Parquet file --output; several may be said.",
)
@purpose_option
@click.option("--project", default="", help="Hash masked values as its training sets are.")
@as_json
def get_dataset(
    name: str,
    version: int | None,
    as_of: datetime | None,
    max_age: timedelta | None,
    wanted: str | None,
    output: Path | None,
    columns: tuple[str, ...],
    purpose: str | None,
    project: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Get dataset NAME in the age and the format that you want."""
    from provender.sdk import connect

    if columns and not output:
        raise click.UsageError("--column is for --output")
    if output:
        _check_target(name, wanted or "", output)
    with connect() as workspace, telling() as progress:
        reading = workspace.get(
            name,
            version=version,
            as_of=as_of,
            max_age=max_age,
            format=wanted,
            purpose=purpose,
            project=project,
            progress=progress,
        )
        place = _copied(reading, wanted, output, columns, progress) if output else reading.path
    for warning in reading.warnings:
        click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
    manifest = reading.version.manifest
    events = manifest.event_range
    show(
        {"version": reading.version, "standing": reading.standing, "path": str(place)},
        machine=as_json,
        human=lambda: fields(
            (
                ("version", reading.version.ref),
                ("format", manifest.format),
                ("rows", manifest.row_count),
                ("size", size(manifest.size_bytes)),
                ("events until", events and events.latest),
                ("rows' digest", manifest.logical_digest),
                ("path", place),
            )
        ),
    )


@click.command("convert")
@click.argument("name")
@click.argument("format")
@as_json
def convert_dataset(name: str, format: str, as_json: bool) -> None:  # noqa: A002, FBT001
    """Let the rows of version NAME be had in another FORMAT too: the same version, the same digest."""
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        release = workspace.convert(name, format, progress=progress)
    show(
        release,
        machine=as_json,
        human=lambda: click.echo(
            f"{release.version.ref} is there as {', '.join(release.formats)}; "
            f"rows' digest {release.version.manifest.logical_digest[:19]}"
        ),
    )


def _check_target(name: str, wanted: str, target: Path) -> None:
    """Check that ``name`` can be copied to ``target`` in the format ``wanted``.

    Raises:
        InvalidInput: it is a table, which is more than its files.
        Conflict: ``target`` is there already.
    """
    from provender.core.datasets import Format
    from provender.core.errors import Conflict, InvalidInput

    if wanted in (Format.DELTA, Format.ICEBERG):
        raise InvalidInput(
            f"{name} is a table in {wanted}, which cannot be copied by its files",
            hint="add --format parquet, or leave --output out and read the table where it is",
        )
    if target.exists():
        raise Conflict(f"{target} is there already", hint="give another path, or move it away")


def _copied(
    reading: "Reading",
    wanted: str | None,
    target: Path,
    columns: Sequence[str],
    progress: "Progress",
) -> Path:
    """Copy the files to ``target``: a file where there is one, else a folder of them.

    ``columns``, and what has no files here, are written to it as a Parquet file.

    Raises:
        InvalidInput, Conflict: they cannot be copied there; see `_check_target`.
    """
    from provender.core.errors import InvalidInput

    version = reading.version
    if columns or not reading.is_here:
        if wanted not in (None, "parquet"):
            raise InvalidInput(
                f"columns of {version.ref}, and what is not in the lake of this process, are written as Parquet",
                hint="leave --format out",
            )
        return reading.to_parquet(target, columns=columns or None, progress=progress)
    _check_target(str(version.ref), version.manifest.format, target)
    files = reading.files
    if len(files) == 1:
        return Path(shutil.copyfile(files[0], target))
    target.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, target / file.name)
    return target
