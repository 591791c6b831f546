"""``provender dataset publish-draft|deprecate|recall|restore|release|rename``: what stewards say."""

from collections.abc import Callable
from typing import Any

import click

from provender.cli.output import as_json, show, table

needs_reason = click.option(
    "--reason", required=True, help="What readers are told: what is wrong with it."
)
may_reason = click.option("--reason", default="", help="Why.")
instead = click.option("--replacement", type=int, help="The version to read in its place.")
revision = click.option(
    "--expected", type=int, help="Refuse if the dataset is at another revision."
)


@click.command("publish-draft")
@click.argument("name")
@may_reason
@revision
@as_json
def publish_draft(name: str, **options: Any) -> None:
    """Let readers get a draft; NAME is domain.name@version."""
    _step("publish", name, **options)


@click.command()
@click.argument("name")
@needs_reason
@instead
@revision
@as_json
def deprecate(name: str, **options: Any) -> None:
    """Warn those who read a version that it is going out of use; NAME is domain.name@version."""
    _step("deprecate", name, **options)


@click.command()
@click.argument("name")
@needs_reason
@click.option("--refuse", is_flag=True, help="Refuse it to readers; else they are warned.")
@instead
@revision
@as_json
def recall(name: str, *, refuse: bool, **options: Any) -> None:
    """Take a version back that is wrong; NAME is domain.name@version. Lists who read it."""
    _step("recall", name, refuse=refuse, told=_consumers, **options)


@click.command()
@click.argument("name")
@may_reason
@revision
@as_json
def restore(name: str, **options: Any) -> None:
    """Let readers get a version again that was deprecated or recalled; NAME is domain.name@version."""
    _step("restore", name, **options)


@click.command()
@click.argument("name")
@may_reason
@revision
@as_json
def release(name: str, **options: Any) -> None:
    """Let readers get a version that is quarantined; NAME is domain.name@version."""
    _step("release", name, **options)


@click.command()
@click.argument("name")
@click.argument("to")
@revision
@as_json
def rename(name: str, to: str, *, expected: int | None, as_json: bool) -> None:
    """Call dataset NAME by the name TO from now on; what names it NAME goes on meaning it."""
    from provender.core.names import DatasetRef
    from provender.sdk import connect

    with connect() as workspace:
        entry = workspace.catalog.desk.rename(DatasetRef.parse(name), to, expected=expected)
    show(
        entry,
        machine=as_json,
        human=lambda: click.echo(
            f"{entry.dataset.ref}, once {', '.join(entry.former_names)}; rename it in catalog/, too"
        ),
    )


steps = (publish_draft, deprecate, recall, restore, release, rename)


def _step(
    verb: str,
    name: str,
    *,
    reason: str,
    expected: int | None,
    as_json: bool,
    refuse: bool = False,
    replacement: int | None = None,
    told: Callable[[Any, Any], list[Any]] | None = None,
) -> None:
    from provender.core.lifecycle import Severity, Step, said
    from provender.core.names import DatasetRef
    from provender.sdk import connect

    ref = DatasetRef.parse(name)
    with connect() as workspace:
        made = workspace.catalog.desk.step(
            ref,
            Step(verb),
            reason=reason,
            severity=Severity.REFUSE if refuse else Severity.WARN,
            replacement=replacement,
            expected=expected,
        )
        readers = told(workspace.catalog, ref) if told else []
        latest = workspace.catalog.finder.entry(ref).latest

    def human() -> None:
        now = f"readers get @{latest}" if latest else "readers get no version"
        click.echo(f"{said(str(made.version.ref), made.standing)}; {now}")
        if told:
            click.echo()
            table(
                ("read by", "kind", "first", "last", "times"),
                ((c.name, c.kind, c.first_at, c.last_at, c.times) for c in readers),
                empty="nobody is known to have read it",
            )

    answer = {"release": made, "latest": latest, **({"consumers": readers} if told else {})}
    show(answer, machine=as_json, human=human)


def _consumers(catalog: Any, ref: Any) -> list[Any]:
    from provender.core.datasets import whole

    return whole(lambda after: catalog.finder.consumers(ref, after=after))
