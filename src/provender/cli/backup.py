"""``provender backup`` and ``provender restore``: the whole catalog in one file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.counting import telling
from provender.cli.output import as_json, show

if TYPE_CHECKING:
    from provender.catalog.backup import Contents


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def backup(file: Path, as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """Write the catalog to the new FILE, while it is used; .gz or .tgz compresses it.

    It holds one state of the whole database, and can be restored into SQLite and PostgreSQL.
    The files of the lake are not in it. You need the right to govern.
    """
    from provender import bootstrap
    from provender.catalog.backup import write

    door = bootstrap.door(bootstrap.settings())
    try:
        with telling() as progress:
            contents = write(door, file, progress=progress)
    finally:
        door.engine.dispose()
    _tell(contents, file, f"{file} holds", machine=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def restore(file: Path, as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """Make the empty catalog of the settings what FILE, of provender backup, holds.

    A backup of an older Provender is upgraded. What is restored is checked before it counts: a
    damaged or cut-off FILE leaves the catalog as it was. The lake's files are not in it; put
    them back, too, then run provender fsck. What the old keys signed can be checked; new events
    are signed with the key of the settings. What was erased since is refused to everybody at once,
    by what the lake of the settings knows: put the lake in its place before.
    """
    from provender import bootstrap
    from provender.catalog.restore import restore as restore_from
    from provender.core.clock import utc_now
    from provender.tables import ledger

    chosen = bootstrap.settings()
    if not chosen.catalog_url:
        bootstrap.prepare_home(chosen)
    with telling() as progress:
        contents = restore_from(
            file,
            chosen.database_url,
            actor=chosen.actor,
            clock=utc_now,
            keys=bootstrap.sealing(chosen).keys,
            erasures=ledger.read(chosen.lake),
            progress=progress,
        )
    _tell(contents, file, "the catalog holds", machine=as_json)
    if not as_json:
        click.echo("its files are in the lake, not in the backup; check both: provender fsck")
        click.echo(
            "erasures of since then are in force; if files or the online store were restored,"
        )
        click.echo("do each again: provender erase list, provender erase --resume ID")


def _tell(contents: "Contents", file: Path, begin: str, *, machine: bool) -> None:
    def human() -> None:
        click.echo(
            f"{begin} {contents.rows:,} rows of {len(contents.tables)} tables, revision "
            f"{contents.revision}, made {contents.made_at:%Y-%m-%d %H:%M:%S}Z by {contents.made_by}"
        )

    show(
        {
            "file": file,
            "revision": contents.revision,
            "made_at": contents.made_at,
            "made_by": contents.made_by,
            "rows": contents.rows,
            "digest": contents.digest,
            "tables": contents.tables,
        },
        machine=machine,
        human=human,
    )
