"""``provender dataset optimize`` and ``provender fsck``: lake and catalog looked after."""

from typing import TYPE_CHECKING

import click

from provender.cli.counting import telling
from provender.cli.datasets import dataset
from provender.cli.output import as_json, show, size, table

if TYPE_CHECKING:
    from provender.core.datasets import DatasetVersion
    from provender.sdk.upkeep import Report


@dataset.command("optimize")
@click.argument("name")
@click.option(
    "--keys",
    default="",
    metavar="K1,K2",
    help="Columns that rows are looked up by; default: the join keys of the feature views over NAME.",
)
@as_json
def optimize_version(name: str, keys: str, as_json: bool) -> None:  # noqa: FBT001
    """Publish the rows of dataset NAME sorted by key and time, so that few keys are read fast.

    The new version has the same content; the old one stays as it is.
    """
    from provender.sdk import connect
    from provender.tables.layout import row_groups

    wanted = tuple(key.strip() for key in keys.split(",") if key.strip())
    with connect() as workspace, telling() as progress:
        before = workspace.version(name)
        after = workspace.optimize(name, keys=wanted, progress=progress)
        lake = workspace.settings.lake
        shapes = [_shape(v, row_groups(lake, v.manifest)) for v in (before, after)]
    changed = after.ref != before.ref
    show(
        {"changed": changed, "before": shapes[0], "after": shapes[1]},
        machine=as_json,
        human=lambda: _tell(after, shapes, changed=changed),
    )


@click.command()
@click.option("--remove", is_flag=True, help="Remove orphans: what killed processes left behind.")
@click.option(
    "--repair",
    is_flag=True,
    help="Write anew what in the catalog follows from other rows: its index, counters, latest versions.",
)
@click.option(
    "--full", is_flag=True, help="Hash every file, also those not touched since the last."
)
@click.option(
    "--spill",
    "spills",
    multiple=True,
    metavar="DIR",
    help="A store's own temp_directory, to look for what killed retrievals left; repeatable.",
)
@as_json
def fsck(
    remove: bool,  # noqa: FBT001
    repair: bool,  # noqa: FBT001
    full: bool,  # noqa: FBT001
    spills: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
) -> None:
    """Check the catalog, every rule that its rows obey, and the lake: every file of every version.

    Files that belong to no version are named, too. Ends with 6 if the catalog or a version is
    damaged, else with 1 if orphans are left, else with 0.
    """
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        report = workspace.fsck(
            remove=remove, repair=repair, again=full, spills=spills, progress=progress
        )
    show(
        {
            "ok": report.is_well,
            "versions": report.versions,
            "files": report.files,
            "findings": report.findings,
            "catalog": report.faults,
        },
        machine=as_json,
        human=lambda: _report(report),
    )
    if not report.is_well:
        raise SystemExit(6 if report.is_damaged else 1)


def _shape(version: "DatasetVersion", row_groups: int) -> dict[str, object]:
    manifest = version.manifest
    return {
        "version": str(version.ref),
        "rows": manifest.row_count,
        "files": len(manifest.files),
        "row_groups": row_groups,
        "size_bytes": manifest.size_bytes,
        "content": manifest.content,
        "layout": manifest.layout,
    }


def _tell(after: "DatasetVersion", shapes: list[dict[str, object]], *, changed: bool) -> None:
    if not changed:
        click.echo(f"{after.ref} is optimized by {after.manifest.layout} already")
        return
    table(
        ("version", "rows", "files", "row groups", "size"),
        (
            (s["version"], s["rows"], s["files"], s["row_groups"], size(int(str(s["size_bytes"]))))
            for s in shapes
        ),
        empty="",
    )
    click.echo(f"{after.ref} is optimized by {after.manifest.layout}; the same rows")


def _report(report: "Report") -> None:
    table(
        ("what", "in the catalog", "why"),
        (("repaired" if f.repaired else f.check, f.subject, f.says) for f in report.faults),
        empty="nothing is wrong with the catalog",
    )
    if any(not fault.repaired for fault in report.faults):
        click.echo("to write anew what follows from other rows: provender fsck --repair")
        click.echo("for the rest, restore a backup: provender restore FILE")
    if report.is_unread:
        click.echo("the lake was not checked, for its versions cannot be read")
        return
    table(
        ("what", "path", "size", "why", "versions"),
        (
            ("removed" if f.removed else f.kind, f.path, size(f.size_bytes), f.why, f.versions)
            for f in report.findings
        ),
        empty="nothing is left over, and nothing is damaged",
    )
    click.echo(f"{report.files:,} files of {report.versions:,} versions were checked")
    if damaged := sorted({v for f in report.findings if f.kind == "damaged" for v in f.versions}):
        click.echo(
            "for what is damaged: put the lake's files back from a backup, or publish the same rows "
            f"again; to keep readers away: provender dataset recall {damaged[0]} --reason …"
        )
    if any(found.kind == "orphan" and not found.removed for found in report.findings):
        click.echo("to remove the orphans: provender fsck --remove")
