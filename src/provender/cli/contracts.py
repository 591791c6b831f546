"""``provender contract …``: what the publisher of a dataset promises, and whether versions keep it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.counting import telling
from provender.cli.measured import purpose_option
from provender.cli.output import as_json, show, table

if TYPE_CHECKING:
    from provender.core.contracts import CheckResult, ContractText

BROKEN = 5
"""The exit code where a contract keeps a version from its readers."""


@click.group()
def contract() -> None:
    """Attach contracts (ODCS 3, YAML) to datasets, show them, hold versions against them."""


@contract.command("attach")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--revision", type=int, help="Refuse unless this is the present one; 0: none yet.")
@purpose_option
@as_json
def attach_contract(
    name: str,
    path: Path,
    revision: int | None,
    purpose: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Let the contract in PATH judge the versions of dataset NAME from now on.

    Versions that are published stay as they are; what it says of the latest is told.
    """
    from provender.core.errors import Denied, NotFound
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        attached = workspace.attach(name, path, expected=revision)
        try:
            checks = workspace.check(name, purpose=purpose, progress=progress)
        except Denied:  # its rows are not for these eyes: what was counted before will do
            checks = workspace.check(name, rows=False)
        except NotFound:  # nothing is published yet
            checks = ()

    def human() -> None:
        _say(attached)
        if checks:
            click.echo("\nthe latest version, which stays as it is:")
            show_checks(checks)

    show({"contract": attached, "latest": checks}, machine=as_json, human=human)


@contract.command("show")
@click.argument("name")
@as_json
def show_contract(name: str, as_json: bool) -> None:  # noqa: FBT001
    """Print the contract of dataset NAME, byte for byte as it was written."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.contract(name)
    show(found, machine=as_json, human=lambda: click.echo(found.raw, nl=False))


@contract.command("check")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@purpose_option
@as_json
def check_contract(name: str, path: Path | None, purpose: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Hold a version against its contract, or against the one in PATH; nothing is changed.

    NAME is domain.name or domain.name@version. Exits with 5 if readers would not get the version.
    """
    from provender.sdk import connect

    with connect() as workspace, telling() as progress:
        checks = workspace.check(name, path, purpose=purpose, progress=progress)
    show(checks, machine=as_json, human=lambda: show_checks(checks))
    if any(check.refused for check in checks):
        sys.exit(BROKEN)


def show_checks(checks: "Sequence[CheckResult]") -> None:
    """Print what a contract says, check by check."""
    table(
        ("outcome", "check", "column", "what", "if not"),
        ((c.outcome, c.name, c.column, c.detail, c.severity) for c in checks),
        empty="nothing is promised",
    )


def _say(attached: "ContractText") -> None:
    promised = attached.contract
    click.echo(
        f"{attached.dataset}: contract {promised} ({promised.status}), revision {attached.revision}, "
        f"{len(promised.columns)} columns, {len(promised.expectations)} rules, {attached.sha256[:19]}"
    )
