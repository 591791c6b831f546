"""``provender dataset edit|history``: what stewards say about a dataset, and what was said."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provender.cli.output import as_json, fields, show, table

if TYPE_CHECKING:
    from provender.core.datasets import Dataset
    from provender.core.people import Owner
    from provender.core.tags import Assignment

of_column = "COLUMN:GROUP.NAME[=VALUE]"
of_dataset = "GROUP.NAME[=VALUE]"


@click.command()
@click.argument("name")
@click.option("--description", help="In a sentence or two.")
@click.option(
    "--documentation", type=click.Path(path_type=Path, exists=True), help="A Markdown file."
)
@click.option("--owner", help="Who is accountable from now on, for example team:ops.")
@click.option("--steward", "stewards", multiple=True, help="Who are the stewards from now on.")
@click.option("--deputy", "deputies", multiple=True, help="Who are the deputies from now on.")
@click.option("--tag", "tags", multiple=True, metavar=of_dataset, help="Put a tag on it.")
@click.option("--untag", "untags", multiple=True, metavar=of_dataset, help="Take a tag off it.")
@click.option("--column-tag", "column_tags", multiple=True, metavar=of_column)
@click.option("--column-untag", "column_untags", multiple=True, metavar=of_column)
@click.option("--describe", "described", multiple=True, metavar="COLUMN=TEXT")
@click.option("--term", "terms", multiple=True, help="Which terms it is about from now on.")
@click.option("--link", "links", multiple=True, help="Which links it has from now on.")
@click.option("--reason", default="", help="Why; its history shows it.")
@click.option("--expected", type=int, help="Refuse if the dataset is at another revision.")
@as_json
def edit(name: str, *, reason: str, expected: int | None, as_json: bool, **said: Any) -> None:
    """Say something else about dataset NAME; what is not named stays as it is."""
    from provender.core.editing import Edit
    from provender.core.names import DatasetRef
    from provender.sdk import connect

    ref = DatasetRef.parse(name)
    with connect() as workspace:
        looked_at = workspace.catalog.finder.entry(ref)
        text: Path | None = said["documentation"]
        after = workspace.catalog.desk.edit(
            ref,
            Edit(
                description=said["description"],
                documentation=text.read_text("utf-8") if text else None,
                owners=_owners(looked_at.dataset, said),
                terms=said["terms"] or None,
                links=said["links"] or None,
                assign=tuple(_assignments(said["tags"], said["column_tags"])),
                unassign=tuple(_assignments(said["untags"], said["column_untags"])),
                column_descriptions=dict(map(_described, said["described"])) or None,
            ),
            expected=looked_at.revision if expected is None else expected,
            reason=reason,
        )

    def human() -> None:
        if after.revision == looked_at.revision:
            click.echo(f"{ref} says so already, at revision {after.revision}")
            return
        click.echo(f"{ref} is at revision {after.revision}")
        fields(_changes(looked_at.dataset, after.dataset))

    show(after, machine=as_json, human=human)


@click.command()
@click.argument("name")
@click.option("--limit", default=20, show_default=True, help="How many changes at most.")
@click.option("--after", default="", help="Go on where a list ended: what it called next.")
@as_json
def history(name: str, *, limit: int, after: str, as_json: bool) -> None:
    """Show what was said about dataset NAME, the newest first: when, by whom, and why."""
    from provender.core.names import DatasetRef
    from provender.sdk import connect

    ref = DatasetRef.parse(name)
    with connect() as workspace:
        listed = workspace.catalog.desk.history("dataset", ref.dataset, limit=limit, after=after)

    def human() -> None:
        values = [one.value for one in listed.items]
        what = [_what(value, older) for value, older in pairwise([*values, None])]
        if listed.next is not None:
            what[-1] = "…"  # what was said before is on the next page
        table(
            ("since", "by", "what", "why"),
            (
                (one.since, one.by, parts, one.reason)
                for one, parts in zip(listed.items, what, strict=True)
            ),
            empty="nothing that you may see",
        )
        if listed.next is not None:
            click.echo(f"there is more: --after {listed.next}")

    show(listed, machine=as_json, human=human)


def _owners(dataset: "Dataset", said: dict[str, Any]) -> "tuple[Owner, ...] | None":
    """Everybody with an office, where one office is said anew."""
    from provender.core.people import Owner, Role

    if not (said["owner"] or said["stewards"] or said["deputies"]):
        return None
    offices = (
        (Role.ACCOUNTABLE, [said["owner"] or dataset.owner]),
        (Role.STEWARD, said["stewards"] or dataset.stewards),
        (Role.DEPUTY, said["deputies"] or dataset.deputies),
    )
    return tuple(Owner(who, role) for role, ids in offices for who in ids)


def _assignments(tags: Iterable[str], column_tags: Iterable[str]) -> "Iterable[Assignment]":
    from provender.core.errors import InvalidInput
    from provender.core.tags import Assignment

    yield from map(Assignment.parse, tags)
    for text in column_tags:
        column, colon, tag = text.partition(":")
        if not (column and colon and tag):
            raise InvalidInput(f"{text!r} is no tag on a column", hint=f"write {of_column}")
        yield Assignment.parse(tag, column=column)


def _described(text: str) -> tuple[str, str]:
    from provender.core.errors import InvalidInput

    column, equals, description = text.partition("=")
    if not (column and equals):
        raise InvalidInput(f"{text!r} describes no column", hint="write COLUMN=TEXT")
    return column, description


def _changes(before: "Dataset", after: "Dataset") -> list[tuple[str, object]]:
    """The parts that differ, as they are now."""
    from provender.core.digest import plain

    was, now = plain(before), plain(after)
    return [(part, value or "(none)") for part, value in now.items() if value != was[part]]


def _what(value: dict[str, object] | None, older: dict[str, Any] | None) -> str:
    """Which parts a state said anew."""
    if value is None:
        return "withdrawn"
    if older is None:
        return "declared"
    changed = [part for part, said in value.items() if said != older.get(part)]
    return ", ".join(_renamed(older) if part == "ref" else part for part in changed)


def _renamed(older: Mapping[str, Any]) -> str:
    return "renamed from {domain}.{name}".format_map(older["ref"])
