"""``provender catalog upgrade``: the tables as this Provender knows them."""

import click

from provender.cli.counting import telling
from provender.cli.output import as_json, show


@click.command("upgrade")
@as_json
def upgrade_tables(as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """Bring the catalog's tables up to date, telling how far it is.

    Opening a catalog does so too, in silence: on a large one it is better done here, before
    servers start. It happens whole or not at all; make a backup first (provender backup), for
    an older Provender does not open what a newer one wrote.
    """
    from provender import bootstrap
    from provender.catalog.db import revision_of
    from provender.catalog.reindexing import open_catalog

    chosen = bootstrap.settings()
    if not chosen.catalog_url:
        bootstrap.prepare_home(chosen)
    before = revision_of(chosen.database_url)
    with telling() as progress:
        open_catalog(chosen.database_url, progress=progress).dispose()
    after = revision_of(chosen.database_url)

    def human() -> None:
        if before == after:
            click.echo(f"the catalog is at revision {after} already")
        else:
            click.echo(f"the catalog went from revision {before or 'none'} to {after}")

    show({"from": before, "to": after}, machine=as_json, human=human)
