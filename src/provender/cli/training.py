"""``provender training …``: what training sets were made of."""

from pathlib import Path

import click

from provender.cli.output import as_json, fields, show, table


@click.group()
def training() -> None:
    """Make, list and show training sets."""


@training.command("create")
@click.argument("spine", type=click.Path(path_type=Path))
@click.option("--service", required=True, help="The feature service.")
@click.option("--purpose", default=None, help="What for; default: PROVENDER_PURPOSE.")
@click.option("--pin", "pins", multiple=True, help="A dataset version, such as aviation.weather@1.")
@click.option("--assume-utc", is_flag=True, help="Event timestamps without a zone are UTC.")
@click.option("--known-by-then", is_flag=True, help="Leave out values recorded after the instant.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Parquet file to write."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there already.")
@as_json
def create_set(
    spine: Path,
    service: str,
    purpose: str | None,
    pins: tuple[str, ...],
    assume_utc: bool,  # noqa: FBT001
    known_by_then: bool,  # noqa: FBT001
    out: Path,
    overwrite: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Join the features of a service to SPINE, as known at each row's instant.

    SPINE is a Parquet file, or a folder or quoted pattern of such. Neither it nor the answer
    needs to fit into memory.
    """
    from provender.core.errors import InvalidInput
    from provender.offline.progress import shown
    from provender.sdk import connect

    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"there is no folder {out.absolute().parent}", hint="make it first")
    with connect() as workspace, shown() as progress:
        made = workspace.training_set(
            spine,
            to=out,
            allow_overwrite=overwrite,
            progress=progress,
            service=service,
            purpose=purpose,
            pins=pins,
            known_by_then=known_by_then,
            assume_utc=assume_utc,
        )
    for warning in made.warnings:
        click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
    show(
        {"id": made.id, "manifest": made.manifest, "path": out},
        machine=as_json,
        human=lambda: click.echo(f"{made.id}: {made.manifest.row_count:,} rows in {out}"),
    )


@training.command("list")
@as_json
def list_sets(as_json: bool) -> None:  # noqa: FBT001
    """List the training sets that were made, newest first."""
    from provender.core.datasets import whole
    from provender.sdk import connect

    with connect() as workspace:
        records = workspace.catalog.records
        made = whole(lambda after: records.training_sets(limit=200, after=after))
    show(
        [{"id": m.id, "manifest": m} for m in made],
        machine=as_json,
        human=lambda: table(
            ("id", "made", "by", "service", "purpose", "rows", "pins"),
            (
                (
                    m.id,
                    m.created_at,
                    m.created_by,
                    m.spec.service,
                    m.spec.purpose,
                    m.row_count,
                    m.pins,
                )
                for m in made
            ),
            empty=f"no training set was made yet in the catalog, {workspace.settings.catalog_shown}",
        ),
    )


@training.command("show")
@click.argument("identity", metavar="ID")
@as_json
def show_set(identity: str, as_json: bool) -> None:  # noqa: FBT001
    """Show the manifest of the training set ID."""
    from provender.sdk import connect

    with connect() as workspace:
        manifest = workspace.catalog.records.training_set(identity)

    def human() -> None:
        fields(
            (
                ("training set", manifest.id),
                ("made", manifest.created_at),
                ("by", manifest.created_by),
                ("purpose", manifest.spec.purpose),
                ("decision", manifest.decision),
                ("service", manifest.spec.service),
                ("features", "\n".join(str(ref) for ref in manifest.spec.features)),
                ("dataset versions", "\n".join(str(pin) for pin in manifest.pins)),
                ("rows", manifest.row_count),
                ("columns", len(manifest.columns)),
                ("known by then", manifest.spec.known_by_then),
                (
                    "known only later",
                    ", ".join(f"{k}: {v:,}" for k, v in manifest.known_later.items()),
                ),
                ("definitions", manifest.repo_digest),
                ("plan", manifest.plan_digest),
                ("spine", manifest.spine_digest),
                ("content", manifest.content_digest),
                ("seconds", manifest.seconds),
            )
        )

    show({"id": manifest.id, "manifest": manifest}, machine=as_json, human=human)
