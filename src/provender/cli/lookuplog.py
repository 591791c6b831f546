"""``provender online log …``: what serving saw, from servers into the catalog."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from provender.core.datasets import Dataset
    from provender.sdk.workspace import Workspace

project_option = click.option("--project", default=None, help="Default: the only project there is.")


@click.group("log")
def lookup_log() -> None:
    """What serving saw: lookups that servers logged, published as datasets."""


@lookup_log.command("ship")
@project_option
@as_json
def ship_log(project: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Publish what servers have logged; running ones do so by themselves.

    Exit code 1 if something could not be published; it is kept, and tried again.
    """
    from provender.sdk import connect
    from provender.sdk.lookuplog import ship

    with connect() as workspace:
        shipped = ship(workspace.catalog, workspace.settings, _project(workspace, project))
    show(
        shipped,
        machine=as_json,
        human=lambda: table(
            ("service", "dataset", "rows", "versions", "problem"),
            ((s.service, s.dataset, s.rows, ", ".join(s.versions), s.problem) for s in shipped),
            empty="nothing was logged",
        ),
    )
    failed = [shipment for shipment in shipped if shipment.problem]
    for shipment in failed:
        if shipment.hint:
            click.echo(f"{shipment.service}: {shipment.hint}", err=True)
    if failed:
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of one service's log waits to be published."""

    service: str
    segments: int
    size_bytes: int
    problem: str


@lookup_log.command("status")
@project_option
@as_json
def log_status(project: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Tell what waits to be published, and why it could not be."""
    from provender.online.spool import SpoolFolder
    from provender.sdk import connect

    with connect() as workspace:
        spool = SpoolFolder(workspace.settings.home, _project(workspace, project))
    told = spool.told()
    waiting = [
        Waiting(service, count, size, told.get(service, ""))
        for service in spool.services()
        for count, size in [spool.waiting(service)]
    ]
    show(
        waiting,
        machine=as_json,
        human=lambda: table(
            ("service", "segments", "bytes", "problem"),
            ((w.service, w.segments, w.size_bytes, w.problem) for w in waiting),
            empty="nothing was logged",
        ),
    )


@lookup_log.command("declare")
@click.argument("service")
@project_option
@click.option("--write", is_flag=True, help="Write it to PROVENDER_GOVERNANCE, over what is there.")
def declare_log(service: str, project: str | None, write: bool) -> None:  # noqa: FBT001
    """Show how catalog/ declares the log of SERVICE: with the tags of what the features come from."""
    from provender.sdk import connect
    from provender.sdk.lookuplog import declaration

    with connect() as workspace:
        declared = declaration(workspace.catalog, _project(workspace, project), service)
        text = _yaml(declared)
        place = Path("datasets", declared.ref.domain, f"{declared.ref.name}.yml")
        if not write:
            click.echo(f"# {place}\n{text}", nl=False)
            return
        file = workspace.settings.governance / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    click.echo(f"wrote {file}; apply it: provender governance apply")


def _yaml(dataset: "Dataset") -> str:
    import yaml

    document = {
        "name": dataset.ref.dataset,
        "description": dataset.description,
        "owner": dataset.owner,
        "format": dataset.format.value,
        "event_timestamp": dataset.event_timestamp,
        "columns": {
            name: {"tags": list(tags)} for name, tags in sorted(dataset.column_tags.items())
        },
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text


def _project(workspace: "Workspace", project: str | None) -> str:
    return workspace.repo(project).project
