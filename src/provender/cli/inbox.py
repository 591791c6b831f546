"""``provender inbox``: what waits for a steward."""

import click

from provender.cli.output import as_json, show


@click.group(invoke_without_command=True)
@click.option("--kind", default="", help="Only tasks of this kind, such as untagged or stale.")
@click.option("--limit", default=50, show_default=True, help="How many at most.")
@click.option("--after", default="", help="Go on where a list ended: what it called next.")
@as_json
@click.pass_context
def inbox(context: click.Context, *, kind: str, limit: int, after: str, as_json: bool) -> None:
    """Show what waits for you as a steward, the most urgent first, and what to do about it."""
    if context.invoked_subcommand is not None:
        return
    from provender.sdk import connect

    with connect() as workspace:
        listed = workspace.catalog.desk.inbox(kind=kind, limit=limit, after=after)

    def human() -> None:
        for task in listed.items:
            click.echo(click.style(task.says, bold=True) + f"  (since {task.since:%Y-%m-%d})")
            click.echo(f"  {task.suggests}")
            click.echo(f"  or settle it: provender inbox settle {task.id}")
        if not listed.items:
            click.echo("nothing waits for you")
        if listed.next is not None:
            click.echo(f"there is more: --after '{listed.next}'")

    show(listed, machine=as_json, human=human)


@inbox.command()
@click.argument("task")
@click.option("--expected", type=int, help="Refuse if the task is at another revision.")
@as_json
def settle(task: str, *, expected: int | None, as_json: bool) -> None:
    """Let a task wait no more, as long as it is about the same; TASK is its id."""
    from provender.sdk import connect

    with connect() as workspace:
        workspace.catalog.desk.settle(task, expected=expected)
    show({"settled": task}, machine=as_json, human=lambda: click.echo("settled"))
