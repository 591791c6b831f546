"""``provender catalog …``: the catalog as a whole."""

import click

from provender.cli.upgrade import upgrade_tables


@click.group()
def catalog() -> None:
    """The catalog as a whole: its tables."""


catalog.add_command(upgrade_tables)
