"""``provender online …``: is the online store what it should be, and make it so."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.counting import counting
from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from provender.online.parity import Parity

repo_option = click.option(
    "--repo", type=click.Path(path_type=Path), default=None, help="Default: PROVENDER_FEATURE_REPO."
)


@click.group()
def online() -> None:
    """Compare the online store with the data it was filled from, or fill it anew."""


@online.command("verify")
@click.argument("views", nargs=-1)
@repo_option
@click.option(
    "--sample", type=click.IntRange(min=1), default=None, help="Compare about so many keys a view."
)
@as_json
def verify_store(
    views: tuple[str, ...],
    repo: Path | None,
    sample: int | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Compare the rows online of VIEWS (default: all) with the latest ones offline.

    Exit code 1 if a lookup would not get what offline knows. Rows that were pushed and are
    newer are no fault.
    """
    from provender import bootstrap
    from provender.feast_plugin.parity import verify

    settings = bootstrap.settings()
    with counting("comparing") as count:
        found = list(
            verify(
                repo or settings.feature_repo,
                settings=settings,
                views=views,
                sample=sample,
                watcher=count,
            )
        )
    show(
        found,
        machine=as_json,
        human=lambda: table(
            (
                *("view", "keys", "compared", "equal", "missing", "older", "newer (pushed)"),
                *("ahead", "different", "other layout", "expired", "orphans"),
            ),
            (
                (
                    *(p.view, p.keys, p.compared, p.equal, p.missing, p.older, p.newer),
                    *(p.ahead, p.different, p.other_layout, p.expired),
                    "–" if p.orphans is None else p.orphans,
                )
                for p in found
            ),
            empty="no view is served online yet: provender features apply",
        ),
    )
    if not all(parity.is_whole for parity in found):
        click.echo(_what_to_do(found), err=True)
        raise SystemExit(1)


def _what_to_do(found: "Sequence[Parity]") -> str:
    orphans = sum(parity.orphans or 0 for parity in found)
    if all(replace(parity, orphans=0).is_whole for parity in found):
        return (
            f"{orphans} rows online have none offline: pushed online only, or gone offline since; "
            "provender online rebuild --delete-orphans deletes them"
        )
    return "not what it should be: provender online rebuild"


@online.command("rebuild")
@click.argument("views", nargs=-1)
@repo_option
@click.option(
    "--delete-orphans",
    is_flag=True,
    help="Delete rows of keys that offline does not have, pushed ones older than its newest too.",
)
@as_json
def rebuild_store(
    views: tuple[str, ...],
    repo: Path | None,
    delete_orphans: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write every row of VIEWS (default: all) again.

    Lookups go on meanwhile, and the serving manifest is published again.
    """
    from provender import bootstrap
    from provender.feast_plugin.rebuild import rebuild

    settings = bootstrap.settings()
    with counting("writing") as count:
        done = list(
            rebuild(
                repo or settings.feature_repo,
                settings=settings,
                views=views,
                delete_orphans=delete_orphans,
                watcher=count,
            )
        )
    show(
        done,
        machine=as_json,
        human=lambda: table(
            (
                *("view", "source", "written", "newer there", "orphans", "orphans deleted"),
                *("whole", "seconds"),
            ),
            (
                (
                    *(d.run.view, d.run.source, d.run.written, d.run.kept),
                    *(d.parity.orphans, d.deleted),
                    *(d.parity.is_whole, f"{d.run.seconds:.2f}"),
                )
                for d in done
            ),
            empty="no view is served online yet: provender features apply",
        ),
    )
