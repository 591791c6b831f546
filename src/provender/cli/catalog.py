"""``provender catalog …``: the catalog as a whole: its tables, and what governs it."""

import click

from provender.cli.governance import apply_changes, export_changes, plan_changes
from provender.cli.upgrade import upgrade_tables


@click.group()
def catalog() -> None:
    """The catalog as a whole: its tables, and governance as code."""


for command in (plan_changes, apply_changes, export_changes, upgrade_tables):
    catalog.add_command(command)
