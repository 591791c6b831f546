"""``provender dataset profile`` and ``provender dataset diff``: what a version holds, and what changed."""

from typing import TYPE_CHECKING

import click

from provender.cli.counting import telling
from provender.cli.output import as_json, fields, show, table

if TYPE_CHECKING:
    from provender.core.differences import ColumnDifference, Difference
    from provender.core.profiles import ColumnProfile, Profile

purpose_option = click.option("--purpose", help="What it is for, where rows have to be read.")


@click.command("profile")
@click.argument("name")
@purpose_option
@as_json
def show_profile(name: str, purpose: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Show what the columns of a version hold; NAME is domain.name or domain.name@version.

    A version that was published without a profile is read for it.
    """
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        found = workspace.profile(name, purpose=purpose, progress=progress)
    show(found, machine=as_json, human=lambda: _show_profile(found))


@click.command("diff")
@click.argument("old")
@click.argument("new")
@purpose_option
@as_json
def show_difference(old: str, new: str, purpose: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Show what is different in version NEW against OLD, what matters most first.

    For example: provender dataset diff aviation.weather@1 aviation.weather@2
    """
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        found = workspace.diff(old, new, purpose=purpose, progress=progress)
    show(found, machine=as_json, human=lambda: _show_difference(found))


def _show_profile(found: "Profile") -> None:
    click.echo(f"{found.row_count:,} rows\n")
    table(
        ("column", "nulls", "distinct", "lowest", "highest", "mean", "median", "commonest"),
        map(_profiled, found.columns),
        empty="nothing that was measured of its columns is told to you",
    )
    for relation in found.relations:
        click.echo(f"\n{relation} in every one of {relation.rows:,} rows")
    for key in found.keys:
        click.echo(f"{key.duplicates:,} rows repeat the {', '.join(key.columns)} of another")


def _profiled(one: "ColumnProfile") -> tuple[object, ...]:
    about = "" if one.exact else "≈ "
    return (
        one.column,
        f"{one.null_share:.1%}" if one.nulls else "",
        None if one.distinct is None else f"{about}{one.distinct:,}",
        _end(one, one.lowest),
        _end(one, one.highest),
        _number(one.mean),
        _number(one.median),
        [f"{value} ({count:,})" for value, count in one.frequent[:3]],
    )


def _end(one: "ColumnProfile", value: str | None) -> str | None:
    """The lowest or highest value; of numbers, which have a mean, what is broken is rounded."""
    from provender.core.wording import told

    is_broken = value is not None and one.mean is not None and "." in value
    return told(value, "float64") if value is not None and is_broken else value


def _number(value: float | None) -> str | None:
    from provender.core.wording import rounded

    return None if value is None else rounded(value)


def _show_difference(found: "Difference") -> None:
    fields(
        (
            ("from", found.old),
            ("to", found.new),
            ("schema", found.compatibility.verdict),
            ("rows", f"{found.rows[0]:,} → {found.rows[1]:,}"),
        )
    )
    click.echo()
    for finding in found.findings:
        click.echo(f"{finding.weight:.2f}  {finding.says}")
    if not found.findings:
        click.echo("no differences")
    moved = [row for row in map(_compared, found.columns) if any(row[1:])]
    if moved:
        click.echo()
        table(("column", "nulls", "mean", "distance"), moved, empty="")


def _compared(one: "ColumnDifference") -> tuple[object, ...]:
    from provender.core.differences import told_mean

    before, after = one.before, one.after
    if before is None or after is None:
        return one.column, "", "", ""
    sides = ((before, one.was), (after, one.now))
    means = [told_mean(found.mean, kind) for found, kind in sides]
    return (
        one.column,
        f"{before.null_share:.1%} → {after.null_share:.1%}" if before.nulls or after.nulls else "",
        f"{means[0]} → {means[1]}" if all(means) else "",
        "" if one.distance is None else f"{one.distance:.3f}",
    )
