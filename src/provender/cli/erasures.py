"""``provender erase``: the rows of a subject made to go, and the certificate of it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provender.cli.counting import telling
from provender.cli.output import as_json, fields, show, size, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from provender.core.erasure import Erased, Erasure, Readers

TO_DECIDE = "models that learnt from the subject: decide whether to train them again"


@click.group(invoke_without_command=True)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    help="Whom to erase: a join key and its value, driver_id=17; again for several.",
)
@click.option("--reason", default="", help="Why, without naming the subject: it stays.")
@click.option("--dataset", "datasets", multiple=True, help="Only there; default: everywhere.")
@click.option("--resume", default="", metavar="ID", help="Go on with an erasure.")
@click.option("--dry-run", is_flag=True, help="Look everywhere, and write nothing.")
@as_json
@click.pass_context
def erase(
    context: click.Context,
    *,
    subjects: tuple[str, ...],
    reason: str,
    datasets: tuple[str, ...],
    resume: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Erase a subject: its rows in every version of every dataset that has its join key.

    Versions that hold it go, with their files; what readers got comes again without it. Its
    keys go from the online store. Reading what went is refused, with the id of the certificate. Killed, it goes on by --resume ID.
    You need the right to govern.
    """
    if context.invoked_subcommand is not None:
        return
    from provender.core.errors import InvalidInput
    from provender.sdk import connect

    if bool(subjects) == bool(resume):
        raise InvalidInput(
            "an erasure is of a subject, or one that goes on",
            hint='say --subject driver_id=17 --reason "request 2026-17", or --resume ID',
        )
    with connect() as workspace, telling() as progress:
        if dry_run:
            found = workspace.foresee_erasure(*subjects, datasets=datasets)
            readers = workspace.foresee_readers(found)
            show(
                {"dry_run": True, "datasets": found, "readers": readers.readers},
                machine=as_json,
                human=lambda: _foreseen(found, readers),
            )
            return
        done = workspace.erase(
            *subjects, reason=reason, datasets=datasets, resume=resume, progress=progress
        )
    show(done, machine=as_json, human=lambda: _certificate(done))


@erase.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def list_erasures(limit: int, as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """List erasures, the last first."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.erasures.erasures(limit=limit)
    rows = [(e.id, e.state, e.join_key, e.at, e.by, e.reason) for e in found.items]
    show(
        found,
        machine=as_json,
        human=lambda: table(
            ("id", "state", "of", "at", "by", "reason"), rows, empty="nobody was erased"
        ),
    )


@erase.command("show")
@click.argument("identity", metavar="ID")
@as_json
def show_erasure(identity: str, as_json: bool) -> None:  # noqa: FBT001 - click calls by name
    """Show an erasure; with --json it is the certificate that provender erase verify checks."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.erasures.erasure(identity)
    show(found, machine=as_json, human=lambda: _certificate(found))


@erase.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--key", default="", help="The public key, 64 hex digits; default: those known here.")
@as_json
def verify_certificate(file: Path, key: str, as_json: bool) -> None:  # noqa: FBT001
    """Check that a certificate in FILE was signed as it is. Exit code 6: it was not."""
    from provender import bootstrap
    from provender.catalog.signing import is_attested
    from provender.core.checkpoints import key_id
    from provender.core.erasure import Erasure, State, unsigned
    from provender.values import from_json

    found = from_json(Erasure, file.read_bytes())
    known = bootstrap.sealing(bootstrap.settings()).keys.public()
    if key:
        known = {key_id(bytes.fromhex(key)): bytes.fromhex(key)}
    if not is_attested(found, known):
        raise unsigned(str(file))
    done = found.state is State.DONE
    show(
        {"ok": True, "id": found.id, "state": found.state, "signed_by": found.signed_by},
        machine=as_json,
        human=lambda: click.echo(
            f"{found.id} was signed with the key {found.signed_by}, "
            + (f"done {found.finished_at:%Y-%m-%d %H:%M:%S}Z" if done else f"and is {found.state}")
        ),
    )


def _foreseen(found: "Iterable[Erased]", readers: "Readers") -> None:
    _datasets(found)
    _tell(
        ("would be refused, as they rest on versions that would go", readers.refused),
        (TO_DECIDE, readers.to_decide),
    )


def _certificate(erasure: "Erasure") -> None:
    fields(
        (
            ("erasure", erasure.id),
            ("state", erasure.state),
            ("of", erasure.join_key),
            ("reason", erasure.reason),
            ("by", erasure.by),
            ("done", erasure.finished_at),
            ("signed by", erasure.signed_by),
        )
    )
    _datasets(erasure.erased)
    for one in erasure.online:
        what = "all its keys" if one.whole else f"{one.keys:,} keys"
        files = "" if one.rewritten else "; its files hold them until they are written anew"
        click.echo(f"online: {what} of {one.project}/{one.view} went{files}")
    _tell(
        ("refused from now on, as they rest on versions that went", erasure.refused),
        (TO_DECIDE, erasure.to_decide),
        ("made from those datasets, without the key: look at them", erasure.scope.unkeyed),
        ("not ours, so it is to be done there", erasure.scope.elsewhere),
    )


def _tell(*told: "tuple[str, Sequence[str]]") -> None:
    for heading, names in told:
        if names:
            click.echo(f"{heading}: {', '.join(names)}")


def _datasets(erased: "Iterable[Erased]") -> None:
    rows = [
        (
            one.dataset,
            ", ".join(one.columns),
            ", ".join(f"@{number}" for number in one.erased),
            f"@{one.after}" if one.after else "",
            one.rows,
            one.files,
            size(one.size_bytes),
        )
        for one in erased
        if one.erased
    ]
    heading = ("dataset", "columns", "versions", "after", "rows", "files", "size")
    table(heading, rows, empty="no version holds the subject")
