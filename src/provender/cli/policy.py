"""``provender policy test``: a changed policy against what was decided, before it is applied."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.getting import Age
from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from provender.core.simulation import Difference, Simulation

WOULD_DIFFER = 8
"""The exit code of a test that is asked for one, where somebody would lose or gain."""
SHOWN = 50


@click.group()
def policy() -> None:
    """Rules, and what another policy would decide."""


@policy.command("test")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--since", type=Age(), default="30d", show_default=True, help="How far to look back.")
@click.option(
    "--exit-code", is_flag=True, help=f"End with {WOULD_DIFFER} if anybody would lose or gain."
)
@as_json
def test_policy(folder: Path | None, *, since: timedelta, exit_code: bool, as_json: bool) -> None:
    """Decide again what was decided, by FOLDER (default: PROVENDER_GOVERNANCE); nothing is applied.

    Each recorded question is decided by the policy in force and by that of FOLDER: who would
    lose, who would gain, and how often they asked.
    """
    from provender.catalog.documents import read_governance
    from provender.core.clock import utc_now
    from provender.sdk import connect

    with connect() as workspace:
        desired = read_governance(folder or workspace.settings.governance)
        found = workspace.catalog.access.simulate(desired, since=utc_now() - since)
    show(found, machine=as_json, human=lambda: _tell(found))
    if exit_code and not found.changes_nothing:
        raise SystemExit(WOULD_DIFFER)


def _tell(found: "Simulation") -> None:
    _table("would lose", found.losses, found.losing)
    _table("would gain", found.gains, found.gaining)
    count = f"{found.decisions:,} decisions, {found.questions:,} distinct questions"
    verdict = "the same" if found.changes_nothing else "not all the same"
    click.echo(f"{count} since {found.since:%Y-%m-%d %H:%M}Z: {verdict}")


def _table(heading: str, differences: "tuple[Difference, ...]", count: int) -> None:
    if not differences:
        return
    table(
        (heading, "to", "of", "columns", "purpose", "times", "last", "was", "becomes"),
        (
            (
                d.question.actor,
                d.question.action,
                d.question.dataset,
                d.columns,
                d.question.purpose,
                d.times,
                d.last_at,
                d.was,
                d.becomes,
            )
            for d in differences[:SHOWN]
        ),
        empty="",
    )
    if count > SHOWN:
        click.echo(f"and {count - SHOWN:,} more; --json tells more of them")
