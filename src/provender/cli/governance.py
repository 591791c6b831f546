"""``provender governance …``: what catalog/ says, made so."""

from pathlib import Path

import click

from provender.cli.output import as_json, show, table


@click.group()
def governance() -> None:
    """Governance as code: domains, people, tags, purposes, rules and datasets."""


@governance.command("plan")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@as_json
def plan_changes(folder: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Show what applying FOLDER (default: PROVENDER_GOVERNANCE) would change."""
    _apply(folder, dry_run=True, machine=as_json)


@governance.command("apply")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@as_json
def apply_changes(folder: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Check FOLDER (default: PROVENDER_GOVERNANCE), show the plan, and apply it."""
    _apply(folder, dry_run=False, machine=as_json)


def _apply(folder: Path | None, *, dry_run: bool, machine: bool) -> None:
    from provender.catalog.documents import read_governance
    from provender.core.governance import Change
    from provender.sdk import connect

    with connect() as workspace:
        desired = read_governance(folder or workspace.settings.governance)
        desk = workspace.catalog.desk
        steps = desk.plan(desired) if dry_run else desk.apply(desired)
    changed = [step for step in steps if step.change is not Change.KEEP]
    kept = len(steps) - len(changed)

    def human() -> None:
        table(
            ("change", "kind", "name"),
            ((step.change, step.kind, step.name) for step in changed),
            empty="nothing changes",
        )
        verb = "would change" if dry_run else "applied"
        click.echo(f"{len(changed)} {verb}, {kept} as they were")

    show(
        [{"change": s.change, "kind": s.kind, "name": s.name} for s in steps],
        machine=machine,
        human=human,
    )
