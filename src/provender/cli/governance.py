"""``provender catalog plan|apply|export`` and ``provender governance …``: what catalog/ says, made so."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from provender.core.governance import Step
    from provender.sdk import Workspace

WOULD_CHANGE = 8
WOULD_UNDO = 5
"""Exit codes of a plan that is asked for one."""

folder = click.argument("folder", type=click.Path(path_type=Path), required=False)


@click.group()
def governance() -> None:
    """Governance as code: domains, people, tags, terms, purposes, rules and datasets."""


@click.command("plan")
@folder
@click.option(
    "--exit-code",
    is_flag=True,
    help=f"End with {WOULD_CHANGE} if something would change, with {WOULD_UNDO} if that would "
    "undo what was changed in the catalog.",
)
@as_json
def plan_changes(folder: Path | None, *, exit_code: bool, as_json: bool) -> None:
    """Show what applying FOLDER (default: PROVENDER_GOVERNANCE) would change, and undo."""
    from provender.core.governance import plan_digest

    steps = _steps(folder, lambda workspace, desired: workspace.catalog.desk.plan(desired))
    _show(steps, verb="would change", machine=as_json)
    if _changed(steps) and not as_json:
        click.echo(f"plan {plan_digest(steps)}: apply just this with --expected")
    if exit_code and any(step.overwrites for step in steps):
        raise SystemExit(WOULD_UNDO)
    if exit_code and _changed(steps):
        raise SystemExit(WOULD_CHANGE)


@click.command("apply")
@folder
@click.option(
    "--overwrite", is_flag=True, help="Undo what was changed in the catalog since the last time."
)
@click.option("--expected", metavar="PLAN", help="Refuse to do anything but this plan.")
@as_json
def apply_changes(
    folder: Path | None, *, overwrite: bool, expected: str | None, as_json: bool
) -> None:
    """Check FOLDER (default: PROVENDER_GOVERNANCE), and make the catalog as it says.

    What was declared in the catalog only stays. What was changed there is not undone, unless
    with --overwrite: nothing at all is applied then.
    """
    steps = _steps(
        folder,
        lambda workspace, desired: workspace.catalog.desk.apply(
            desired, overwrite=overwrite, expected=expected
        ),
    )
    _show(steps, verb="applied", machine=as_json)


@click.command("export")
@folder
@click.option("--dry-run", is_flag=True, help="Only say which files would be written.")
@as_json
def export_changes(folder: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Write what is in force into FOLDER (default: PROVENDER_GOVERNANCE).

    Only files that say something else are written; their comments are lost. The file of a
    dataset that was renamed moves; no other is deleted. Rules are written for who governs.
    """
    from provender.catalog import export
    from provender.core.policy import EVERY, Action, ColumnRef
    from provender.sdk import connect

    with connect() as workspace:
        place = folder or workspace.settings.governance
        in_force = workspace.catalog.desk.governance()
        governs = workspace.catalog.records.decide(Action.GOVERN, [ColumnRef(EVERY)]).allowed
        files = export.export(
            in_force, place, called_now=partial(_called_now, workspace), rules=governs
        )
    if not dry_run:
        export.write(place, files)

    def human() -> None:
        for name, text in files.items():
            click.echo(f"{place.name}/{name}" + (" goes" if text is None else ""))
        verb = "would be written" if dry_run else "written"
        count = f"{len(files)} file" + ("" if len(files) == 1 else "s")
        click.echo(f"{count} {verb}" if files else f"{place.name}/ says what is in force")

    show({"folder": place, "files": list(files)}, machine=as_json, human=human)


for command in (plan_changes, apply_changes, export_changes):
    governance.add_command(command)


def _called_now(workspace: "Workspace", name: str) -> str:
    """What a dataset is called now; one that is not there, as it was."""
    from provender.core.errors import NotFound
    from provender.core.names import DatasetRef

    try:
        return workspace.catalog.finder.entry(DatasetRef.parse(name)).dataset.ref.dataset
    except NotFound:
        return name


def _steps(folder: Path | None, make: "Callable[[Workspace, Any], list[Step]]") -> "list[Step]":
    from provender.catalog.documents import read_governance
    from provender.sdk import connect

    with connect() as workspace:
        return make(workspace, read_governance(folder or workspace.settings.governance))


def _changed(steps: "list[Step]") -> "list[Step]":
    from provender.core.governance import Change

    return [step for step in steps if step.change is not Change.KEEP]


def _show(steps: "list[Step]", *, verb: str, machine: bool) -> None:
    changed = _changed(steps)
    elsewhere = [step for step in steps if step.drift and not step.overwrites]
    kept = len(steps) - len(changed) - len(elsewhere)

    def human() -> None:
        table(
            ("change", "kind", "name", "undoes"),
            ((step.change, step.kind, step.name, _undoes(step)) for step in changed),
            empty="nothing changes",
        )
        for warning in (warning for step in steps for warning in step.warnings):
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{len(changed)} {verb}, {kept} as they were")
        if elsewhere:
            names = ", ".join(f"{step.kind} {step.name}" for step in elsewhere[:5])
            more = f" and {len(elsewhere) - 5} more" if elsewhere[5:] else ""
            click.echo(f"declared in the catalog only: {names}{more}; provender catalog export")

    show(
        [
            {
                "change": step.change,
                "kind": step.kind,
                "name": step.name,
                "overwrites": step.overwrites,
                "parts": step.drift.parts if step.drift else (),
                "declared": step not in elsewhere,
                "warnings": step.warnings,
            }
            for step in steps
        ],
        machine=machine,
        human=human,
    )


def _undoes(step: "Step") -> str:
    if not step.overwrites or step.drift is None:
        return ""
    return ", ".join(step.drift.parts) or ("its removal" if step.drift.theirs is None else "all")
