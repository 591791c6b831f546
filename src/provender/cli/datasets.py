"""``provender dataset …`` and ``provender search``."""

from pathlib import Path

import click

from provender.cli.counting import telling
from provender.cli.measured import show_difference, show_profile
from provender.cli.output import as_json, fields, show, size, table


@click.group()
def dataset() -> None:
    """Publish, list, show and verify dataset versions."""


dataset.add_command(show_difference)
dataset.add_command(show_profile)


@dataset.command("list")
@as_json
def list_datasets(as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """List the datasets that you may discover."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.datasets()
    show(
        found,
        machine=as_json,
        human=lambda: table(
            ("dataset", "latest", "format", "rows", "owner", "tags", "description"),
            (
                (s.name, s.latest, s.format, s.row_count, s.owner, s.tags, s.description)
                for s in found
            ),
            empty="no datasets yet; declare them in catalog/ and run: provender governance apply",
        ),
    )


@dataset.command("show")
@click.argument("name")
@as_json
def show_dataset(name: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a dataset and its versions; NAME is domain.name or domain.name@version."""
    from provender.core.names import DatasetRef
    from provender.sdk import connect

    with connect() as workspace:
        described = workspace.dataset(name)
        ref = DatasetRef.parse(name)
        versions = workspace.catalog.versions(ref)
        if ref.version is not None:
            versions = [workspace.version(name)]

    def human() -> None:
        fields(
            (
                ("dataset", described.ref),
                ("description", described.description),
                ("owner", described.owner),
                ("stewards", described.stewards),
                ("tags", described.tags),
                ("event timestamp", described.event_timestamp),
            )
        )
        click.echo()
        table(
            (
                "version",
                "published",
                "by",
                "format",
                "rows",
                "size",
                "from",
                "to",
                "digest",
                "schema",
            ),
            (
                (
                    v.number,
                    v.published_at,
                    v.published_by,
                    v.manifest.format,
                    v.manifest.row_count,
                    size(v.manifest.size_bytes),
                    v.manifest.event_range and v.manifest.event_range.earliest,
                    v.manifest.event_range and v.manifest.event_range.latest,
                    v.manifest.digest[7:19],
                    v.compatibility.verdict,
                )
                for v in versions
            ),
            empty="no version is published yet",
        )
        if ref.version is None or not versions:
            return
        manifest = versions[0].manifest
        click.echo()
        table(
            ("column", "type", "nullable", "tags", "description"),
            (
                (
                    column.name,
                    column.type,
                    column.nullable,
                    sorted(described.tags_of(column.name)),
                    described.column_descriptions.get(column.name),
                )
                for column in manifest.schema.columns
            ),
            empty="",
        )
        click.echo()
        table(
            ("file", "size", "sha256"),
            ((f.path, size(f.size_bytes), f.sha256) for f in manifest.files),
            empty="",
        )
        fields((("computed from", manifest.inputs), ("native snapshot", manifest.native_snapshot)))

    show({"dataset": described, "versions": versions}, machine=as_json, human=human)


@dataset.command("publish")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--input", "inputs", multiple=True, help="A dataset version it was computed from.")
@click.option("--parent", type=int, help="Refuse unless this is the latest version.")
@click.option("--breaking", "breaking_reason", default="", help="Why a breaking schema is right.")
@click.option("--note", default="", help="A word about this version.")
@click.option("--assume-utc", is_flag=True, help="Timestamps without a zone are UTC.")
@click.option("--no-profile", is_flag=True, help="Do not profile the columns.")
@as_json
def publish_version(
    name: str,
    path: Path,
    inputs: tuple[str, ...],
    parent: int | None,
    breaking_reason: str,
    note: str,
    assume_utc: bool,  # noqa: FBT001
    no_profile: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Publish the Parquet file PATH as a version of dataset NAME.

    The same content again is the same version.
    """
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        version = workspace.publish(
            name,
            path,
            inputs=inputs,
            parent=parent,
            breaking_reason=breaking_reason,
            note=note,
            assume_utc=assume_utc,
            profile=not no_profile,
            progress=progress,
        )
        latest = workspace.version(version.ref.dataset).number
    show(
        version,
        machine=as_json,
        human=lambda: click.echo(
            f"{version.ref} {version.manifest.digest[:19]} {version.manifest.row_count:,} rows"
            + (f" (as it was; the latest is @{latest})" if latest != version.number else "")
        ),
    )


@dataset.command("verify")
@click.argument("name")
@as_json
def verify_files(name: str, as_json: bool) -> None:  # noqa: FBT001
    """Check size and sha256 of every file of a version."""
    from provender.sdk import connect

    with connect() as workspace:
        version = workspace.verify(name)
    count = len(version.manifest.files)
    show(
        {"version": str(version.ref), "files": count, "ok": True},
        machine=as_json,
        human=lambda: click.echo(f"{version.ref}: {count} files are what was published"),
    )


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="At most so many hits.",
)
@as_json
def search(text: tuple[str, ...], limit: int, as_json: bool) -> None:  # noqa: FBT001
    """Search datasets, columns, feature views, features and services."""
    from provender.sdk import connect

    with connect() as workspace:
        hits = workspace.search(" ".join(text), limit=limit)
    show(
        hits,
        machine=as_json,
        human=lambda: table(
            ("kind", "name", "description", "owner", "why"),
            ((h.kind, h.name, h.description, h.owner, h.why) for h in hits),
            empty="nothing fits that you may discover",
        ),
    )
