"""``provender dataset …``."""

import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.contracts import BROKEN, show_checks
from provender.cli.counting import telling
from provender.cli.getting import convert_dataset, get_dataset
from provender.cli.instants import Instant
from provender.cli.measured import show_difference, show_profile
from provender.cli.output import as_json, fields, show, size, table
from provender.cli.retention import expire, hold, retention

if TYPE_CHECKING:
    from provender.core.datasets import Release
    from provender.core.names import DatasetRef
    from provender.core.protocols import Finder, Library


@click.group()
def dataset() -> None:
    """Publish, list, show and verify dataset versions."""


dataset.add_command(convert_dataset)
dataset.add_command(get_dataset)
dataset.add_command(show_difference)
dataset.add_command(show_profile)
for about_data in (retention, hold, expire):
    dataset.add_command(about_data)


@dataset.command("list")
@click.option("--domain", multiple=True, help="Only of that domain.")
@click.option("--owner", multiple=True, help="Only what that team or person has an office over.")
@click.option("--tag", multiple=True, help="Only with that tag.")
@click.option("--term", multiple=True, help="Only about that term.")
@click.option("--as-of", type=Instant(), help="What there was at that instant, UTC.")
@as_json
def list_datasets(*, as_of: datetime | None, as_json: bool, **chosen: tuple[str, ...]) -> None:
    """List the datasets that you may discover; several values of one option are either."""
    from provender.core.datasets import whole
    from provender.sdk import connect

    filters = {name: values for name, values in chosen.items() if values}
    with connect() as workspace:
        finder = workspace.catalog.finder
        found = whole(lambda after: finder.entries(filters, as_of=as_of, limit=200, after=after))
        missed = [] if found else _unmet(finder, filters, as_of)

    def human() -> None:
        table(
            ("dataset", "latest", "format", "rows", "owner", "tags", "description"),
            (
                (s.name, s.latest, s.format, s.row_count, s.owner, s.tags, s.description)
                for s in found
            ),
            empty="none fits"
            if filters or as_of
            else f"no datasets yet in the catalog, {workspace.settings.catalog_shown}; declare them in "
            "catalog/ and run: provender governance apply; PROVENDER_HOME names another catalog",
        )
        for text in missed:
            click.echo(text, err=True)

    show(found, machine=as_json, human=human)


def _unmet(
    finder: "Finder", filters: dict[str, tuple[str, ...]], as_of: datetime | None
) -> list[str]:
    from provender.core.finding import Question
    from provender.core.unmet import unmet

    question = Question(filters={"type": ("dataset",)}, as_of=as_of)
    return unmet(
        filters,
        has=lambda name, value: bool(finder.entries({name: (value,)}, as_of=as_of, limit=1).items),
        seen=lambda: finder.facets(question),
    )


@dataset.command("show")
@click.argument("name")
@as_json
def show_dataset(name: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a dataset and its versions; NAME is domain.name or domain.name@version."""
    from provender.core.lifecycle import said
    from provender.core.names import DatasetRef
    from provender.core.wording import lasting
    from provender.sdk import connect

    with connect() as workspace:
        ref = DatasetRef.parse(name)
        entry = workspace.catalog.finder.entry(ref)
        described = entry.dataset
        releases = _releases(workspace.catalog, ref)
    versions = [release.version for release in releases]

    def human() -> None:
        fields(
            (
                ("dataset", described.ref),
                ("once", entry.former_names),
                ("description", described.description),
                ("owner", described.owner),
                ("stewards", described.stewards),
                ("deputies", described.deputies),
                ("tags", described.tags),
                ("terms", described.terms),
                ("links", described.links),
                ("event timestamp", described.event_timestamp),
                ("fresh within", described.fresh_within and lasting(described.fresh_within)),
                ("documentation", described.documentation),
                ("revision", entry.revision),
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
                "state",
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
                    "gone" if release.data_gone_at else release.standing.state,
                )
                for release in releases
                for v in [release.version]
            ),
            empty="no version is published yet",
        )
        for release in releases:
            if release.standing.reason:
                click.echo(said(str(release.version.ref), release.standing))
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

    standings = {release.version.number: release.standing for release in releases}
    show(
        {
            "dataset": described,
            "former_names": entry.former_names,
            "revision": entry.revision,
            "versions": versions,
            "standings": standings,
        },
        machine=as_json,
        human=human,
    )


def _releases(catalog: "Library", ref: "DatasetRef") -> "list[Release]":
    """The versions of a dataset, oldest first; or the one that ``ref`` names, wherever it stands."""
    from provender.core.datasets import whole

    if ref.version is None:
        return whole(lambda after: catalog.finder.releases(ref, after=after))[::-1]
    found = catalog.finder.releases(ref, after=str(ref.version + 1), limit=1).items
    if not found or found[0].version.number != ref.version:
        catalog.resolve(ref)  # says which versions there are
    return list(found)


@dataset.command("publish")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--input", "inputs", multiple=True, help="A dataset version it was computed from.")
@click.option("--parent", type=int, help="Refuse unless this is the latest version.")
@click.option("--breaking", "breaking_reason", default="", help="Why a breaking schema is right.")
@click.option("--note", default="", help="A word about this version.")
@click.option("--draft", is_flag=True, help="Readers get it once it is published: publish-draft.")
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
    draft: bool,  # noqa: FBT001
    assume_utc: bool,  # noqa: FBT001
    no_profile: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Publish the Parquet file PATH as a version of dataset NAME.

    What readers get already is no version again.
    """
    from provender.core.contracts import Outcome
    from provender.core.lifecycle import READABLE, State
    from provender.sdk import connect
    from provender.sdk.publishing import Quarantined

    with connect() as workspace, telling() as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", Quarantined)
        version = workspace.publish(
            name,
            path,
            inputs=inputs,
            parent=parent,
            breaking_reason=breaking_reason,
            note=note,
            draft=draft,
            assume_utc=assume_utc,
            profile=not no_profile,
            progress=progress,
        )
        release = workspace.catalog.release(version.ref)
        checks = workspace.catalog.finder.evidence(version.ref).checks
        state = release.standing.state
        latest = workspace.version(version.ref.dataset).number if state in READABLE else None

    def human() -> None:
        click.echo(
            f"{version.ref} {version.manifest.digest[:19]} {version.manifest.row_count:,} rows"
            + (
                f" (as it was; the latest is @{latest})"
                if latest not in (None, version.number)
                else ""
            )
        )
        if state is State.DRAFT:
            click.echo(f"it is a draft; publish it: provender dataset publish-draft {version.ref}")
        if state is State.QUARANTINED:
            click.echo(f"{version.ref} is quarantined: readers keep the last good version")
            show_checks([check for check in checks if check.outcome is not Outcome.PASS])

    show(version, machine=as_json, human=human)
    if state is State.QUARANTINED:
        sys.exit(BROKEN)


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
