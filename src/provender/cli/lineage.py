"""``provender lineage …``: where things come from, and what breaks if a column goes."""

from typing import TYPE_CHECKING

import click

from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from collections.abc import Collection

    from provender.core.lineage import Node
    from provender.core.protocols import Library

MOST_STEPS = 100
MOST_NAMED = 8
steps = click.IntRange(1, MOST_STEPS)


@click.group()
def lineage() -> None:
    """Where datasets, features and training sets come from, and what was made from them."""


@lineage.command("node")
@click.argument("node")
@click.option("--columns", is_flag=True, help="Edges between columns too.")
@click.option("--depth", type=steps, default=3, show_default=True, help="Steps each way.")
@click.option(
    "--direction",
    type=click.Choice(("upstream", "downstream", "both")),
    default="both",
    show_default=True,
)
@as_json
def around(node: str, columns: bool, depth: int, direction: str, as_json: bool) -> None:  # noqa: FBT001
    """Show what is around NODE: domain.name, domain.name@version, or kind:name.

    Things that a project defines are project/name, such as feature-view:delays/weather.
    """
    from provender.core.lineage import Direction, towards
    from provender.sdk import connect

    with connect() as workspace:
        asked = _node(node)
        whole = workspace.catalog.finder.lineage(asked, depth=depth, columns=columns)
    found = towards(whole, asked, Direction(direction))
    edges = [(str(edge.upstream), str(edge.downstream), "") for edge in found.edges]
    edges += [(f"{e.upstream} {e.column}", f"{e.downstream} {e.to}", e.how) for e in found.columns]
    show(
        found,
        machine=as_json,
        human=lambda: table(
            ("from", "to", "known because"), edges, empty=f"nothing is known around {asked}"
        ),
    )
    if found.truncated:
        _warn("there is more than is shown: ask for fewer steps")


@lineage.command("tags")
@click.argument("node")
@as_json
def tags(node: str, as_json: bool) -> None:  # noqa: FBT001
    """Show the tags on the columns of NODE, and where those came from that were not put there."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.finder.tags(_node(node))
    show(
        found,
        machine=as_json,
        human=lambda: table(
            ("column", "tag", "why"),
            ((one.column, one.tag, one.why) for one in found),
            empty=f"no tag is on a column of {node}",
        ),
    )


@lineage.command("impact")
@click.argument("node")
@click.argument("column")
@as_json
def impact(node: str, column: str, as_json: bool) -> None:  # noqa: FBT001
    """Show what breaks if COLUMN of NODE goes, the nearest first."""
    from provender.core.lineage import impact as breaking
    from provender.core.lineage import unattributed
    from provender.sdk import connect

    with connect() as workspace:
        asked = _node(node)
        found = workspace.catalog.finder.lineage(asked, depth=MOST_STEPS, columns=True)
        hit = sorted(
            (steps, node, to)
            for (node, to), steps in breaking(asked, column, found.columns).items()
        )
        if not hit:
            _check_column(workspace.catalog, asked, column)
    whole = unattributed(asked, found)
    broken = [{"node": node, "column": to, "steps": steps} for steps, node, to in hit]
    show(
        {
            "node": asked,
            "column": column,
            "breaks": broken,
            "unattributed": whole,
            "truncated": found.truncated,
        },
        machine=as_json,
        human=lambda: table(
            ("kind", "name", "column", "steps"),
            ((node.kind.replace("-", " "), node.name, to, steps) for steps, node, to in hit),
            empty=f"nothing is known to break without {column} of {asked}",
        ),
    )
    if whole:
        named = ", ".join(map(str, whole[:MOST_NAMED])) + (", …" if len(whole) > MOST_NAMED else "")
        _warn(f"made from {asked}, and nobody said of which columns, so it may break: {named}")
    if found.truncated:
        _warn(f"there is more around {asked} than is looked at: other things may break too")


def _node(text: str) -> "Node":
    """A dataset may be written without its kind."""
    from provender.core.lineage import Node, dataset_node
    from provender.core.names import DatasetRef

    return Node.parse(text) if ":" in text else dataset_node(DatasetRef.parse(text))


def _check_column(catalog: "Library", node: "Node", column: str) -> None:
    """Check that ``node`` has ``column``: what it has not breaks nothing, and would seem safe to go.

    Raises:
        NotFound: it has none called so; the hint names a near one.
    """
    from provender.core.names import unknown

    known = _columns(catalog, node)
    if known and column not in known:
        raise unknown(f"column of {node}", column, known)


def _columns(catalog: "Library", node: "Node") -> "Collection[str]":
    """The columns of a node; empty where nobody knows them, as of a dataset without a version."""
    from provender.core.derivation import columns
    from provender.core.lineage import NodeKind
    from provender.core.models import parse_name
    from provender.core.names import DatasetRef

    match node.kind:
        case NodeKind.DATASET:
            ref = DatasetRef.parse(node.name)
            after = str(ref.version + 1) if ref.version else ""
            last = catalog.finder.releases(ref.at(None), limit=1, after=after).items
            return last[0].version.manifest.schema.names if last else ()
        case NodeKind.TRAINING_SET:
            return catalog.records.training_set(node.name).columns
        case NodeKind.MODEL:
            made_of = catalog.models.version(*parse_name(node.name)).trained.training_set
            return catalog.records.training_set(made_of).columns
    return columns(catalog.repo(node.name.partition("/")[0]), node)


def _warn(text: str) -> None:
    click.echo(click.style("warning: ", fg="yellow") + text, err=True)
