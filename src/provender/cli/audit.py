"""``provender audit …``."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from provender.cli.counting import telling
from provender.cli.instants import Instant
from provender.cli.output import as_json, show, size, table
from provender.core.audit import EventKind, Outcome
from provender.core.digest import plain


@click.group()
def audit() -> None:
    """Read and verify the audit trail."""


@audit.command("list")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="The last so many events.",
)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in EventKind]),
    help="Only events of that kind.",
)
@click.option("--actor", default="", help="Only what that actor did.")
@click.option("--subject", default="", help="Only of that dataset, version, project and so on.")
@click.option("--purpose", default="", help="Only what was asked for that purpose.")
@click.option(
    "--verdict",
    type=click.Choice([verdict.value for verdict in Outcome]),
    help="Only decisions that allowed, or that denied.",
)
@click.option("--since", type=Instant(), default=None, help="From that instant on, UTC.")
@click.option("--until", type=Instant(), default=None, help="Before that instant.")
@click.option("--before", type=int, help="Only before the event of that number.")
@as_json
def list_events(*, kind: str | None, verdict: str | None, as_json: bool, **asked: Any) -> None:
    """List the last events, newest first."""
    from provender.sdk import connect

    with connect() as workspace:
        of_kind = EventKind(kind) if kind else None
        said = Outcome(verdict) if verdict else None
        events = workspace.catalog.records.audit_events(kind=of_kind, verdict=said, **asked)
    show(
        events,
        machine=as_json,
        human=lambda: table(
            ("#", "at", "actor", "event", "subject", "lookups", "digest"),
            (
                (
                    e.sequence,
                    e.at,
                    e.actor,
                    e.kind,
                    e.subject,
                    e.detail.get("lookups"),
                    e.digest[7:19],
                )
                for e in events
            ),
            empty="nothing that you may see",
        ),
    )


@audit.command("verify")
@as_json
def verify_trail(as_json: bool) -> None:  # noqa: FBT001
    """Check that no event was changed, added, moved or taken out, and every signature.

    The first that does not hold is named, with exit code 6. A tail that was cut off is seen by
    the checkpoints, or by the witness where those were taken out too.
    """
    from provender.sdk import connect

    with connect() as workspace, telling() as heard:
        proof = workspace.catalog.records.audit_proof(progress=heard)
    signed = (
        f"the last of {proof.checkpoints} checkpoints is of {proof.last.size:,}"
        if proof.last
        else "no checkpoint yet"
    )
    show(
        {"ok": True, **plain(proof), "since": proof.since},
        machine=as_json,
        human=lambda: click.echo(f"{proof.events:,} events, the chain holds; {signed}"),
    )


@audit.command("checkpoint")
@as_json
def make_checkpoint(as_json: bool) -> None:  # noqa: FBT001
    """Sign for all events there are, now; the witness is told. Signs nothing twice."""
    from provender.bootstrap import door, settings
    from provender.catalog import notary

    made = notary.checkpoint(door(settings()))
    show(
        made,
        machine=as_json,
        human=lambda: click.echo(
            f"{made.size:,} events signed with key {made.key}, root {made.root}"
            if made
            else "there are no events yet"
        ),
    )


@audit.command("checkpoints")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def list_checkpoints(limit: int, as_json: bool) -> None:  # noqa: FBT001
    """List what was signed, newest first."""
    from provender.sdk import connect

    with connect() as workspace:
        found = workspace.catalog.records.checkpoints(limit=limit).items
    show(
        found,
        machine=as_json,
        human=lambda: table(
            ("events", "at", "root", "key"),
            ((one.size, one.at, one.root, one.key) for one in found),
            empty="nothing was signed yet",
        ),
    )


@audit.command("rotate-key")
@as_json
def rotate_key(as_json: bool) -> None:  # noqa: FBT001
    """Sign with a new key from now on; what the old one signed can still be checked."""
    from provender.bootstrap import door, settings
    from provender.catalog import notary

    made = notary.rotate(door(settings()))
    show({"key": made}, machine=as_json, human=lambda: click.echo(f"key {made} signs from now on"))


@audit.command("export")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A new file, or a folder to put one into; a name that ends with .gz is compressed.",
)
@click.option("--since", type=Instant(), default=None, help="From that instant on, UTC.")
@click.option("--until", type=Instant(), default=None, help="Before that instant; default: now.")
@as_json
def export_trail(
    out: Path,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write the audit trail to a file that proves itself, with its checkpoints and public keys.

    tools/verify_audit.py checks it anywhere, with a public key alone. The same range is the same bytes.
    """
    from provender.sdk import connect
    from provender.sdk.exporting import write_bundle

    with connect() as workspace:
        lines = workspace.catalog.records.audit_bundle(since=since, until=until)
        path, count = write_bundle(lines, out)
    show(
        {"file": path, "bytes": count},
        machine=as_json,
        human=lambda: click.echo(f"wrote {path}, {size(count)}"),
    )
