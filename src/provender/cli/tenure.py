"""``provender access unused|expiring|break-glass|review|broken``: access looked after, and taken."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from provender.cli.getting import Age
from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from provender.core.breakglass import BreakGlass
    from provender.core.datasets import Listed
    from provender.core.policy import Grant


@click.command("unused")
@click.option("--since", type=Age(), default="90d", show_default=True, help="For how long.")
@as_json
def list_unused(since: timedelta, as_json: bool) -> None:  # noqa: FBT001
    """List the grants to read and to serve that nothing was read or looked up by for so long."""
    from provender.core.clock import utc_now
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.access.unused(since=utc_now() - since)
    show(found, machine=as_json, human=lambda: _grants(found, empty="every grant is used"))


@click.command("expiring")
@click.option("--within", type=Age(), default="14d", show_default=True, help="How soon.")
@as_json
def list_expiring(within: timedelta, as_json: bool) -> None:  # noqa: FBT001
    """List the grants that end soon, the next to end first."""
    from provender.core.clock import utc_now
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.access.expiring(until=utc_now() + within)
    show(found, machine=as_json, human=lambda: _grants(found, empty="no grant ends soon"))


@click.command("break-glass")
@click.argument("dataset")
@click.option("--columns", default="", help="Comma-separated; default: the unprotected ones.")
@click.option("--action", type=click.Choice(["read", "serve"]), default="read", show_default=True)
@click.option("--purpose", default="", help="What for; default: any purpose.")
@click.option(
    "--hours", type=float, default=1.0, show_default=True, help="For how long; at most 8."
)
@click.option("--reason", default="", help="Why, to whoever reviews it.")
@as_json
def break_glass(
    dataset: str,
    columns: str,
    action: str,
    purpose: str,
    hours: float,
    reason: str,
    *,
    as_json: bool,
) -> None:
    """Take access to DATASET at once, where a rule lets you; somebody else reviews it."""
    from provender.core.names import DatasetRef
    from provender.core.policy import Action
    from provender.sdk import connect

    names = tuple(part.strip() for part in columns.split(",") if part.strip())
    with connect() as workspace:
        taken = workspace.catalog.access.break_glass(
            DatasetRef.parse(dataset),
            columns=names,
            action=Action(action),
            purpose=purpose,
            hours=hours,
            reason=reason,
        )
    told = f"{taken.id}: {taken.grant} holds until {taken.until:%Y-%m-%d %H:%M}Z; "
    told += f"somebody else reviews it by {taken.review_by:%Y-%m-%d %H:%M}Z"
    show(taken, machine=as_json, human=lambda: click.echo(told))


@click.command("review")
@click.argument("identity", metavar="BROKEN")
@click.option("--note", default="", help="What was looked at.")
@click.option("--unjustified", is_flag=True, help="It was not justified: the access ends now.")
@as_json
def review_broken(identity: str, *, note: str, unjustified: bool, as_json: bool) -> None:
    """Review what somebody took by breaking the glass."""
    from provender.sdk import connect

    with connect() as workspace:
        done = workspace.catalog.access.review(identity, justified=not unjustified, note=note)
    verdict = "justified" if done.justified else "not justified"
    show(done, machine=as_json, human=lambda: click.echo(f"{done.id} was {verdict}"))


@click.command("broken")
@as_json
def list_broken(as_json: bool) -> None:  # noqa: FBT001
    """List what was taken by breaking the glass, what waits for a review first."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.access.broken()
    show(found, machine=as_json, human=lambda: _broken(found))


COMMANDS = (list_unused, list_expiring, break_glass, review_broken, list_broken)


def _grants(found: "Listed[Grant]", *, empty: str) -> None:
    table(
        ("grant", "dataset", "to", "action", "columns", "purposes", "until", "since"),
        (
            (
                g.id,
                g.dataset,
                g.grantee,
                g.action,
                g.columns or "all unprotected",
                g.purposes,
                g.until or "for ever",
                g.granted_at,
            )
            for g in found.items
        ),
        empty=empty,
    )


def _broken(found: "Listed[BreakGlass]") -> None:
    table(
        ("id", "by", "dataset", "columns", "until", "reason", "review by", "reviewed", "justified"),
        (
            (
                one.id,
                one.actor,
                one.dataset,
                one.columns or "all unprotected",
                one.until,
                one.reason,
                one.review_by,
                one.reviewed_by,
                one.justified,
            )
            for one in found.items
        ),
        empty="no glass was broken",
    )
