"""``provender search``: what fits the words, narrowed by values, now or as of an instant."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import click

from provender.cli.instants import Instant
from provender.cli.output import as_json, show, table
from provender.core.documents import SHOWN_LETTERS
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question
from provender.core.wording import shortened

LIMIT = 200
HELP = {
    "type": "Only of that type: dataset, feature-view …, or with such a column or feature.",
    "project": "Only of that project.",
    "domain": "Only of that domain.",
    "owner": "Only what that team or person owns.",
    "format": "Only in that format.",
    "tag": "Only with that tag.",
    "freshness": "Only what is fresh, or stale.",
    "state": "Only where the latest version stands so.",
}


def narrowed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each facet; several values of one are either."""
    for facet in reversed(FACETS):
        command = click.option(f"--{facet}", f"in_{facet}", multiple=True, help=HELP[facet])(
            command
        )
    return command


@click.command()
@click.argument("text", nargs=-1)
@narrowed
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, LIMIT),
    help="At most so many hits.",
)
@click.option("--after", default="", help="Go on where the last answer ended: its next.")
@click.option("--as-of", type=Instant(), help="What was found at that instant, UTC.")
@click.option("--explain", is_flag=True, help="Say what each score is made of.")
@click.option("--facets", is_flag=True, help="Count what fits by type, domain, owner and so on.")
@as_json
def search(
    text: tuple[str, ...],
    limit: int,
    after: str,
    as_of: datetime | None,
    explain: bool,  # noqa: FBT001
    facets: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
    **chosen: tuple[str, ...],
) -> None:
    """Search datasets, columns, feature views, features and services.

    Without words, everything is found, or everything that has the chosen values.
    """
    from provender.core.unmet import unmet_in_search
    from provender.sdk import connect

    question = Question(
        text=" ".join(text),
        filters={name.removeprefix("in_"): values for name, values in chosen.items() if values},
        as_of=as_of,
        explain=explain,
    )
    with connect() as workspace:
        finder = workspace.catalog.finder
        found = finder.search(question, limit=limit, after=after)
        counts = finder.facets(question) if facets else {}
        missed = [] if found.hits or after else unmet_in_search(finder, question)
    show(
        {**_plain(found), "facets": counts},
        machine=as_json,
        human=lambda: _print(found, counts, missed, explain=explain),
    )


def _plain(found: Found) -> dict[str, Any]:
    return {
        "hits": found.hits,
        "total": found.total,
        "approximate": found.approximate,
        "missing": found.missing,
        "ignored": found.ignored,
        "read_as": found.read_as,
        "next": found.next,
    }


def _print(
    found: Found,
    counts: dict[str, tuple[FacetValue, ...]],
    missed: list[str],
    *,
    explain: bool,
) -> None:
    if found.ignored:
        click.echo(f"the last {found.ignored} words of the question are not looked for", err=True)
    for asked, read_as in found.read_as.items():
        click.echo(f"{asked} is read as {' or '.join(read_as)}", err=True)
    table(
        ("kind", "name", "description", "owner", "why"),
        ((h.kind, h.name, _said(h), h.owner, _why(h, explain=explain)) for h in found.hits),
        empty="nothing fits that you may discover",
    )
    for text in missed:
        click.echo(text, err=True)
    if counts:
        click.echo()
        table(("facet", "value", "found"), _counted(counts), empty="")


def _said(hit: Hit) -> str:
    """The description; what the index keeps of a long one ends anywhere, so at a word here."""
    return shortened(hit.description, most=SHOWN_LETTERS - 1)


def _why(hit: Hit, *, explain: bool) -> str:
    parts = f" ({', '.join(part.name for part in hit.parts)})" if hit.parts else ""
    if not explain:
        return hit.why + parts
    made_of = " + ".join(f"{one.points:g} {one.because}" for one in hit.explain)
    return f"{hit.score:g} = {made_of}"


def _counted(counts: dict[str, tuple[FacetValue, ...]]) -> Iterator[tuple[str, str, str]]:
    for facet, values in counts.items():
        for value in values:
            more = " or more" if value.approximate else ""
            yield facet, value.value, f"{value.documents}{more}"
